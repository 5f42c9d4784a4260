package calendar

import (
	"context"
	"sync"
	"time"
)

// recorder records the last run beside the ticks, which do not wait for the
// Store. Of several that are to be recorded meanwhile only the latest matters.
type recorder struct {
	wake   chan struct{} // closed when there is no more to come
	ended  chan struct{}
	cancel context.CancelFunc

	mu    sync.Mutex
	at    time.Time // is to be recorded
	clock time.Time // when that was said
}

// newRecorder starts a recorder, which stop ends. That ctx ends does not.
func newRecorder(ctx context.Context, last *lastRun) *recorder {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &recorder{wake: make(chan struct{}, 1), ended: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(r.ended)
		for range r.wake {
			t, now := r.latest()
			last.record(ctx, t, now)
		}
	}()
	return r
}

// record has t recorded, soon.
func (r *recorder) record(t, now time.Time) {
	r.mu.Lock()
	r.at, r.clock = t, now
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default: // it has been woken, and will find t
	}
}

func (r *recorder) latest() (t, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at, r.clock
}

// stop returns when what was to be recorded is, or takes too long.
func (r *recorder) stop() {
	close(r.wake)
	late := time.AfterFunc(storeTimeout, r.cancel)
	<-r.ended
	late.Stop()
	r.cancel()
}
