package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/hearken-go/hearken/bus"
)

// Groups implements bus.Groups.
func (b *Bus) Groups(context.Context) ([]bus.GroupInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	infos := make([]bus.GroupInfo, 0, len(b.groups))
	for _, name := range slices.Sorted(maps.Keys(b.groups)) {
		infos = append(infos, b.groups[name].info())
	}
	return infos, nil
}

func (g *group) info() bus.GroupInfo {
	g.mu.Lock()
	defer g.mu.Unlock()
	info := bus.GroupInfo{Name: g.name}
	if g.active > 0 {
		info.LastActive = g.bus.begun.Add(g.active)
	}
	for t, p := range g.places {
		info.Topics = append(info.Topics, t)
		info.Backlog += p.backlog
	}
	slices.SortFunc(info.Topics, func(x, y bus.Topic) int {
		return cmp.Or(cmp.Compare(x.EventSource, y.EventSource), cmp.Compare(x.Event, y.Event))
	})
	return info
}

// Forget implements bus.Groups.
func (b *Bus) Forget(_ context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[name]
	if g == nil {
		return nil
	}
	delete(b.groups, name)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.places {
		b.remove(p)
	}
	g.end()
	b.letters.leave(g)
	return nil
}

// remove takes p's topic from its group, as far as publishers see. b.mu is held.
func (b *Bus) remove(p *place) {
	rest := slices.DeleteFunc(b.places[p.topic], func(o *place) bool { return o == p })
	if b.places[p.topic] = rest; len(rest) == 0 {
		delete(b.places, p.topic)
	}
}

// end settles all that the group has and closes its members.
func (g *group) end() {
	if g.timer != nil {
		g.timer.Stop()
	}
	for it := g.pop(); it != nil; it = g.pop() {
		g.done(it)
	}
	for _, it := range g.delayed {
		g.done(it)
	}
	g.delayed = nil
	for m := range g.members {
		m.end()
		for it := m.held.head; it != nil; it = it.next {
			g.done(it)
		}
	}
}
