package main

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// ledger is where the replicas post the events to. It counts them by their
// idempotency keys: an event has the same each time it comes.
type ledger struct {
	accepted atomic.Int64 // events that the bus has stored

	mu    sync.Mutex
	fired map[string]int
}

// ServeHTTP takes an event, and its time, so that some are under way whenever a
// replica is killed.
func (l *ledger) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	time.Sleep(10 * time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fired[r.Header.Get("Idempotency-Key")]++
}

// lost is how many events have not come, or not yet.
func (l *ledger) lost() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.accepted.Load()) - len(l.fired)
}

func (l *ledger) duplicates() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := -len(l.fired)
	for _, times := range l.fired {
		n += times
	}
	return n
}

// String is the account.
func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("accepted %d fired %d", l.accepted.Load(), len(l.fired))
}
