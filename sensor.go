package hearken

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidwall/gjson"
)

// Filter decides whether an event concerns a dependency. Package filters has
// the usual ones. One that also has a method Explain(e Event) string is asked
// why, for the log at level debug, when an event did not match.
type Filter interface {
	// Match is called concurrently. An error does not mean "no": the event is
	// dead-lettered.
	Match(ctx context.Context, e Event) (bool, error)
}

// Key returns what an event is joined by: events of one join have equal keys.
// An error dead-letters the event.
type Key func(e Event) (string, error)

// DataKey returns the Key at a path of the event's JSON data, in gjson's
// syntax. The value there must be a string, a number or a boolean; a number or
// boolean counts as its JSON text.
func DataKey(path string) Key {
	return func(e Event) (string, error) {
		switch v := gjson.GetBytes(e.Data(), path); v.Type {
		case gjson.String:
			return v.Str, nil
		case gjson.Number, gjson.True, gjson.False:
			return v.Raw, nil
		case gjson.Null:
			return "", fmt.Errorf("no key at %q of the data", path)
		default:
			return "", fmt.Errorf("key at %q of the data is no scalar", path)
		}
	}
}

// Dependency is an event that an action waits for. It is used by pointer, is a
// Condition, and may stand in several actions.
type Dependency struct {
	// Name is the name in Firing.Events. Empty: EventSource.Event. It must be
	// unique among the dependencies of an action.
	Name string

	// EventSource is where the event comes from: one of the pipeline's, or
	// DeadLetters.
	EventSource *EventSource

	// Transform, if set, replaces the event before Filter and Key see it and
	// the trigger gets it. It must not change e: Clone it. The identity of the
	// event stays that of the original.
	Transform func(ctx context.Context, e Event) (Event, error)

	// Filter chooses among the events. Nil: all.
	Filter Filter

	// Key is what the event is joined by, evaluated for each event that passes
	// Filter. Of the dependencies of a join all have one or none has. Nil: events
	// are joined as they come.
	Key Key
}

// Condition says when an action fires. It is a *Dependency, or made by All or
// Any.
type Condition interface {
	// dependencies appends those that the condition holds, in order.
	dependencies(ds []*Dependency) []*Dependency
	// holds reports whether the condition holds with the dependencies that has says.
	holds(has func(*Dependency) bool) bool
	// text writes the condition so that no two are alike.
	text(b []byte) []byte
}

func (d *Dependency) dependencies(ds []*Dependency) []*Dependency { return append(ds, d) }
func (d *Dependency) holds(has func(*Dependency) bool) bool       { return has(d) }

func (d *Dependency) text(b []byte) []byte {
	return fmt.Appendf(b, "%q=%q/%q", d.name(), d.EventSource.Name, d.EventSource.Event)
}

// requires reports whether c cannot hold without d.
func requires(c Condition, d *Dependency) bool {
	return !c.holds(func(other *Dependency) bool { return other != d })
}

func (d *Dependency) name() string {
	if d.Name == "" && d.EventSource != nil {
		return d.EventSource.Event
	}
	return d.Name
}

type (
	allOf []Condition
	anyOf []Condition
)

// All holds when each of the conditions does. Over more than one dependency it
// is a join: events wait in the pipeline's Store for the others. An event that
// satisfies several dependencies counts for all of them.
func All(conditions ...Condition) Condition { return append(allOf{}, conditions...) }

// Any holds when one of the conditions does. An action fires with all that it has
// then, so an event that satisfies several of them makes one firing, and what
// waited beside it in a join is used up with it. One that a dependency cannot
// judge, by an error of its Filter, is dead-lettered although another would have
// held: redriven, it fires with all of them.
func Any(conditions ...Condition) Condition { return append(anyOf{}, conditions...) }

func (a allOf) dependencies(ds []*Dependency) []*Dependency { return dependenciesOf(a, ds) }
func (a anyOf) dependencies(ds []*Dependency) []*Dependency { return dependenciesOf(a, ds) }

func dependenciesOf(cs []Condition, ds []*Dependency) []*Dependency {
	for _, c := range cs {
		if c != nil {
			ds = c.dependencies(ds)
		}
	}
	return ds
}

func (a allOf) holds(has func(*Dependency) bool) bool {
	return !slices.ContainsFunc(a, func(c Condition) bool { return c == nil || !c.holds(has) })
}

func (a anyOf) holds(has func(*Dependency) bool) bool {
	return slices.ContainsFunc(a, func(c Condition) bool { return c != nil && c.holds(has) })
}

func (a allOf) text(b []byte) []byte { return textOf(append(b, "all"...), a) }
func (a anyOf) text(b []byte) []byte { return textOf(append(b, "any"...), a) }

func textOf(b []byte, cs []Condition) []byte {
	b = append(b, '(')
	for _, c := range cs {
		b = append(c.text(b), ' ')
	}
	return append(b, ')')
}

// joins reports whether some event must wait for another for c to hold. Without
// that no Store is needed: one event decides.
func joins(c Condition) bool {
	return slices.ContainsFunc(uniqueDependencies(c), func(d *Dependency) bool {
		return !c.holds(func(other *Dependency) bool { return other == d })
	})
}

// Sensor acts on events. It has one durable place on the bus for all its
// actions, so an event is done with when all actions that it concerns are.
// Independent concerns belong in separate sensors.
type Sensor struct {
	// Name is unique in the pipeline and stays the same over restarts: the
	// sensor's place on the bus bears it. What waits for the joins of a name that
	// no process has run for eight days is dead-lettered by another of the
	// pipeline's processes, which warns of it first and two hours before at least;
	// the place on the bus stays until it is forgotten (see bus.Groups).
	Name string

	// Actions are what the sensor does, at least one. (An action is an entry of
	// `triggers` in Argo Events.)
	Actions []Action

	// Workers is how many firings run at once in this process, those that wait
	// for a RateLimit included. Zero: 16; at most 65,536. Events that come
	// within moments are handled at the same time, so a later one may be done
	// before an earlier one. One: in the order in which the bus stored them,
	// one after the other, though a retried one later; of several processes of
	// the pipeline each does so with those that it gets.
	Workers int

	// InFlight is how many events are held unsettled in this process: waiting
	// for a worker, firing, or waiting for a retry. When all places are held
	// the sensor stops receiving. Zero: 16 for each worker.
	InFlight int
}

// Action fires a trigger when a condition holds.
type Action struct {
	// Name is unique in the sensor. Empty: the sensor's, when it has one action.
	Name string

	// When is the condition.
	When Condition

	// Within bounds a join: the events of a firing were stored less than that
	// apart, by the bus's clock. What has waited for so long is dead-lettered, a
	// minute or two later, and not before the sensor has settled all that was
	// stored until then. Required when the dependencies have a Key. Zero: events
	// wait for as long as it takes.
	Within time.Duration

	// Reset ends the waiting at each time it names, as Within does: events that
	// were stored before and after it do not join. What it clears is counted and
	// logged. Any cron library's schedule fits. It is asked in the process's time zone
	// (time.Local): where processes of one sensor may have several, or midnight is
	// to be that of another place, give the schedule a zone of its own. Nil: never.
	Reset interface{ Next(time.Time) time.Time }

	// Queue keeps every event of a dependency that waits, and joins them in the
	// order of their positions on the bus. False: the latest by position counts;
	// it takes the place of one that waits, and one that comes later than its
	// successor is dropped; both are counted. Workers take events at the same
	// time, so of events that are stored within moments a later one may have been
	// fired with before an earlier one waits. At most 10,000 events wait in one
	// join; more are dead-lettered.
	Queue bool

	// Version parts what waits for one version of an action from another's:
	// change it when a Filter, Transform or Key changes its meaning. The
	// condition, the names of its dependencies and their topics do so by
	// themselves. What waits for a version that no process has run for about
	// a quarter of an hour is dead-lettered.
	Version string

	// Trigger acts.
	Trigger Trigger

	// Retry says how often a firing that failed is tried again; on by default.
	Retry Retry

	// RateLimit, if set, is waited for before each attempt, by the worker that
	// is to make it. A *rate.Limiter of golang.org/x/time/rate fits, and several
	// actions may share one. It limits this process.
	RateLimit interface{ Wait(context.Context) error }

	// Timeout bounds one attempt. Zero: what the Trigger's AttemptTimeout
	// says, or one minute. Negative: none. It is not to be shorter than what the
	// Trigger's MinTimeout says, where it has one.
	Timeout time.Duration
}

// Retry is how a firing that failed is tried again, within the process, with
// full jitter: each wait is random between zero and a bound that starts at Min
// and doubles up to Max. When For or Attempts is used up the event becomes a
// dead letter. The zero value retries for 15 minutes.
//
// A crash forgets what was used up: the redelivered event begins anew.
type Retry struct {
	// Min and Max bound the wait. Zero: 0.5 s and 30 s.
	Min, Max time.Duration
	// For is how long after the first attempt began the last one may begin.
	// Zero: 15 minutes.
	For time.Duration
	// Attempts is how many attempts are made at most. Zero: as many as fit in
	// For. One: no retry.
	Attempts int
}
