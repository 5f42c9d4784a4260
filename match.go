package hearken

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/internal/backoff"
)

// maxDeliveries is how often an event is delivered before it is taken for one
// that kills the process.
const maxDeliveries = 20

// orphanAfter is how long an event of a topic that no action listens to is
// handed back at least, for the members of a rolling deploy that do.
const orphanAfter = time.Hour

// verdict is what a dependency says of an event.
type verdict struct {
	matches  bool
	filtered bool  // it was the filter that said no
	event    Event // as transformed
	key      string
	err      error
}

// match finds the actions that a delivery concerns, does the first and leaves
// the others to the workers.
func (w *worker) match(t *task, now time.Time) {
	d := &t.Delivery
	r := w.routes[d.Topic]
	redriven := !d.Topic.IsDeadLetters() && extension(d.Event, extSensor) != ""
	switch {
	case d.Err != nil:
		w.bury(t, d.Err)
	case r == nil && (d.Attempt <= maxDeliveries || now.Sub(d.Stored) < orphanAfter):
		// Another version of this sensor wants it; or nobody does any more, and
		// in time it is given up.
		t.after = backoff.Jitter(d.Attempt, restartMin, restartMax)
		w.end(t, false)
	case d.Attempt > maxDeliveries:
		w.bury(t, fmt.Errorf("delivered %d times and never settled", d.Attempt))
	case d.Topic.IsDeadLetters() && extension(d.Event, extSource) == bus.DeadLetterSource:
		w.end(t, true) // a dead letter of a dead letter
	case redriven && !w.isFor(d.Event):
		w.end(t, true)
	default:
		e := d.Event
		if redriven {
			e = withoutReserved(e)
		}
		w.judge(r, e, now)
		w.begin(t, r, now)
	}
}

// judge asks each dependency of a topic once.
func (w *worker) judge(r *route, e Event, now time.Time) {
	w.verdicts = append(w.verdicts[:0], make([]verdict, len(r.deps))...)
	for i, dep := range r.deps {
		v := &w.verdicts[i]
		*v = dep.judge(w.run.work, e)
		dep.stats.judged(v, now)
		if v.filtered && w.log.Enabled(w.run.work, slog.LevelDebug) {
			w.log.DebugContext(w.run.work, "event filtered out", "dependency", dep.name(), "event_source", dep.topic.EventSource, "event", dep.topic.Event, "event_id", e.ID(), "why", explain(dep.Filter, v.event))
		}
	}
}

// judge transforms, filters and keys an event. A panic is an error of this
// event only.
func (d *dependencyPlan) judge(ctx context.Context, e Event) (v verdict) {
	defer func() {
		if p := recover(); p != nil {
			v.err = fmt.Errorf("dependency %q: %w", d.name(), newPanicError("transform, filter or key", p))
		}
	}()
	if d.letters != "" && d.letters != "*" && extension(e, extSensor) != d.letters {
		return v
	}
	v.event, v.matches = e, true
	if d.Transform != nil {
		if v.event, v.err = d.transform(ctx, e); v.err != nil {
			return v.failed(d, "transform")
		}
	}
	if d.Filter != nil {
		if v.matches, v.err = d.Filter.Match(ctx, v.event); v.err != nil {
			return v.failed(d, "filter")
		}
		v.filtered = !v.matches
	}
	if d.Key != nil && v.matches {
		if v.key, v.err = d.Key(v.event); v.err != nil {
			return v.failed(d, "key")
		}
	}
	return v
}

// transform calls Transform and checks what it returns as an emit is checked:
// filters and payloads trust that data called JSON is JSON.
func (d *dependencyPlan) transform(ctx context.Context, e Event) (Event, error) {
	e, err := d.Transform(ctx, e)
	if err == nil && e.Context == nil {
		err = errNoContext
	}
	if err == nil {
		err = checkData(e)
	}
	return e, err
}

func (v verdict) failed(d *dependencyPlan, what string) verdict {
	v.err = fmt.Errorf("%s of dependency %q: %w", what, d.name(), v.err)
	return v
}

// tasks are those of a delivery, the first of which the worker itself does.
type tasks struct {
	first  *task
	used   bool
	others []*task
}

// next returns a task to prepare.
func (ts *tasks) next() *task {
	if !ts.used {
		ts.used = true
		return ts.first
	}
	t := &task{held: ts.first.held}
	ts.others = append(ts.others, t)
	return t
}

// begin makes a task for each action that has something to do, and does the
// first.
func (w *worker) begin(t *task, r *route, now time.Time) {
	target := "" // the one action that an event published back is for
	if !t.Topic.IsDeadLetters() {
		target = extension(t.Event, extAction)
	}
	ts := tasks{first: t}
	for _, a := range r.actions {
		if target != "" && target != a.name {
			continue
		}
		switch events, err := w.events(a, t.Topic); {
		case err != nil:
			ts.next().prepare(w.sensorPlan, a, nil, err)
		case len(events) == 0:
		case a.join != nil:
			w.arrive(&ts, a)
		default:
			ts.next().prepare(w.sensorPlan, a, events, nil)
		}
	}
	if !ts.used {
		if target != "" && !r.has(target) {
			w.bury(t, fmt.Errorf("published back for action %q, which the sensor no longer has for %s", target, t.Topic))
			return
		}
		w.end(t, true)
		return
	}
	t.open.Add(int32(len(ts.others))) //nolint:gosec // as many as a sensor has actions
	for _, other := range ts.others {
		if !w.crew.Push(other) {
			w.end(other, false)
		}
	}
	w.proceed(t, now)
}

// proceed does what prepare has found.
func (w *worker) proceed(t *task, now time.Time) {
	switch {
	case t.join != nil && t.join.done:
		w.clear(t)
	case t.letter != nil:
		w.publishLetter(t)
	case t.join != nil && t.join.firing == nil:
		w.take(t, now)
	default:
		w.attempt(t, now)
	}
}

// prepare makes t the task of an action: a firing, or the dead letter of an
// event whose matching failed.
func (t *task) prepare(s *sensorPlan, a *actionPlan, events map[string]Event, err error) {
	t.action = a
	t.firing = Firing{
		ID:       firingID(a.prefix, bus.IdentityOf(t.Topic, t.Event)),
		Pipeline: s.letters.Event,
		Sensor:   s.name,
		Action:   a.name,
		Events:   events,
	}
	if err != nil {
		t.letter = t.newLetter(s, err)
	}
}

// events returns the events of an action that the delivery provides, by
// dependency, or the errors of those that could not judge.
func (w *worker) events(a *actionPlan, topic bus.Topic) (map[string]Event, error) {
	var events map[string]Event
	var errs []error
	for _, d := range a.deps {
		if d.topic != topic {
			continue
		}
		v := &w.verdicts[d.verdict]
		if v.err != nil {
			errs = append(errs, v.err)
		} else if v.matches {
			if events == nil {
				events = make(map[string]Event, 1)
			}
			events[d.name()] = v.event
		}
	}
	return events, errors.Join(errs...)
}

func (r *route) has(action string) bool {
	return slices.ContainsFunc(r.actions, func(a *actionPlan) bool { return a.name == action })
}

// explain returns why a filter did not match, for the log.
func explain(f Filter, e Event) (why string) {
	defer func() {
		if v := recover(); v != nil {
			why = fmt.Sprintf("Explain panicked: %v", v)
		}
	}()
	if x, ok := f.(interface{ Explain(e Event) string }); ok {
		return x.Explain(e)
	}
	return "the filter does not match"
}

// panicError is what a panic of the application's code becomes.
type panicError struct {
	what  string
	value any
	stack []byte
}

func newPanicError(what string, value any) error { return &panicError{what, value, debug.Stack()} }

// guarded calls f where a panic would meet nobody who can still give the event up,
// and makes an error of it.
func guarded(what string, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = newPanicError(what, v)
		}
	}()
	return f()
}

func (e *panicError) Error() string { return fmt.Sprintf("%s panicked: %v", e.what, e.value) }

func (e *panicError) Unwrap() error {
	err, _ := e.value.(error)
	return err
}

// stackOf returns the stack of a panic as attributes of a log record.
func stackOf(err error) []any {
	var p *panicError
	if errors.As(err, &p) {
		return []any{"stack", string(p.stack)}
	}
	return nil
}
