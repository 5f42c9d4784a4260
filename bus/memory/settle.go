package memory

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/hearken-go/hearken/bus"
)

// Ack implements bus.Settler for the first delivery of it.
func (it *item) Ack(context.Context) error { return it.ack(it.first, 1) }

// Retry implements bus.Settler for the first delivery of it.
func (it *item) Retry(_ context.Context, after time.Duration) error {
	return it.retry(it.first, 1, after)
}

// redelivery settles a later delivery.
type redelivery struct {
	grant
	member *member
}

func (r *redelivery) Ack(context.Context) error { return r.item.ack(r.member, r.attempt) }

func (r *redelivery) Retry(_ context.Context, after time.Duration) error {
	return r.item.retry(r.member, r.attempt, after)
}

// ack settles it, if it is still the given attempt of m.
func (it *item) ack(m *member, attempt int) error {
	g := m.group
	g.mu.Lock()
	if held, err := it.heldBy(m, attempt); !held {
		g.mu.Unlock()
		return err
	}
	now := g.now()
	m.leave(it, now)
	g.done(it)
	granted := g.grant(now, nil)
	idle := it.place.idle()
	g.mu.Unlock()
	granted.wake()
	if idle {
		g.bus.giveUp(g)
	}
	return nil
}

// retry hands it back, if it is still the given attempt of m.
func (it *item) retry(m *member, attempt int, after time.Duration) error {
	g := m.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if held, err := it.heldBy(m, attempt); !held {
		return err
	}
	now := g.now()
	m.leave(it, now)
	switch {
	case it.gone: // a dead letter that was dropped meanwhile
	case after > 0:
		g.delay(it, now+min(after, math.MaxInt64-now))
	default:
		g.again.pushBack(it)
	}
	g.match(now)
	return nil
}

// heldBy reports whether m holds that attempt of it.
func (it *item) heldBy(m *member, attempt int) (bool, error) {
	if m.closed {
		return false, fmt.Errorf("%w: subscription of group %q", bus.ErrClosed, m.group.name)
	}
	return it.holder == m && int(it.attempt) == attempt, nil
}
