package bustest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hearken-go/hearken/bus"
)

func floorMutants() []mutant {
	return []mutant{
		{name: "a floor that ignores what is held", spoil: ignores(func(d bus.Delivery) bool { return !d.Topic.IsDeadLetters() }), fails: []string{
			"Floor/held back by what is held", "Floor/held back by what is held out of order", "Floor/held back by what a member left behind",
			"Floor/held back by what a dead member held", "Floor/held back by what was held in a crash", "Floor/held back beside dead letters",
			"Floor/while others publish", "Floor/below what is published later",
		}},
		{name: "a floor that passes dead letters", spoil: ignores(func(d bus.Delivery) bool { return d.Topic.IsDeadLetters() }), fails: []string{
			"Floor/held back by a dead letter",
		}},
		{name: "a floor that ignores what is delayed", spoil: retriesInProcess, fails: []string{"Floor/held back by what waits for its time"}},
		{name: "a floor of what its member holds", spoil: ofItsMember, fails: []string{
			"Floor/held back by what is held", "Floor/held back by what is buffered", "Floor/held back by what was never delivered",
			"Floor/held back by what a member left behind", "Floor/held back by what a dead member held", "Floor/held back by an old dead letter",
		}},
		{name: "a floor that runs ahead", spoil: floors(func(f *bus.Floor) { f.Time = f.Time.Add(time.Second) }), fails: []string{
			"Floor/below what is published later", "Floor/while others publish", "Floor/of an empty bus",
		}},
		{name: "a floor of positions that runs ahead", spoil: floors(func(f *bus.Floor) {
			for log := range f.Logs {
				f.Logs[log]++
			}
		}), fails: []string{"Floor/below what is published later", "Floor/of an empty bus", "Floor/held back by what is held"}},
		{name: "a floor that stands still", spoil: standsStill, fails: []string{
			"Floor/passes what is settled", "Floor/held back by what is held", "Floor/while others publish",
		}},
		{name: "a floor of time that stands still", spoil: floors(func(f *bus.Floor) { f.Time = time.Time{} }), fails: []string{
			"Floor/passes what is settled",
		}},
		{name: "a floor of the last settled", spoil: lastSettled, fails: []string{"Floor/held back by what is held out of order"}},
		{name: "a floor of all groups", spoil: ofAllGroups, fails: []string{
			"Floor/passes what is not the group's", "Floor/of a group that began later",
		}},
		{name: "a floor that keeps dropped letters", spoil: keepsDropped, fails: []string{"Floor/passes a dropped dead letter"}},
		{name: "names logs otherwise", spoil: floors(func(f *bus.Floor) {
			for log, seq := range f.Logs {
				delete(f.Logs, log)
				f.Logs["log of "+log] = seq
			}
		}), fails: []string{"Floor/of an empty bus", "Floor/passes what is settled"}},
		{name: "a floor after the end", spoil: floorsAfterEnd, fails: []string{"Floor/after Close", "Floor/of a forgotten group"}},
	}
}

// flooring makes Floor do something else.
func flooring(f *faulty, do func(ctx context.Context, g bus.Group, s bus.Subscription) (bus.Floor, error)) {
	f.subscribe = func(ctx context.Context, g bus.Group) (bus.Subscription, error) {
		s, err := f.conn.Subscribe(ctx, g)
		if err != nil {
			return nil, err
		}
		return &floored{s, func(ctx context.Context) (bus.Floor, error) { return do(ctx, g, s) }}, nil
	}
}

// floors changes what Floor returns.
func floors(change func(f *bus.Floor)) func(f *faulty) {
	return func(f *faulty) {
		flooring(f, func(ctx context.Context, _ bus.Group, s bus.Subscription) (bus.Floor, error) {
			floor, err := s.Floor(ctx)
			change(&floor)
			return floor, err
		})
	}
}

// ignores has the bus take for settled what was delivered and is one of those.
func ignores(which func(d bus.Delivery) bool) func(f *faulty) {
	return func(f *faulty) {
		receiving(f, func(ctx context.Context, _ bus.Group, s bus.Subscription) (bus.Delivery, error) {
			d, err := s.Receive(ctx)
			if err == nil && which(d) {
				_ = d.Ack(ctx)
			}
			return d, err
		})
	}
}

// keeper remembers what a member got and has not settled.
type keeper struct {
	bus.Subscription
	mu   sync.Mutex
	held []bus.Delivery
	seen []bus.Delivery
}

func (k *keeper) Receive(ctx context.Context) (bus.Delivery, error) {
	d, err := k.Subscription.Receive(ctx)
	if err != nil {
		return d, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held, k.seen = append(k.held, d), append(k.seen, d)
	inner := d
	d.Settler = settler{func(ctx context.Context) error {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.held = slices.DeleteFunc(k.held, func(h bus.Delivery) bool { return h.Pos == d.Pos })
		return inner.Ack(ctx)
	}, d.Retry}
	return d, nil
}

// keeping makes Floor do something else, with what its member got.
func keeping(f *faulty, do func(ctx context.Context, k *keeper) (bus.Floor, error)) {
	f.subscribe = func(ctx context.Context, g bus.Group) (bus.Subscription, error) {
		s, err := f.conn.Subscribe(ctx, g)
		if err != nil {
			return nil, err
		}
		k := &keeper{Subscription: s}
		return &floored{k, func(ctx context.Context) (bus.Floor, error) { return do(ctx, k) }}, nil
	}
}

// ofItsMember asks nobody but the member: when it holds nothing all is settled.
func ofItsMember(f *faulty) {
	keeping(f, func(ctx context.Context, k *keeper) (bus.Floor, error) {
		floor, err := k.Floor(ctx)
		k.mu.Lock()
		defer k.mu.Unlock()
		if len(k.held) == 0 {
			floor.Time = time.Now().Add(time.Nanosecond)
			for log := range floor.Logs {
				floor.Logs[log] += 10
			}
		}
		return floor, err
	})
}

// lastSettled is what a member got before or after, as long as it has settled
// something.
func lastSettled(f *faulty) {
	keeping(f, func(ctx context.Context, k *keeper) (bus.Floor, error) {
		floor, err := k.Floor(ctx)
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, d := range k.seen {
			open := slices.ContainsFunc(k.held, func(h bus.Delivery) bool { return h.Pos == d.Pos })
			if !open && d.Pos.Seq > floor.Logs[d.Pos.Log] {
				floor.Logs[d.Pos.Log] = d.Pos.Seq
			}
		}
		return floor, err
	})
}

// keepsDropped is held back by what its member got, whatever became of it.
func keepsDropped(f *faulty) {
	keeping(f, func(ctx context.Context, k *keeper) (bus.Floor, error) {
		floor, err := k.Floor(ctx)
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, d := range k.held {
			floor.Logs[d.Pos.Log] = min(floor.Logs[d.Pos.Log], d.Pos.Seq-1)
		}
		return floor, err
	})
}

// standsStill says the first floor for ever.
func standsStill(f *faulty) {
	first := map[bus.Subscription]bus.Floor{}
	flooring(f, func(ctx context.Context, _ bus.Group, s bus.Subscription) (bus.Floor, error) {
		if floor, ok := first[s]; ok {
			return floor, nil
		}
		floor, err := s.Floor(ctx)
		first[s] = floor
		return floor, err
	})
}

// ofAllGroups is held back by what any group has not settled.
func ofAllGroups(f *faulty) {
	flooring(f, func(ctx context.Context, _ bus.Group, s bus.Subscription) (bus.Floor, error) {
		floor, err := s.Floor(ctx)
		list, listErr := f.conn.Groups(ctx)
		for _, g := range list {
			if g.Backlog > 0 {
				floor.Time = time.Time{}
				clear(floor.Logs)
			}
		}
		return floor, errors.Join(err, listErr)
	})
}

// floorsAfterEnd says the last floor when there is none any more.
func floorsAfterEnd(f *faulty) {
	flooring(f, func(ctx context.Context, _ bus.Group, s bus.Subscription) (bus.Floor, error) {
		floor, err := s.Floor(ctx)
		if errors.Is(err, bus.ErrClosed) {
			return floor, nil
		}
		return floor, err
	})
}
