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
	Ready bool `json:"ready"`
	// Ended says that Run has returned, or is about to. A pipeline does not come
	// back from that: what a liveness probe asks.
	Ended        bool                `json:"ended"`
	EventSources []EventSourceHealth `json:"event_sources"`
	Sensors      []SensorHealth      `json:"sensors"`
}

// EventSourceHealth is the health of an event source.
type EventSourceHealth struct {
	Name      string     `json:"name"`
	Event     string     `json:"event"`
	Running   bool       `json:"running"`            // its Source's Run is under way
	Restarts  uint64     `json:"restarts"`           // how often it was run again after an error
	Emitted   uint64     `json:"emitted"`            // events stored
	Refused   uint64     `json:"refused"`            // emits that returned an error
	LastEmit  time.Time  `json:"last_emit,omitzero"` // when an event was last stored
	LastError *LastError `json:"last_error,omitempty"`
	// Trouble and Counters are what the Source says of itself, if it is a
	// Reporter.
	Trouble  *LastError        `json:"trouble,omitempty"`
	Counters map[string]uint64 `json:"counters,omitempty"`
}

// SensorHealth is the health of a sensor. How much waits for it on the bus only
// the bus knows: see Pipeline.Backlog.
type SensorHealth struct {
	Name         string             `json:"name"`
	Receiving    bool               `json:"receiving"`     // its subscription works
	InFlight     int                `json:"in_flight"`     // deliveries held
	Received     uint64             `json:"received"`      // deliveries taken in hand
	Redelivered  uint64             `json:"redelivered"`   // those of them that were not the first of their event
	Repeated     uint64             `json:"repeated"`      // deliveries dropped since they were held already
	Settled      uint64             `json:"settled"`       // deliveries that are done with
	HandedBack   uint64             `json:"handed_back"`   // deliveries given back to the bus
	DeadLettered uint64             `json:"dead_lettered"` // events given up before any action was begun
	Unburied     int                `json:"unburied"`      // dead letters that the bus has not taken yet
	LastReceived time.Time          `json:"last_received,omitzero"`
	LastError    *LastError         `json:"last_error,omitempty"`
	Dependencies []DependencyHealth `json:"dependencies"`
	Actions      []ActionHealth     `json:"actions"`
}

// DependencyHealth answers the question why nothing fired.
type DependencyHealth struct {
	Name        string     `json:"name"`
	EventSource string     `json:"event_source"`
	Event       string     `json:"event"`
	Received    uint64     `json:"received"` // events judged
	Matched     uint64     `json:"matched"`
	FilteredOut uint64     `json:"filtered_out"`
	Failed      uint64     `json:"failed"` // the transform, filter or key returned an error
	LastSeen    time.Time  `json:"last_seen,omitzero"`
	LastError   *LastError `json:"last_error,omitempty"`
}

// ActionHealth is the health of an action. The numbers of joins are what this
// process did: where replicas share a sensor, one may end what another began.
type ActionHealth struct {
	Name         string     `json:"name"`
	Joined       uint64     `json:"joined"`               // events stored to wait for others
	Pending      int        `json:"pending"`              // events stored here to wait, less those taken out here: below zero at times
	Superseded   uint64     `json:"superseded"`           // waiting events that a later one took the place of
	Expired      uint64     `json:"expired"`              // waiting events that were dead-lettered: their time ran out, or their version runs no more
	Reset        uint64     `json:"reset"`                // waiting events that a Reset cleared
	Fired        uint64     `json:"fired"`                // firings that succeeded
	Failed       uint64     `json:"failed"`               // attempts that failed
	Retried      uint64     `json:"retried"`              // attempts put off for another
	DeadLettered uint64     `json:"dead_lettered"`        // events given up
	LastFired    time.Time  `json:"last_fired,omitzero"`  // when the last attempt that succeeded began
	LastError    *LastError `json:"last_error,omitempty"` // of an attempt
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
	running                                 atomic.Bool
	restarts                                atomic.Uint64
	stored, full, rejected, invalid, errors tally
	last                                    moment
}

func (s *sourceStats) emitted(err error, now time.Time) {
	if err == nil {
		s.stored.Add(1)
		s.last.set(now)
		return
	}
	s.failed(err)
	switch outcomeOf(err) {
	case outcomeFull:
		s.full.Add(1)
	case outcomeRejected:
		s.rejected.Add(1)
	case outcomeInvalid:
		s.invalid.Add(1)
	default:
		s.errors.Add(1)
	}
}

func (s *sourceStats) refused() uint64 {
	return s.full.Load() + s.rejected.Load() + s.invalid.Load() + s.errors.Load()
}

type sensorStats struct {
	trouble
	receiving             atomic.Bool
	received, redelivered tally
	repeated              tally
	settled               atomic.Uint64
	handedBack            atomic.Uint64
	deadLettered          tally
	inFlight, unburied    level
	last                  moment
}

// accepted counts a delivery taken in hand.
func (s *sensorStats) accepted(attempt int) {
	s.received.Add(1)
	s.inFlight.Add(1)
	if attempt > 1 {
		s.redelivered.Add(1)
	}
}

type dependencyStats struct {
	trouble
	matched, filtered, errors tally
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
	fired        tally
	attempts     tally // that failed
	retried      tally
	deadLettered tally
	joins        joinStats
	good, bad    timings // of firings that succeeded, and that were given up
	last         moment
	warned       atomic.Int64 // nanoseconds
}

type joinStats struct {
	joined, superseded, expired, reset tally
	pending                            level
}

// joined counts events that were stored to wait for others.
func (s *actionStats) joined(n int) { s.joins.joined.Add(uint64(n)) }

// pending counts events that wait, or with a negative delta do no more.
func (s *actionStats) pending(delta int) { s.joins.pending.Add(int64(delta)) }

// superseded counts waiting events that a later one took the place of.
func (s *actionStats) superseded(n int) { s.joins.superseded.Add(uint64(n)) }

// expired counts waiting events that were given up.
func (s *actionStats) expired(n int) { s.joins.expired.Add(uint64(n)) }

// reset counts waiting events that a reset cleared.
func (s *actionStats) reset(n int) { s.joins.reset.Add(uint64(n)) }

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

// Health may be called at any time, concurrently. Before Run it is zero. It asks
// nobody and waits for nothing, so that it answers while the bus is away.
func (p *Pipeline) Health() Health {
	r := p.running.Load()
	if r == nil {
		return Health{}
	}
	h := Health{Ready: r.ready.Load(), Ended: r.ended.Load()}
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
	report := s.report()
	return EventSourceHealth{
		Name: s.Name, Event: s.Event, Running: s.stats.running.Load(), Restarts: s.stats.restarts.Load(),
		Emitted: s.stats.stored.Load(), Refused: s.stats.refused(), LastEmit: s.stats.last.time(),
		LastError: s.stats.trouble.last.Load(), Trouble: report.Trouble, Counters: report.Counters,
	}
}

// report asks the source for what it knows of itself.
func (s *sourcePlan) report() (report Report) {
	r, ok := s.Source.(Reporter)
	if !ok {
		return Report{}
	}
	defer func() {
		if v := recover(); v != nil {
			report = Report{Trouble: &LastError{Err: newPanicError("Report", v), Time: time.Now()}}
		}
	}()
	return r.Report()
}

func (s *sensorRun) health() SensorHealth {
	s.mu.Lock()
	inFlight := len(s.held)
	s.mu.Unlock()
	st := &s.stats
	h := SensorHealth{
		Name: s.name, Receiving: st.receiving.Load(), InFlight: inFlight, Received: st.received.Load(),
		Redelivered: st.redelivered.Load(), Repeated: st.repeated.Load(), Settled: st.settled.Load(), HandedBack: st.handedBack.Load(),
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
		Name: a.name, Joined: st.joins.joined.Load(), Pending: int(st.joins.pending.Load()), Superseded: st.joins.superseded.Load(),
		Expired: st.joins.expired.Load(), Reset: st.joins.reset.Load(), Fired: st.fired.Load(), Failed: st.attempts.Load(), Retried: st.retried.Load(),
		DeadLettered: st.deadLettered.Load(), LastFired: st.last.time(), LastError: st.trouble.last.Load(),
	}
}
