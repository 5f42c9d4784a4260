package hearken

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/internal/backoff"
	"github.com/hearken-go/hearken/internal/join"
)

// What waits is looked at every sweepEvery. Asking the store or the bus takes at
// most storeTimeout, and what fails is repeated after a while. To take an event is
// to ask several times, and begins anew when it was cut off.
const (
	sweepEvery    = time.Minute
	storeTimeout  = 10 * time.Second
	takeTimeout   = time.Minute
	sweepTimeout  = 10 * time.Minute // what is left is looked at the next time
	storeRetryMin = 250 * time.Millisecond
	storeRetryMax = 15 * time.Second
)

// joining is the part of a task that is about a join. The delivery is first taken,
// and settled when it waits; one that completes a condition is fired, and settled
// only after the firing has been cleared.
type joining struct {
	arrival join.Arrival
	firing  *join.Firing // nil: not yet, or it waits
	done    bool         // the firing is to be cleared
	tries   int          // of the store, that failed
}

// givenUp returns the events of a firing.
func (j *joining) givenUp() []givenUp {
	if j == nil || j.firing == nil {
		return nil
	}
	var all []givenUp
	for i := range j.firing.Events {
		e := &j.firing.Events[i]
		all = append(all, givenUp{e.Original, e.Topic, bus.IdentityOf(e.Topic, e.Original)})
	}
	return all
}

// openJoins readies the joins of a sensor that has some, or has had some: what
// waits for those is to be given up.
func (s *sensorRun) openJoins(had func() map[string]bool) error {
	var actions []*join.Action
	for _, a := range s.actions {
		if a.join != nil {
			actions = append(actions, a.join)
		}
	}
	if len(actions) == 0 && !had()[s.name] {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.run.intake, storeTimeout)
	defer cancel()
	err := s.run.enrol(ctx, s.name)
	if err == nil {
		s.joins = join.New(s.run.store, joinCorner(s.run.Name, s.name), s.reportJoin, actions...)
		err = s.joins.Open(ctx)
	}
	if err != nil {
		return fmt.Errorf("the joins of sensor %q: %w", s.name, err)
	}
	return nil
}

// hadJoins returns the sensors of which some version had joins. A store that cannot
// say so does not keep those from starting that need none, and is asked once for all.
func (r *runner) hadJoins() map[string]bool {
	if r.store == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.intake, storeTimeout)
	defer cancel()
	had, err := r.enrolled(ctx)
	if err != nil && r.intake.Err() == nil { // a Run that is ended asks for nothing
		r.log.Warn("whether events wait for joins that sensors had is not known until the next start", "error", err)
	}
	return had
}

func (s *sensorRun) reportJoin(err error) {
	s.stats.failed(fmt.Errorf("joins: %w", err))
	s.log.Error("something is wrong with what waits for a join", "error", err)
}

// arrive makes a task for each key by which a delivery concerns a join.
func (w *worker) arrive(ts *tasks, a *actionPlan) {
	var made []*task
	for _, d := range a.deps {
		if d.topic != ts.first.Topic {
			continue
		}
		v := &w.verdicts[d.verdict]
		if !v.matches {
			continue
		}
		i := slices.IndexFunc(made, func(t *task) bool { return t.join.arrival.Key == v.key })
		if i < 0 {
			t := ts.next()
			t.prepare(w.sensorPlan, a, nil, nil)
			t.join = &joining{arrival: join.Arrival{
				Keyed: d.Key != nil, Key: v.key, Pos: t.Pos, Stored: t.stored(),
				Event: join.Event{Topic: t.Topic, Original: t.Event},
			}}
			i = len(made)
			made = append(made, t)
		}
		made[i].join.add(d, v.event)
	}
}

// stored returns when the delivery was stored: now, if the bus does not say, or
// what waits would be over before it begins.
func (t *task) stored() time.Time {
	if t.Stored.IsZero() {
		return time.Now()
	}
	return t.Stored
}

// add notes a dependency that the arrival serves, and what it sees.
func (j *joining) add(d *dependencyPlan, view Event) {
	e := &j.arrival.Event
	e.Dependencies = append(e.Dependencies, d.name())
	if d.Transform != nil {
		if e.Views == nil {
			e.Views = make(map[string]Event)
		}
		e.Views[d.name()] = view
	}
}

// take has an arrival wait, or fires what it completes.
func (w *worker) take(t *task, now time.Time) {
	ctx, cancel := context.WithTimeout(w.run.work, takeTimeout)
	defer cancel()
	out, err := w.joins.Take(ctx, t.action.join, &t.join.arrival)
	if err == nil && out.State == join.Fires {
		err = w.joins.Load(ctx, out.Firing, &t.join.arrival)
	}
	w.superseded(t, out.Superseded)
	switch {
	case errors.Is(err, join.ErrCleared):
		w.end(t, true)
	case errors.Is(err, join.ErrPart):
		t.completes(out.Firing)
		w.bury(t, err)
	case errors.Is(err, join.ErrFull), errors.Is(err, bus.ErrRejected):
		w.bury(t, fmt.Errorf("it cannot wait: %w", err))
	case err != nil:
		w.hold(t, err)
	case out.State == join.Fires:
		t.completes(out.Firing)
		if out.Firing.Obsolete {
			w.bury(t, errObsolete)
			return
		}
		w.attempt(t, now)
	default:
		w.waits(t, out.State)
	}
}

// waits settles a delivery that has been taken and completes nothing.
func (w *worker) waits(t *task, state join.State) {
	switch {
	case state == join.Waits:
		t.action.stats.joined(1)
		t.action.stats.pending(1)
	case t.Attempt <= 1: // else it was most likely taken when it came before
		t.action.stats.superseded(1)
		w.log.Debug("event came later than its successor", "action", t.action.name, "event_source", t.Topic.EventSource,
			"event", t.Topic.Event, "event_id", t.Event.ID())
	}
	w.end(t, true)
}

var errObsolete = errors.New("another version of the action completed the firing, and the condition of this one does not hold with its events")

// completes makes t the firing of the join that it completed.
func (t *task) completes(f *join.Firing) {
	t.join.firing, t.join.tries = f, 0
	t.firing.ID, t.firing.Events = f.ID, make(map[string]Event, len(f.Events))
	for i := range f.Events {
		e := &f.Events[i]
		for _, d := range e.Dependencies {
			t.firing.Events[d] = viewOf(e, d)
		}
	}
	t.action.stats.pending(1 - len(f.Events))
}

// viewOf returns an event as a dependency sees it: what was published back is as
// its sender made it.
func viewOf(e *join.Event, dependency string) Event {
	view := e.View(dependency)
	if !e.Topic.IsDeadLetters() && extension(view, extSensor) != "" {
		return withoutReserved(view)
	}
	return view
}

// superseded counts the events that an arrival took the place of.
func (s *sensorRun) superseded(t *task, events []join.Event) {
	if len(events) == 0 {
		return
	}
	t.action.stats.superseded(len(events))
	t.action.stats.pending(-len(events))
	for i := range events {
		s.log.Debug("event superseded", "action", t.action.name, "event_source", events[i].Topic.EventSource, "event", events[i].Topic.Event,
			"event_id", events[i].Original.ID(), "by", t.Event.ID())
	}
}

// finish ends a task that has been fired, or given up, for good.
func (s *sensorRun) finish(t *task) {
	if t.join == nil || t.join.firing == nil {
		s.end(t, true)
		return
	}
	t.join.done, t.join.tries = true, 0
	s.clear(t)
}

// clear forgets a firing that is finished, and then settles what completed it: both
// also when the drain is over, or what has just succeeded would fire again.
func (s *sensorRun) clear(t *task) {
	ctx, cancel := context.WithTimeout(s.run.settling, storeTimeout)
	defer cancel()
	if err := guarded("the store", func() error { return s.joins.Clear(ctx, t.join.firing) }); err != nil {
		s.hold(t, err)
		return
	}
	s.end(t, true)
}

// hold puts a task aside until the store answers again.
func (s *sensorRun) hold(t *task, err error) {
	if s.run.work.Err() != nil {
		s.end(t, false)
		return
	}
	t.join.tries++
	s.stats.failed(fmt.Errorf("store: %w", err))
	s.log.Warn("the store of joins does not answer; the event is held", append(stackOf(err),
		"action", t.action.name, "event_source", t.Topic.EventSource, "event", t.Topic.Event, "event_id", t.Event.ID(),
		"error", err, "failures", t.join.tries)...)
	if !s.sleep(t, backoff.Jitter(t.join.tries, storeRetryMin, storeRetryMax)) {
		s.end(t, false)
	}
}

// sweepJoins looks at what waits, every minute until intake ends. The processes
// that share a sensor do so at different moments.
func (s *sensorRun) sweepJoins() {
	pause := time.Duration(0)
	for sleep(s.run.intake, pause) {
		if err := s.sweepOnce(); err != nil && s.run.intake.Err() == nil {
			s.stats.failed(fmt.Errorf("sweep the joins: %w", err))
			s.log.Warn("what waits for a join was not looked at in full", append(stackOf(err), "error", err)...)
		}
		pause = time.Until(time.Now().Truncate(sweepEvery).Add(sweepEvery)) + rand.N(sweepEvery/10)
	}
}

func (s *sensorRun) sweepOnce() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = newPanicError("the store", v)
		}
	}()
	ctx, cancel := context.WithTimeout(s.run.intake, storeTimeout)
	defer cancel()
	floor, err := s.subscription().Floor(ctx)
	if err != nil { // the versions are said to run all the same, or other processes would take them for gone
		opening, stop := context.WithTimeout(s.run.intake, storeTimeout) // it may be away with the bus
		defer stop()
		return errors.Join(err, s.joins.Open(opening))
	}
	sweeping, stop := context.WithTimeout(s.run.intake, sweepTimeout)
	defer stop()
	return s.joins.Sweep(sweeping, floor, s.lose)
}

// lose buries an event that has waited in vain.
func (s *sensorRun) lose(ctx context.Context, l join.Loss) error {
	i := slices.IndexFunc(s.actions, func(a *actionPlan) bool { return a.name == l.Action })
	var stats actionStats // of an action that the sensor has no more: nobody asks
	counts := &stats
	if i >= 0 {
		counts = &s.actions[i].stats
	}
	e := givenUp{l.Event.Original, l.Event.Topic, bus.IdentityOf(l.Event.Topic, l.Event.Original)}
	if l.Reset {
		counts.reset(1) //nolint:contextcheck // counting needs no context
		s.log.Info("event reset", "action", l.Action, "event_source", e.topic.EventSource, "event", e.topic.Event, "event_id", e.identity.ID, "why", l.Err)
	} else {
		f := Firing{ID: firingID(appendNames(slices.Clone(s.prefix), l.Action), e.identity), Sensor: s.name, Action: l.Action}
		if err := s.buryEvent(ctx, e, f, l.Err); err != nil {
			return err
		}
		counts.expired(1)          //nolint:contextcheck // as above
		counts.deadLettered.Add(1) //nolint:contextcheck // as above
	}
	counts.pending(-1) //nolint:contextcheck // as above
	return nil
}
