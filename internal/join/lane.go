package join

import (
	"context"
	"crypto/sha256"
	"errors"
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
			pos: arrival.Pos, stored: arrival.Stored.Round(0), deadline: a.deadline(arrival.Stored.Round(0)),
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

// errLeader fails those whom the leader took along when its own context ended, or
// when it panicked: each goes again by itself.
var errLeader = errors.New("join: who led the update did not finish it")

// enter takes an op into the entry of that key.
func (e *Engine) enter(ctx context.Context, key string, o *op) error {
	for {
		e.await(ctx, key, o)
		switch f := o.outcome.Firing; {
		case errors.Is(o.fail, errLeader):
			continue
		case f != nil:
			f.entry = key
		}
		return o.fail
	}
}

// await takes an op into the entry of that key, as one of a batch.
func (e *Engine) await(ctx context.Context, key string, o *op) {
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
		select {
		case lead = <-o.turn:
		case <-ctx.Done():
			if e.leave(key, l, o) {
				o.fail = ctx.Err()
				return
			}
			lead = <-o.turn // it is being taken
		}
	}
	if lead {
		e.lead(ctx, key, l)
	}
}

// leave takes an op out of those who wait, if it still does, and gives the lead to
// the next if it had it.
func (e *Engine) leave(key string, l *lane, o *op) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.Index(l.waiting, o)
	if i < 0 {
		return false
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	select {
	case <-o.turn:
		e.handOver(key, l)
	default:
	}
	return true
}

// handOver gives the lead to the next. The caller holds the lock.
func (e *Engine) handOver(key string, l *lane) {
	if len(l.waiting) == 0 {
		delete(e.lanes, key)
		return
	}
	l.waiting[0].turn <- true
}

// lead makes one update for those who wait, of which the first is the caller's,
// and gives the lead to the next.
func (e *Engine) lead(ctx context.Context, key string, l *lane) {
	e.mu.Lock()
	n := min(len(l.waiting), maxBatch)
	batch := slices.Clone(l.waiting[:n])
	l.waiting = slices.Delete(l.waiting, 0, n)
	e.mu.Unlock()
	for _, o := range batch[1:] {
		o.fail = errLeader
	}
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, o := range batch[1:] {
			close(o.turn)
		}
		e.handOver(key, l)
	}()

	err := e.takeAll(ctx, key, batch)
	apart := errors.Is(err, bus.ErrRejected) && n > 1 // some of them may have room
	for i, o := range batch {
		if apart {
			err = e.takeAll(ctx, key, []*op{o})
		}
		if o.fail = err; err != nil && ctx.Err() != nil && i > 0 {
			o.fail = errLeader
		}
	}
}

// takeAll takes a batch into an entry by one compare and swap.
func (e *Engine) takeAll(ctx context.Context, key string, batch []*op) error {
	return e.change(ctx, key, func(en *entry) bool {
		first := batch[0]
		en.action, en.keyed, en.key = first.action.Name, first.arrival.Keyed, shown(first.arrival.Key)
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
