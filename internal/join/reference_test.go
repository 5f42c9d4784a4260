package join

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/hearken-go/hearken/bus"
)

// The reference says what joins are supposed to do, one entry at a time, with no
// store, no crash, no duplicate delivery and no thought of speed: the model test
// gives it the events in the order in which the engine took them.

// refEvent is an event as it was taken.
type refEvent struct {
	pos      bus.Pos
	stored   time.Time
	deadline time.Time // zero: never
	version  int
	deps     []string
}

// refFiring is what fires, by dependency.
type refFiring map[string]*refEvent

// reference is one entry. The conditions are those of its versions.
type reference struct {
	queue      bool
	deps       []string
	conditions []func(has func(string) bool) bool

	seen       map[string]bool        // dependency and position that were taken
	highest    map[string]bus.Pos     // taken for a dependency, by dependency and log
	waiting    map[string][]*refEvent // by dependency, in order of position
	firings    []refFiring
	superseded map[bus.Pos]bool // those with true
}

func newReference(queue bool, deps []string, conditions ...func(func(string) bool) bool) *reference {
	return &reference{
		queue: queue, deps: deps, conditions: conditions, seen: map[string]bool{}, highest: map[string]bus.Pos{},
		waiting: map[string][]*refEvent{}, superseded: map[bus.Pos]bool{},
	}
}

// take is what an arrival does.
func (r *reference) take(e *refEvent) {
	var served []string
	for _, d := range e.deps {
		log := d + " " + e.pos.Log
		seen := fmt.Sprint(d, e.pos)
		if r.seen[seen] || !r.queue && r.highest[log].Seq >= e.pos.Seq {
			continue
		}
		r.seen[seen], r.highest[log] = true, e.pos
		if r.queue || r.replace(d, e) {
			served = append(served, d)
			r.waiting[d] = append(r.waiting[d], e)
			slices.SortStableFunc(r.waiting[d], later)
		}
	}
	if len(served) > 0 {
		r.fire(e)
	} else if !r.waits(e.pos) {
		r.superseded[e.pos] = true
	}
}

// replace makes room for e as the latest of d. It reports false when e is not.
func (r *reference) replace(d string, e *refEvent) bool {
	rivals := slices.DeleteFunc(slices.Clone(r.waiting[d]), func(o *refEvent) bool {
		return o.version != e.version || !before(o, e) || !before(e, o)
	})
	if slices.ContainsFunc(rivals, func(o *refEvent) bool { return later(o, e) > 0 }) {
		return false
	}
	for _, o := range rivals {
		r.waiting[d] = slices.DeleteFunc(r.waiting[d], func(x *refEvent) bool { return x == o })
		r.superseded[o.pos] = !r.waits(o.pos)
	}
	return true
}

// fire fires with all that e makes a condition hold with: the widest window of
// events that were all stored before the first one's deadline.
func (r *reference) fire(e *refEvent) {
	for _, first := range r.oldestFirst() {
		if first.version != e.version || first.stored.After(e.stored) || !before(e, first) {
			continue
		}
		f := refFiring{}
		for _, d := range r.deps {
			for _, o := range r.waiting[d] { // in order: the last is the latest
				if o.version == e.version && older(first, o) <= 0 && before(o, first) && (f[d] == nil || !r.queue) {
					f[d] = o
				}
			}
		}
		uses := slices.ContainsFunc(r.deps, func(d string) bool { return f[d] == e })
		if uses && r.conditions[e.version](func(d string) bool { return f[d] != nil }) {
			r.firings = append(r.firings, f)
			for _, o := range f {
				r.remove(o.pos)
			}
			return
		}
	}
}

// remove takes an event out, for all that it serves.
func (r *reference) remove(pos bus.Pos) {
	for d := range r.waiting {
		r.waiting[d] = slices.DeleteFunc(r.waiting[d], func(x *refEvent) bool { return x.pos == pos })
	}
}

func (r *reference) waits(pos bus.Pos) bool {
	return slices.ContainsFunc(r.oldestFirst(), func(x *refEvent) bool { return x.pos == pos })
}

func (r *reference) oldestFirst() []*refEvent {
	var all []*refEvent
	for _, d := range r.deps {
		for _, e := range r.waiting[d] {
			if !slices.Contains(all, e) {
				all = append(all, e)
			}
		}
	}
	slices.SortFunc(all, older)
	return all
}

func older(x, y *refEvent) int { return cmp.Or(x.stored.Compare(y.stored), later(x, y)) }

// before reports whether x was stored before the deadline of y.
func before(x, y *refEvent) bool { return y.deadline.IsZero() || x.stored.Before(y.deadline) }

// later orders by position, and over several logs by time.
func later(x, y *refEvent) int {
	if x.pos.Log == y.pos.Log {
		return cmp.Compare(x.pos.Seq, y.pos.Seq)
	}
	return cmp.Or(x.stored.Compare(y.stored), cmp.Compare(x.pos.Log, y.pos.Log))
}
