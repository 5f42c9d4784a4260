package hearken

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/internal/join"
)

// The defaults that the fields' comments state.
const (
	defaultWorkers  = 16
	maxWorkers      = 1 << 16
	inFlightEach    = 16
	defaultTimeout  = time.Minute
	defaultDrain    = 20 * time.Second
	defaultRetryMin = 500 * time.Millisecond
	defaultRetryMax = 30 * time.Second
	defaultRetryFor = 15 * time.Minute
)

// sourcePlan is an EventSource made ready to run.
type sourcePlan struct {
	*EventSource
	topic bus.Topic
	stamp types.URIRef // the source attribute of events that bring none
	stats sourceStats
	emits *producer // nil: not traced
}

// sensorPlan is a Sensor made ready to run: what an event of a topic concerns
// is found without looking at the rest.
type sensorPlan struct {
	name    string
	group   bus.Group
	workers int
	letters bus.Topic // where the pipeline's dead letters go
	prefix  []byte    // begins what the IDs of its firings are made from
	deps    []*dependencyPlan
	actions []*actionPlan
	routes  map[bus.Topic]*route
	stats   sensorStats
	burials *producer // nil: not traced
}

// route is what an event of one topic concerns.
type route struct {
	deps    []*dependencyPlan
	actions []*actionPlan
}

// dependencyPlan is a Dependency as one sensor uses it.
type dependencyPlan struct {
	*Dependency
	topic bus.Topic
	// letters is the sensor whose dead letters are meant, or "*"; empty for an
	// ordinary event.
	letters string
	// verdict is the place of this dependency among those of its topic.
	verdict int
	stats   dependencyStats
}

// actionPlan is an Action made ready to run.
type actionPlan struct {
	*Action
	name    string
	timeout time.Duration
	retry   Retry
	prefix  []byte
	deps    []*dependencyPlan
	join    *join.Action // nil: one event is enough
	stats   actionStats
	fires   *consumer // nil: not traced
}

func planSource(s *EventSource) *sourcePlan {
	p := &sourcePlan{EventSource: s, topic: bus.Topic{EventSource: s.Name, Event: s.Event}}
	p.stamp.Path = s.Name
	return p
}

// planSensor expects a sensor that Validate has found good.
func planSensor(pipeline string, s *Sensor) *sensorPlan {
	p := &sensorPlan{
		name:    s.Name,
		workers: orDefault(s.Workers, defaultWorkers),
		letters: bus.Topic{EventSource: bus.DeadLetterSource, Event: pipeline},
		prefix:  appendNames(nil, pipeline, s.Name),
		routes:  make(map[bus.Topic]*route),
	}
	for i := range s.Actions {
		p.addAction(s, &s.Actions[i])
	}
	p.group = bus.Group{Name: pathOf(pipeline, s.Name), InFlight: orDefault(s.InFlight, inFlightEach*p.workers)}
	for _, d := range p.deps {
		if !slices.Contains(p.group.Topics, d.topic) {
			p.group.Topics = append(p.group.Topics, d.topic)
		}
	}
	return p
}

func (p *sensorPlan) addAction(s *Sensor, a *Action) {
	ap := &actionPlan{Action: a, name: actionName(s, a), timeout: attemptTimeout(a), retry: a.Retry.withDefaults()}
	ap.prefix = appendNames(slices.Clone(p.prefix), ap.name)
	for _, d := range uniqueDependencies(a.When) {
		dp := p.dependency(d)
		ap.deps = append(ap.deps, dp)
		r := p.routes[dp.topic]
		if !slices.Contains(r.actions, ap) {
			r.actions = append(r.actions, ap)
		}
	}
	if joins(a.When) {
		ap.join = planJoin(ap)
	}
	p.actions = append(p.actions, ap)
}

func planJoin(a *actionPlan) *join.Action {
	j := &join.Action{
		Name: a.name, Within: a.Within, Reset: a.Reset, Queue: a.Queue, Seed: a.prefix,
		Version: shortHash(append(appendNames(nil, a.Version), a.When.text(nil)...)),
		Holds: func(has func(string) bool) bool {
			return a.When.holds(func(d *Dependency) bool { return has(d.name()) })
		},
	}
	for _, d := range a.deps {
		j.Dependencies = append(j.Dependencies, d.name())
	}
	return j
}

// dependency returns the plan of d, one for all actions of the sensor, so that
// an event is filtered once.
func (p *sensorPlan) dependency(d *Dependency) *dependencyPlan {
	for _, dp := range p.deps {
		if dp.Dependency == d {
			return dp
		}
	}
	dp := &dependencyPlan{Dependency: d, topic: bus.Topic{EventSource: d.EventSource.Name, Event: d.EventSource.Event}}
	if dp.topic.IsDeadLetters() {
		dp.letters, dp.topic = dp.topic.Event, p.letters
	}
	r := p.routes[dp.topic]
	if r == nil {
		r = new(route)
		p.routes[dp.topic] = r
	}
	dp.verdict = len(r.deps)
	r.deps = append(r.deps, dp)
	p.deps = append(p.deps, dp)
	return dp
}

func actionName(s *Sensor, a *Action) string {
	if a.Name == "" {
		return s.Name
	}
	return a.Name
}

func uniqueDependencies(c Condition) []*Dependency {
	var unique []*Dependency
	for _, d := range c.dependencies(nil) {
		if !slices.Contains(unique, d) {
			unique = append(unique, d)
		}
	}
	return unique
}

func attemptTimeout(a *Action) time.Duration {
	if a.Timeout != 0 {
		return a.Timeout
	}
	if t, ok := a.Trigger.(interface{ AttemptTimeout() time.Duration }); ok {
		return orDefault(t.AttemptTimeout(), defaultTimeout)
	}
	return defaultTimeout
}

func (r Retry) withDefaults() Retry {
	r.Min = orDefault(r.Min, defaultRetryMin)
	r.Max = orDefault(r.Max, max(r.Min, defaultRetryMax))
	r.For = orDefault(r.For, defaultRetryFor)
	return r
}

func orDefault[T comparable](v, standard T) T {
	var zero T
	if v == zero {
		return standard
	}
	return v
}

// appendNames appends names so that no two lists of them are alike.
func appendNames(b []byte, names ...string) []byte {
	for _, n := range names {
		b = binary.AppendUvarint(b, uint64(len(n)))
		b = append(b, n...)
	}
	return b
}
