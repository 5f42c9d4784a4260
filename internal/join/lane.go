package join

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/hearken-go/hearken/bus"
)

// maxBatch is how many arrivals one compare and swap takes at most.
const maxBatch = 256

// op is one arrival on its way into an entry.
type op struct {
	arrival *Arrival
	action  *Action
	ref     ref
	stored  bool // its part is in the store

	// What has become of it; all but stored is found anew each time.
	needsPart  bool // it is to wait, but its part is not stored yet
	referenced bool // the entry refers to it
	outcome    Outcome
	superseded []ref
	err        error

	turn chan bool // true: lead; closed: done
	fail error     // of the update
}

func newOp(a *Action, arrival *Arrival) *op {
	id := bus.IdentityOf(arrival.Event.Topic, arrival.Event.Original)
	sum := sha256.Sum256(id.Append(make([]byte, 0, 128)))
	return &op{
		arrival: arrival, action: a,
		ref: ref{
			pos: arrival.Pos, stored: arrival.Stored, deadline: a.deadline(arrival.Stored),
			version: a.Version, identity: [16]byte(sum[:16]),
		},
	}
}

// begin forgets what an earlier try has found.
func (o *op) begin() {
	o.needsPart, o.referenced, o.outcome, o.superseded, o.err = false, false, Outcome{}, nil, nil
	o.ref.part = o.stored
}

// fires gives the op a firing.
func (o *op) fires(p pending) {
	f := &Firing{ID: p.text(), pending: p}
	var deps []string
	for i := range p.refs {
		deps = append(deps, p.refs[i].deps...)
		f.Obsolete = f.Obsolete || p.refs[i].version != o.action.Version
	}
	known := len(without(deps, o.action.Dependencies)) == 0
	f.Obsolete = f.Obsolete && !(known && o.action.Holds(func(d string) bool { return slices.Contains(deps, d) }))
	o.outcome = Outcome{State: Fires, Firing: f}
}

// lane is the ops that wait for an entry. One of them leads: it makes one
// compare and swap at a time for all that wait by then.
type lane struct {
	waiting []*op
}

// enter takes an op into the entry of that key.
func (e *Engine) enter(ctx context.Context, key string, o *op) error {
	o.turn, o.fail = make(chan bool, 1), nil
	e.mu.Lock()
	l := e.lanes[key]
	lead := l == nil
	if lead {
		l = new(lane)
		e.lanes[key] = l
	}
	l.waiting = append(l.waiting, o)
	e.mu.Unlock()
	if !lead {
		if lead = <-o.turn; !lead {
			return o.fail
		}
	}
	e.lead(ctx, key, l)
	if f := o.outcome.Firing; f != nil {
		f.entry = key
	}
	return o.fail
}

// lead makes one update for those who wait, of which the first is the caller's,
// and gives the lead to the next.
func (e *Engine) lead(ctx context.Context, key string, l *lane) {
	e.mu.Lock()
	n := min(len(l.waiting), maxBatch)
	batch := slices.Clone(l.waiting[:n])
	l.waiting = slices.Delete(l.waiting, 0, n)
	e.mu.Unlock()

	err := e.takeAll(ctx, key, batch)

	e.mu.Lock()
	defer e.mu.Unlock()
	for _, o := range batch {
		if o.fail = err; err == nil && o.outcome.Firing != nil {
			o.outcome.Firing.entry = key
		}
	}
	for _, o := range batch[1:] {
		close(o.turn)
	}
	if len(l.waiting) == 0 {
		delete(e.lanes, key)
		return
	}
	l.waiting[0].turn <- true
}

// takeAll takes a batch into an entry by one compare and swap.
func (e *Engine) takeAll(ctx context.Context, key string, batch []*op) error {
	return e.change(ctx, key, func(en *entry) bool {
		first := batch[0]
		en.action, en.keyed, en.key = first.action.Name, first.arrival.Keyed, first.arrival.Key
		e.forget(en)
		now, changed := time.Now(), false
		for _, o := range batch {
			o.begin()
			if en.take(o, now) {
				changed = true
				e.trace(o)
			}
		}
		return changed
	})
}
