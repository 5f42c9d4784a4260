package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/hearken-go/hearken/bus"
)

// Floor implements bus.Subscription. It is exact. Its cost grows with what the
// group has in flight or handed back, not with what was never delivered.
func (m *member) Floor(ctx context.Context) (bus.Floor, error) {
	if err := ctx.Err(); err != nil {
		return bus.Floor{}, err
	}
	g := m.group
	f := g.bus.present()
	g.mu.Lock()
	defer g.mu.Unlock()
	if m.closed {
		return bus.Floor{}, fmt.Errorf("%w: subscription of group %q", bus.ErrClosed, g.name)
	}
	g.hold(&f)
	return bus.Floor{Time: f.stored, Logs: map[string]uint64{g.log: f.seq}}, nil
}

// floor is the last position up to which all is settled, and the time before
// which.
type floor struct {
	stored time.Time
	seq    uint64
}

// present returns the floor of a group that has settled everything. Whatever is
// in no group yet comes after it: an event gets its time, its position and its
// groups in one hold of b.mu.
func (b *Bus) present() floor {
	b.mu.Lock()
	defer b.mu.Unlock()
	return floor{time.Now(), b.seq}
}

// below keeps f below r, which is not settled.
func (f *floor) below(r *record) {
	if r.seq <= f.seq {
		*f = floor{r.stored, r.seq - 1}
	}
}

// hold keeps f below all that is not settled. The group's lock is held.
func (g *group) hold(f *floor) {
	if it := g.fresh.head; it != nil {
		f.below(it.record)
	}
	for it := g.again.head; it != nil; it = it.next {
		f.below(it.record)
	}
	for _, it := range g.delayed {
		f.below(it.record)
	}
	for m := range g.members {
		for it := m.held.head; it != nil; it = it.next {
			if !it.gone {
				f.below(it.record)
			}
		}
	}
}
