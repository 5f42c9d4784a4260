package join

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/hearken-go/hearken/bus"
)

// entry is what is remembered of one action and key.
type entry struct {
	action string
	keyed  bool
	key    string    // the beginning of it, for people
	last   time.Time // when something was last taken
	marks  []mark
	parts  []ref // that wait, by when they were stored
	firing []pending

	forgotten bool // to be deleted
	size      int  // bytes it took when it was read
}

// ref refers to an event.
type ref struct {
	pos      bus.Pos
	stored   time.Time
	deadline deadline
	bucket   int64    // the minute of the index that the part is in; 0: it has no deadline
	part     bool     // it is stored as a part
	version  string   // of the action
	deps     []string // that it serves
	identity [16]byte
}

// pending is a firing that has not been cleared.
type pending struct {
	id   [16]byte
	pos  bus.Pos // of the delivery that completed it, which is not settled
	refs []ref
}

// mark is which positions of a log have been taken for a dependency, or with an
// empty one for all: those up to floor, and those in above.
type mark struct {
	dep, log string
	floor    uint64
	above    []span // ordered, with gaps between them
}

// span is the positions from one to another, both included.
type span struct{ from, to uint64 }

// reaching returns the index of the first span that reaches seq or ends after it.
func (m *mark) reaching(seq uint64) int {
	i, _ := slices.BinarySearchFunc(m.above, seq, func(s span, seq uint64) int { return cmp.Compare(s.to, seq) })
	return i
}

func (m *mark) has(seq uint64) bool {
	if seq <= m.floor {
		return true
	}
	i := m.reaching(seq)
	return i < len(m.above) && m.above[i].from <= seq
}

// add notes that seq alone is taken.
func (m *mark) add(seq uint64) {
	if m.has(seq) {
		return
	}
	i := m.reaching(seq)
	m.above = slices.Insert(m.above, i, span{seq, seq})
	if i+1 < len(m.above) && m.above[i+1].from == seq+1 {
		m.above[i].to = m.above[i+1].to
		m.above = slices.Delete(m.above, i+1, i+2)
	}
	if i > 0 && m.above[i-1].to == seq-1 {
		m.above[i-1].to = m.above[i].to
		m.above = slices.Delete(m.above, i, i+1)
	}
	m.raise(m.floor)
}

// raise notes that all positions up to floor are taken.
func (m *mark) raise(floor uint64) {
	m.floor = max(m.floor, floor)
	i := m.reaching(m.floor)
	if i < len(m.above) && m.above[i].from <= m.floor+1 {
		m.floor = m.above[i].to
		i++
	}
	m.above = slices.Delete(m.above, 0, i)
}

// note notes that pos is taken: of a queue it alone, for whatever it serves;
// otherwise all up to it, for each of the dependencies.
func (en *entry) note(pos bus.Pos, deps []string, queue bool) {
	if queue {
		en.mark("", pos.Log).add(pos.Seq)
		return
	}
	for _, d := range deps {
		en.mark(d, pos.Log).raise(pos.Seq)
	}
}

// mark returns the mark of a dependency in a log, made if need be.
func (en *entry) mark(dep, log string) *mark {
	for i := range en.marks {
		if m := &en.marks[i]; m.dep == dep && m.log == log {
			return m
		}
	}
	en.marks = append(en.marks, mark{dep: dep, log: log})
	return &en.marks[len(en.marks)-1]
}

// taken reports whether pos has been taken for the dependency.
func (en *entry) taken(dep string, pos bus.Pos) bool {
	return slices.ContainsFunc(en.marks, func(m mark) bool {
		return m.log == pos.Log && (m.dep == dep || m.dep == "") && m.has(pos.Seq)
	})
}

// refers reports whether the entry refers to pos.
func (en *entry) refers(pos bus.Pos) bool {
	if slices.ContainsFunc(en.parts, func(r ref) bool { return r.pos == pos }) {
		return true
	}
	return slices.ContainsFunc(en.firing, func(p pending) bool {
		return slices.ContainsFunc(p.refs, func(r ref) bool { return r.pos == pos })
	})
}

// take takes an op's arrival and says in the op what has become of it. It reports
// whether the entry has changed.
func (en *entry) take(o *op, now time.Time) bool {
	pos := o.arrival.Pos
	if i := slices.IndexFunc(en.firing, func(p pending) bool { return p.pos == pos }); i >= 0 {
		o.fires(en.firing[i])
		o.referenced = true
		return false
	}
	fresh := en.fresh(o)
	if len(fresh) == 0 {
		o.outcome.State, o.referenced = Passed, en.refers(pos)
		return false
	}
	o.ref.deps = fresh
	parts, superseded := en.join(o)
	complete := completed(o.action, parts, &o.ref)
	switch {
	case complete != nil || len(o.ref.deps) == 0:
	case len(parts) > MaxWaiting, en.size > maxSize:
		o.err = ErrFull
		return false
	case !o.stored:
		o.needsPart = true
		return false
	}
	en.note(pos, fresh, o.action.Queue)
	en.parts, en.last, o.superseded = parts, now, superseded
	o.referenced = complete != nil || len(o.ref.deps) > 0
	switch {
	case complete != nil:
		p := pending{id: firingID(o.action.Seed, complete), pos: pos, refs: complete}
		en.consume(p.refs)
		en.firing = append(en.firing, p)
		o.fires(p)
	case !o.referenced:
		o.outcome.State = Passed
	default:
		o.outcome.State = Waits
	}
	return true
}

// fresh returns the dependencies for which the arrival has not been taken. Of a
// log that counts positions it is the highest that counts, so an older one that
// comes late has been taken too, unless all are kept.
func (en *entry) fresh(o *op) []string {
	var fresh []string
	for _, d := range o.arrival.Event.Dependencies {
		if !en.taken(d, o.arrival.Pos) {
			fresh = append(fresh, d)
		}
	}
	return fresh
}

// join returns the parts as they are with the op's own among them, and those that
// it takes the place of: unless all are kept, the latest counts of events that
// could be of one firing. Where that is another, it takes the place of the op's.
func (en *entry) join(o *op) (parts, superseded []ref) {
	if o.action.Queue {
		parts = slices.Clip(en.parts)
	} else {
		parts, superseded = en.oust(&o.ref)
	}
	if r := &o.ref; len(r.deps) > 0 {
		i, _ := slices.BinarySearchFunc(parts, *r, compareStored)
		parts = slices.Insert(parts, i, *r)
	}
	return parts, superseded
}

// oust returns the parts without those that r takes the place of, and these.
func (en *entry) oust(r *ref) (parts, superseded []ref) {
	rival := func(p *ref) bool { return p.version == r.version && p.together(r) }
	for i := range en.parts {
		if p := &en.parts[i]; rival(p) && comparePos(p, r) > 0 {
			r.deps = without(r.deps, p.deps)
		}
	}
	parts = make([]ref, 0, len(en.parts)+1)
	for _, p := range en.parts {
		if rival(&p) {
			p.deps = without(p.deps, r.deps)
		}
		if len(p.deps) == 0 {
			superseded = append(superseded, p)
			continue
		}
		parts = append(parts, p)
	}
	return parts, superseded
}

// without returns what is in list and not in others. It changes neither.
func without(list, others []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(d string) bool { return slices.Contains(others, d) })
}

// together reports whether two events may be of one firing.
func (r *ref) together(other *ref) bool {
	return r.deadline.after(other.stored) && other.deadline.after(r.stored)
}

// shown returns as much of a key as is worth showing.
func shown(key string) string { return fmt.Sprintf("%.100s", key) }

// completed returns the parts with which the condition holds now that r is among
// them, in the order of the action's dependencies, or nil. It looks for the
// widest window first: an action fires with all that it has.
func completed(a *Action, parts []ref, r *ref) []ref {
	if !a.Holds(among(a, parts, r)) {
		return nil
	}
	for i := range parts {
		first := &parts[i]
		if r.stored.Before(first.stored) {
			break
		}
		if first.version != a.Version || !first.deadline.after(r.stored) {
			continue
		}
		chosen := choose(a, parts[i:], first.deadline)
		has := func(dep string) bool { return chosen[dep] != nil }
		mine := func(dep string) bool { return chosen[dep] != nil && chosen[dep].pos == r.pos }
		if slices.ContainsFunc(r.deps, mine) && a.Holds(has) {
			return collect(a, chosen)
		}
	}
	return nil
}

// among reports which dependencies have a part that may be of one firing with r,
// of which no window has more.
func among(a *Action, parts []ref, r *ref) func(dep string) bool {
	var deps []string
	for i := range parts {
		p := &parts[i]
		if p.version != a.Version || !p.together(r) {
			continue
		}
		for _, d := range p.deps {
			if !slices.Contains(deps, d) {
				deps = append(deps, d)
			}
		}
	}
	return func(dep string) bool { return slices.Contains(deps, dep) }
}

// choose returns for each dependency the part that counts, of those stored before
// the window ends: the latest, or with Queue the oldest.
func choose(a *Action, parts []ref, end deadline) map[string]*ref {
	chosen := make(map[string]*ref, len(a.Dependencies))
	for i := range parts {
		p := &parts[i]
		if p.version != a.Version || !end.after(p.stored) {
			continue
		}
		for _, d := range p.deps {
			if c := chosen[d]; c == nil || (comparePos(p, c) < 0) == a.Queue {
				chosen[d] = p
			}
		}
	}
	return chosen
}

// collect returns the chosen parts, each once with the dependencies that it was
// chosen for.
func collect(a *Action, chosen map[string]*ref) []ref {
	var refs []ref
	for _, d := range a.Dependencies {
		c := chosen[d]
		if c == nil {
			continue
		}
		i := slices.IndexFunc(refs, func(r ref) bool { return r.pos == c.pos })
		if i < 0 {
			i = len(refs)
			refs = append(refs, *c)
			refs[i].deps = nil
		}
		refs[i].deps = append(refs[i].deps, d)
	}
	return refs
}

// consume takes refs from the parts, for all dependencies that they serve.
func (en *entry) consume(refs []ref) {
	en.parts = slices.DeleteFunc(en.parts, func(p ref) bool {
		return slices.ContainsFunc(refs, func(r ref) bool { return r.pos == p.pos })
	})
}

// clear forgets the firing that pos completed. It reports whether there was one.
func (en *entry) clear(pos bus.Pos) bool {
	n := len(en.firing)
	en.firing = slices.DeleteFunc(en.firing, func(p pending) bool { return p.pos == pos })
	return len(en.firing) < n
}

// fires reports whether there is a firing that pos completed.
func (en *entry) fires(pos bus.Pos) bool {
	return slices.ContainsFunc(en.firing, func(p pending) bool { return p.pos == pos })
}

// idle reports whether nothing waits and nothing is unfinished.
func (en *entry) idle() bool { return len(en.parts) == 0 && len(en.firing) == 0 }

func compareStored(x, y ref) int {
	return cmp.Or(x.stored.Compare(y.stored), comparePos(&x, &y))
}

// comparePos orders events by position. Where logs differ, when they were stored
// is all there is.
func comparePos(x, y *ref) int {
	if x.pos.Log == y.pos.Log {
		return cmp.Compare(x.pos.Seq, y.pos.Seq)
	}
	return cmp.Or(x.stored.Compare(y.stored), cmp.Compare(x.pos.Log, y.pos.Log))
}
