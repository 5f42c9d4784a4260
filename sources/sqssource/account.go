package sqssource

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearken-go/hearken"
)

// call is a kind of call to SQS.
type call int

const (
	find call = iota
	receive
	remove // delete
	extend
	calls
)

func (c call) String() string {
	return [...]string{"find the queue", "receive messages", "delete messages", "keep messages hidden"}[c]
}

// account is what a Source knows of itself. The zero value is ready to use.
type account struct {
	received, deleted, handedBack, refused, dropped, lost atomic.Uint64

	mu      sync.Mutex
	trouble [calls]*hearken.LastError // since when, and the latest error
}

func (a *account) report() hearken.Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := hearken.Report{Counters: map[string]uint64{
		"received": a.received.Load(), "deleted": a.deleted.Load(), "handed_back": a.handedBack.Load(),
		"refused": a.refused.Load(), "dropped": a.dropped.Load(), "lost": a.lost.Load(),
	}}
	for _, t := range a.trouble {
		if t != nil && r.Trouble == nil {
			r.Trouble = t
		}
	}
	return r
}

// failed notes that a call failed.
func (a *account) failed(log *slog.Logger, c call, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	since := time.Now()
	if t := a.trouble[c]; t != nil {
		since = t.Time
	}
	a.trouble[c] = &hearken.LastError{Err: err, Time: since}
	log.Warn("SQS did not answer as it should", "call", c.String(), "error", err, "since", since)
}

// succeeded notes that a call did not fail.
func (a *account) succeeded(log *slog.Logger, c call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := a.trouble[c]; t != nil {
		log.Info("SQS answers again", "call", c.String(), "after", time.Since(t.Time))
		a.trouble[c] = nil
	}
}

// moot notes that there is nothing left that a call which failed was for.
func (a *account) moot(c call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trouble[c] = nil
}
