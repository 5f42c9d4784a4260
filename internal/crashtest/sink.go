package crashtest

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Whims is how often a sink does what a good one would not. Each is a share of
// the requests, from 0 to 1.
type Whims struct {
	Fail float64 // answers 503 and books nothing
	Cut  float64 // books the firing and breaks the connection
	Slow float64 // takes up to SlowFor before it does anything
	// SlowFor is how long Slow takes at most.
	SlowFor time.Duration
}

// Sink is where all triggers post to. It books in its Ledger what arrives.
type Sink struct {
	ledger *Ledger

	mu    sync.Mutex
	rand  *rand.Rand
	whims Whims
}

// NewSink returns a sink whose whims come from r, which it owns.
func NewSink(l *Ledger, r *rand.Rand, w Whims) *Sink {
	return &Sink{ledger: l, rand: r, whims: w}
}

// Calm ends the whims.
func (s *Sink) Calm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.whims = Whims{}
}

// whim draws what happens to a request.
func (s *Sink) whim() (fail, cut bool, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.whims
	if s.rand.Float64() < w.Slow {
		wait = time.Duration(s.rand.Int64N(int64(w.SlowFor) + 1))
	}
	return s.rand.Float64() < w.Fail, s.rand.Float64() < w.Cut, wait
}

// ServeHTTP books a firing, unless a whim prevents it.
func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := Firing{ID: r.Header.Get("Idempotency-Key")}
	if err := json.NewDecoder(r.Body).Decode(&f); err != nil || f.ID == "" {
		return // the sender was killed; a body that is complete and wrong is never booked, and so lost
	}
	fail, cut, wait := s.whim()
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	if fail {
		http.Error(w, "a whim", http.StatusServiceUnavailable)
		return
	}
	if f.Sensor != lettersSensor && f.poisoned() {
		http.Error(w, "poison", http.StatusUnprocessableEntity)
		return
	}
	s.ledger.Fired(f)
	if cut {
		s.cut(w)
	}
}

func (f Firing) poisoned() bool {
	for _, e := range f.Events {
		if e.Poison {
			return true
		}
	}
	return false
}

// cut breaks the connection in place of an answer.
func (s *Sink) cut(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			_ = conn.Close()
		}
	}
}
