package hearken

import (
	"encoding/json"
	"sync/atomic"
	"time"
)

// Health is what a pipeline knows of itself at a moment. Counters count since
// Run began, in this process.
type Health struct {
	// Ready says that every sensor is subscribed and emits are accepted: what
	// a readiness probe asks.
	Ready        bool
	EventSources []EventSourceHealth
	Sensors      []SensorHealth
}

// EventSourceHealth is the health of an event source.
type EventSourceHealth struct {
	Name, Event string
	Running     bool      // its Source's Run is under way
	Restarts    uint64    // how often it was run again after an error
	Emitted     uint64    // events stored
	Refused     uint64    // emits that returned an error
	LastEmit    time.Time // when an event was last stored
	LastError   *LastError
}

// SensorHealth is the health of a sensor.
type SensorHealth struct {
	Name         string
	Receiving    bool   // its subscription works
	InFlight     int    // deliveries held
	Received     uint64 // deliveries taken in hand
	Repeated     uint64 // deliveries dropped since they were held already
	Settled      uint64 // deliveries that are done with
	HandedBack   uint64 // deliveries given back to the bus
	DeadLettered uint64 // events given up before any action was begun
	Unburied     int    // dead letters that the bus has not taken yet
	LastReceived time.Time
	LastError    *LastError
	Dependencies []DependencyHealth
	Actions      []ActionHealth
}

// DependencyHealth answers the question why nothing fired.
type DependencyHealth struct {
	Name        string
	EventSource string
	Event       string
	Received    uint64 // events judged
	Matched     uint64
	FilteredOut uint64
	Failed      uint64 // the transform, filter or key returned an error
	LastSeen    time.Time
	LastError   *LastError
}

// ActionHealth is the health of an action.
type ActionHealth struct {
	Name         string
	Fired        uint64    // firings that succeeded
	Failed       uint64    // attempts that failed
	Retried      uint64    // attempts put off for another
	DeadLettered uint64    // events given up
	LastFired    time.Time // when the last attempt that succeeded began
	LastError    *LastError
}

// LastError is an error and when it happened.
type LastError struct {
	Err  error
	Time time.Time
}

// String returns the error and when it happened.
func (l *LastError) String() string {
	if l == nil {
		return "none"
	}
	return l.Time.Format(time.RFC3339) + ": " + errorText(l.Err)
}

// MarshalJSON writes {"error": "…", "time": "…"}, with at most 1 KB of text.
func (l *LastError) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Error string    `json:"error"`
		Time  time.Time `json:"time"`
	}{errorText(l.Err), l.Time})
}

// moment is a time that is set and read concurrently.
type moment struct{ nanos atomic.Int64 }

func (m *moment) set(t time.Time) { m.nanos.Store(t.UnixNano()) }

func (m *moment) time() time.Time {
	if n := m.nanos.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}

// trouble is the last error of something.
type trouble struct{ last atomic.Pointer[LastError] }

func (t *trouble) failed(err error) { t.last.Store(&LastError{Err: err, Time: time.Now()}) }

type sourceStats struct {
	trouble
	running  atomic.Bool
	restarts atomic.Uint64
	stored   atomic.Uint64
	refused  atomic.Uint64
	last     moment
}

func (s *sourceStats) emitted(err error, now time.Time) {
	if err != nil {
		s.refused.Add(1)
		s.failed(err)
		return
	}
	s.stored.Add(1)
	s.last.set(now)
}

type sensorStats struct {
	trouble
	receiving    atomic.Bool
	received     atomic.Uint64
	repeated     atomic.Uint64
	settled      atomic.Uint64
	handedBack   atomic.Uint64
	deadLettered atomic.Uint64
	unburied     atomic.Int64
	last         moment
}

type dependencyStats struct {
	trouble
	matched, filtered, errors atomic.Uint64
	last                      moment
}

func (s *dependencyStats) judged(v *verdict, now time.Time) {
	s.last.set(now)
	switch {
	case v.err != nil:
		s.errors.Add(1)
		s.failed(v.err)
	case v.matches:
		s.matched.Add(1)
	default:
		s.filtered.Add(1)
	}
}

type actionStats struct {
	trouble
	fired        atomic.Uint64
	attempts     atomic.Uint64 // that failed
	retried      atomic.Uint64
	deadLettered atomic.Uint64
	last         moment
	warned       atomic.Int64 // nanoseconds
}

// warnEvery is how often an action that fails says so above level debug: an
// outage of what it calls fails thousands of firings alike.
const warnEvery = 10 * time.Second

func (s *actionStats) warn() bool {
	now, last := time.Now().UnixNano(), s.warned.Load()
	return now-last >= int64(warnEvery) && s.warned.CompareAndSwap(last, now)
}

func (s *actionStats) succeeded(began time.Time) {
	s.fired.Add(1)
	s.last.set(began)
}

func (s *actionStats) failed(err error) {
	s.attempts.Add(1)
	s.trouble.failed(err)
}

// Health may be called at any time, concurrently. Before Run it is zero.
func (p *Pipeline) Health() Health {
	r := p.running.Load()
	if r == nil {
		return Health{}
	}
	h := Health{Ready: r.ready.Load()}
	for _, s := range r.sensors {
		h.Ready = h.Ready && s.stats.receiving.Load()
	}
	for _, s := range p.EventSources {
		h.EventSources = append(h.EventSources, r.sources[s].health())
	}
	for _, s := range r.sensors {
		h.Sensors = append(h.Sensors, s.health())
	}
	return h
}

func (s *sourcePlan) health() EventSourceHealth {
	return EventSourceHealth{
		Name: s.Name, Event: s.Event, Running: s.stats.running.Load(), Restarts: s.stats.restarts.Load(),
		Emitted: s.stats.stored.Load(), Refused: s.stats.refused.Load(), LastEmit: s.stats.last.time(),
		LastError: s.stats.trouble.last.Load(),
	}
}

func (s *sensorRun) health() SensorHealth {
	s.mu.Lock()
	inFlight := len(s.held)
	s.mu.Unlock()
	st := &s.stats
	h := SensorHealth{
		Name: s.name, Receiving: st.receiving.Load(), InFlight: inFlight, Received: st.received.Load(),
		Repeated: st.repeated.Load(), Settled: st.settled.Load(), HandedBack: st.handedBack.Load(),
		DeadLettered: st.deadLettered.Load(), Unburied: int(st.unburied.Load()),
		LastReceived: st.last.time(), LastError: st.trouble.last.Load(),
	}
	for _, d := range s.deps {
		h.Dependencies = append(h.Dependencies, d.health())
	}
	for _, a := range s.actions {
		h.Actions = append(h.Actions, a.health())
	}
	return h
}

func (d *dependencyPlan) health() DependencyHealth {
	st := &d.stats
	matched, filtered, failed := st.matched.Load(), st.filtered.Load(), st.errors.Load()
	return DependencyHealth{
		Name: d.name(), EventSource: d.EventSource.Name, Event: d.EventSource.Event,
		Received: matched + filtered + failed, Matched: matched, FilteredOut: filtered, Failed: failed,
		LastSeen: st.last.time(), LastError: st.trouble.last.Load(),
	}
}

func (a *actionPlan) health() ActionHealth {
	st := &a.stats
	return ActionHealth{
		Name: a.name, Fired: st.fired.Load(), Failed: st.attempts.Load(), Retried: st.retried.Load(),
		DeadLettered: st.deadLettered.Load(), LastFired: st.last.time(), LastError: st.trouble.last.Load(),
	}
}
