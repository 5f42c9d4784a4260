package bench

import (
	"slices"
	"sync/atomic"
	"time"
)

// ledger keeps what became of the events of one run, by sequence number.
type ledger struct {
	first   int // sequence number of the first event
	began   time.Time
	entries []entry
	arrived atomic.Int64 // events, each counted once
	last    atomic.Int64 // when one arrived last, since began
}

// entry is an event's. Times are since the ledger began; zero: not yet.
type entry struct {
	sent     atomic.Int64
	accepted atomic.Bool
	arrived  atomic.Int64 // at first
	arrivals atomic.Int32
}

func newLedger(first, n int) *ledger {
	return &ledger{first: first, began: time.Now(), entries: make([]entry, n)}
}

// arrive notes that the sink took an event.
func (l *ledger) arrive(seq int) {
	i := seq - l.first
	if i < 0 || i >= len(l.entries) {
		return // of an earlier run
	}
	e, now := &l.entries[i], int64(time.Since(l.began))
	if e.arrivals.Add(1) == 1 {
		e.arrived.Store(now)
		l.last.Store(now)
		l.arrived.Add(1)
	}
}

// result is what a ledger says in the end.
type result struct {
	accepted, refused int
	lost              int // accepted and never arrived
	duplicates        int // arrivals beyond the first
	took              time.Duration
	latencies         []time.Duration // from sent to arrived, ascending
}

func (l *ledger) result() result {
	r := result{took: time.Duration(l.last.Load())}
	for i := range l.entries {
		e := &l.entries[i]
		n := int(e.arrivals.Load())
		r.duplicates += max(0, n-1)
		if n > 0 {
			r.latencies = append(r.latencies, time.Duration(e.arrived.Load()-e.sent.Load()))
		}
		switch {
		case !e.accepted.Load():
			r.refused++
		case n == 0:
			r.lost++
			fallthrough
		default:
			r.accepted++
		}
	}
	slices.Sort(r.latencies)
	return r
}

// complete reports whether all that was accepted has arrived.
func (l *ledger) complete() bool {
	for i := range l.entries {
		if e := &l.entries[i]; e.accepted.Load() && e.arrivals.Load() == 0 {
			return false
		}
	}
	return true
}

// quantile returns the latency that the share q of the events did not exceed.
func (r result) quantile(q float64) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	return r.latencies[int(q*float64(len(r.latencies)-1))]
}
