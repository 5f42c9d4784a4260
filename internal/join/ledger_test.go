package join

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearken-go/hearken/bus"
)

// ledger keeps account of every event, and asks the reference what should be.
type ledger struct {
	world      *world
	problems   []string
	failing    sync.Mutex
	refs       map[string]*reference      // by entry
	removed    map[bus.Pos]bool           // by a sweep, from those that wait
	buried     map[bus.Pos]bool           // given up for good
	ids        map[string]map[string]bool // of firings, by their events' positions
	identities map[string]map[string]bool // of firings, their events' identities by ID
	byIdentity map[string]map[string]bool // the other way round
	taken      map[bus.Pos]bool
}

func newLedger(w *world) *ledger {
	return &ledger{
		world: w, refs: map[string]*reference{}, removed: map[bus.Pos]bool{}, buried: map[bus.Pos]bool{},
		ids: map[string]map[string]bool{}, identities: map[string]map[string]bool{}, byIdentity: map[string]map[string]bool{},
		taken: map[bus.Pos]bool{},
	}
}

func (l *ledger) fail(format string, args ...any) {
	l.failing.Lock()
	defer l.failing.Unlock()
	if p := fmt.Sprintf(format, args...); !slices.Contains(l.problems, p) {
		l.problems = append(l.problems, p)
	}
}

func (w *world) happening(pos bus.Pos) *happening {
	for _, h := range w.events {
		if h.pos == pos {
			return h
		}
	}
	return nil
}

// changed is told of each change of an entry that was made.
func (l *ledger) changed(p *proc, key string, old, value []byte) {
	w := l.world
	r := l.refs[key]
	if r == nil {
		a := w.action
		r = newReference(w.queue, a[0].Dependencies, a[0].Holds, a[1].Holds)
		l.refs[key] = r
	}
	for _, o := range p.takes {
		h := w.happening(o.arrival.Pos)
		l.taken[h.pos] = true
		r.take(&refEvent{pos: h.pos, stored: h.stored, deadline: w.action[0].deadline(h.stored).at, version: p.version, deps: h.deps})
	}
	if len(p.takes) > 0 {
		return
	}
	before, err := decodeEntry(old)
	if err != nil {
		l.fail("entry: %v", err)
	}
	after, err := decodeEntry(value)
	if err != nil {
		l.fail("entry: %v", err)
	}
	for _, part := range before.parts {
		if !slices.ContainsFunc(after.parts, func(x ref) bool { return x.pos == part.pos }) {
			l.remove(r, part)
		}
	}
}

// remove is told of a part that a sweep took out.
func (l *ledger) remove(r *reference, part ref) {
	r.remove(part.pos)
	l.removed[part.pos] = true
	if !l.buried[part.pos] {
		l.fail("%v was taken out before it was given up", part.pos)
	}
	if old := part.version == "v0" && l.world.versions; old {
		return
	}
	if part.deadline.after(time.Now()) {
		l.fail("%v was taken out before its deadline", part.pos)
	}
	for _, h := range l.world.events {
		if !h.gone && !h.settled && !l.taken[h.pos] && h.stored.Before(part.deadline.at) {
			l.fail("%v was taken out although %v, stored before its deadline, was still to come", part.pos, h.pos)
		}
	}
}

func (l *ledger) bury(pos bus.Pos) {
	l.world.lock.Lock()
	defer l.world.lock.Unlock()
	l.buried[pos] = true
}

// fired is told of an attempt at a firing. Some fail for good.
func (l *ledger) fired(f *Firing) {
	l.world.lock.Lock()
	defer l.world.lock.Unlock()
	var positions, identities []string
	for i := range f.Events {
		e := &f.Events[i]
		for _, d := range e.Dependencies {
			positions = append(positions, d+"="+string(e.View(d).Data()))
			identities = append(identities, d+"="+e.Original.ID())
		}
	}
	add(l.ids, sorted(positions), f.ID)
	add(l.identities, f.ID, sorted(identities))
	add(l.byIdentity, sorted(identities), f.ID)
	if f.Obsolete || l.world.failures && f.ID[0] < '4' {
		for i := range f.refs {
			l.buried[f.refs[i].pos] = true
		}
	}
}

func add(m map[string]map[string]bool, key, value string) {
	if m[key] == nil {
		m[key] = map[string]bool{}
	}
	m[key][value] = true
}

func sorted(list []string) string { return strings.Join(slices.Sorted(slices.Values(list)), " ") }

// check asks whether every event is accounted for, and whether what fired is what
// should have.
func (l *ledger) check() {
	expected := map[string]bool{}
	fired := map[bus.Pos]bool{}
	superseded := map[bus.Pos]bool{}
	waiting := map[bus.Pos]bool{}
	for _, r := range l.refs {
		for _, f := range r.firings {
			text, given := "", true
			var parts []string
			for d, e := range f {
				parts = append(parts, d+"="+fmt.Sprint(e.pos))
				fired[e.pos] = true
				given = given && (l.buried[e.pos] || l.world.happening(e.pos).gone)
			}
			text = sorted(parts)
			expected[text] = true
			if l.ids[text] == nil && !given {
				l.fail("never fired: %s", text)
			}
		}
		maps.Copy(superseded, r.superseded)
		for _, e := range r.oldestFirst() {
			waiting[e.pos] = true
		}
	}
	for text, ids := range l.ids {
		if !expected[text] {
			l.fail("fired, but should not have: %s", text)
		}
		if len(ids) != 1 {
			l.fail("fired under several IDs: %s: %v", text, ids)
		}
	}
	for id, events := range l.identities {
		if len(events) != 1 {
			l.fail("one ID, several firings: %s: %v", id, events)
		}
	}
	for events, ids := range l.byIdentity {
		if len(ids) != 1 {
			l.fail("the same events, published again, fired under several IDs: %s: %v", events, ids)
		}
	}
	l.checkEvents(fired, superseded, waiting)
}

// checkEvents asks whether each event has come to one end.
func (l *ledger) checkEvents(fired, superseded, waiting map[bus.Pos]bool) {
	for _, h := range l.world.events {
		ends := 0
		for _, m := range []map[bus.Pos]bool{fired, superseded, waiting, l.removed} {
			if m[h.pos] {
				ends++
			}
		}
		late := !l.world.queue && ends == 0 && l.world.behind(h)
		switch {
		case h.gone && !l.taken[h.pos], late:
		case ends != 1:
			l.fail("%v has %d ends: fired %t, superseded %t, waiting %t, removed %t", h.pos, ends,
				fired[h.pos], superseded[h.pos], waiting[h.pos], l.removed[h.pos])
		case waiting[h.pos] && !l.world.stored(h.pos):
			l.fail("%v waits, but is not stored", h.pos)
		case l.removed[h.pos] && !l.buried[h.pos]:
			l.fail("%v was taken out and not given up", h.pos)
		}
	}
}

// behind reports whether an event is older than another that was taken for each
// dependency that it serves: it came too late.
func (w *world) behind(h *happening) bool {
	for _, d := range h.deps {
		if !slices.ContainsFunc(w.events, func(o *happening) bool {
			return o.key == h.key && o.pos.Log == h.pos.Log && o.pos.Seq > h.pos.Seq && slices.Contains(o.deps, d) && w.taken[o.pos]
		}) {
			return false
		}
	}
	return true
}

// stored reports whether the store has a part that an entry refers to.
func (w *world) stored(pos bus.Pos) bool {
	for key, value := range w.kv {
		name, ok := strings.CutPrefix(key, "join/e/")
		if !ok {
			continue
		}
		en, err := decodeEntry(value)
		if err != nil {
			w.fail("entry: %v", err)
			continue
		}
		for i := range en.parts {
			if p := &en.parts[i]; p.pos == pos {
				part, err := decodePart(w.kv[w.procs[0].part(name, p)])
				return err == nil && string(part.Original.Data()) == fmt.Sprint(pos)
			}
		}
	}
	return false
}

// checkForgotten asks whether the store holds nothing but what still waits.
func (l *ledger) checkForgotten() {
	w, waiting := l.world, 0
	for _, r := range l.refs {
		waiting += len(r.oldestFirst())
	}
	parts := 0
	for key := range w.kv {
		_, isPart, ok := unflat(key)
		if ok && isPart {
			parts++
		}
		if waiting == 0 && strings.HasPrefix(key, "join/e/") {
			l.fail("%s is not forgotten", key)
		}
	}
	if parts != waiting {
		l.fail("%d parts are stored, %d events wait", parts, waiting)
	}
}
