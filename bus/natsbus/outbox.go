package natsbus

import (
	"slices"
	"sync"
)

// outbox has one caller send what many have to send. Each by itself would wait
// for the connection's lock, which it holds while it writes to the network, and
// be woken once more for that.
type outbox[T comparable] struct {
	send func(T)

	mu      sync.Mutex
	waiting []T
	sending bool // somebody empties it
	closed  bool
	rest    sync.WaitGroup
}

// put adds v, and reports whether it is the caller's to empty the outbox.
func (o *outbox[T]) put(v T) (mine bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = append(o.waiting, v)
	mine = !o.sending
	o.sending = true
	return mine
}

// empty sends what waits for as long as the caller has time, at least once, and
// leaves the rest to a goroutine: no caller works for the others for ever.
func (o *outbox[T]) empty(hasTime func() bool) {
	var batch []T
	for {
		if batch = o.take(batch); len(batch) == 0 {
			return
		}
		for _, v := range batch {
			o.send(v)
		}
		if !hasTime() {
			o.delegate()
			return
		}
	}
}

// take returns what waits, and keeps the room of the last batch for what comes.
func (o *outbox[T]) take(last []T) []T {
	clear(last)
	o.mu.Lock()
	defer o.mu.Unlock()
	batch := o.waiting
	o.waiting = last[:0]
	o.sending = len(batch) > 0
	return batch
}

func (o *outbox[T]) delegate() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sending = len(o.waiting) > 0 && !o.closed; o.sending {
		o.rest.Go(func() { o.empty(func() bool { return true }) })
	}
}

// remove has v not sent if it still waits.
func (o *outbox[T]) remove(v T) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = slices.DeleteFunc(o.waiting, func(w T) bool { return w == v })
}

// close drops what waits, and returns when the goroutine has ended.
func (o *outbox[T]) close() {
	o.mu.Lock()
	o.closed = true
	o.waiting = nil
	o.mu.Unlock()
	o.rest.Wait()
}
