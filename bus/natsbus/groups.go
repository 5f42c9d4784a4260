package natsbus

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hearken-go/hearken/bus"
)

// Groups implements bus.Groups. When a group was last active is what the server
// remembers since it started.
func (b *Bus) Groups(ctx context.Context) ([]bus.GroupInfo, error) {
	byName := map[string]*bus.GroupInfo{}
	for _, deadLetters := range []bool{false, true} {
		states, err := b.consumers(ctx, b.streamOf(deadLetters))
		if err != nil {
			return nil, err
		}
		for _, st := range states {
			g := byName[st.group]
			if g == nil {
				g = &bus.GroupInfo{Name: st.group}
				byName[st.group] = g
			}
			if err := b.add(g, st); err != nil {
				return nil, err
			}
		}
	}
	groups := make([]bus.GroupInfo, 0, len(byName))
	for _, g := range byName {
		slices.SortFunc(g.Topics, compareTopics)
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(x, y bus.GroupInfo) int { return strings.Compare(x.Name, y.Name) })
	return groups, nil
}

func (b *Bus) add(g *bus.GroupInfo, st consumerState) error {
	for subject := range st.topics {
		t, err := b.subjects.topic(subject)
		if err != nil {
			return err
		}
		g.Topics = append(g.Topics, t)
	}
	g.Backlog += st.backlog
	if st.lastActive.After(g.LastActive) {
		g.LastActive = st.lastActive
	}
	return nil
}

func compareTopics(x, y bus.Topic) int {
	if c := strings.Compare(x.EventSource, y.EventSource); c != 0 {
		return c
	}
	return strings.Compare(x.Event, y.Event)
}

// Forget implements bus.Groups.
func (b *Bus) Forget(ctx context.Context, name string) error {
	id := groupID(name)
	unlock, err := b.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	for _, deadLetters := range []bool{false, true} {
		p := place{b: b, id: id, group: name, deadLetters: deadLetters}
		if err := p.leave(ctx); err != nil {
			return err
		}
	}
	if err := b.withdraw(ctx, id, "*"); err != nil {
		return err
	}
	// The server tells members that wait for events; this tells the others.
	if err := b.js.Conn().Publish(b.noticeSubject(id), nil); err != nil {
		return fmt.Errorf("natsbus: forget group %q: %w", name, err)
	}
	return nil
}

// noticeSubject is where members hear that something of their group changed. It
// is a hint: members look for themselves from time to time.
func (b *Bus) noticeSubject(id string) string { return b.cfg.Name + ".notices." + id }
