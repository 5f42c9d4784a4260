package bustest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hearken-go/hearken/bus"
)

func listCases() []busCase {
	const (
		forget = "Forget removes a group and its backlog."
		closed = "Its members' Receive returns ErrClosed."
	)
	cases := []busCase{
		{name: "Groups/listed by name", clause: "Groups lists all groups of the bus, ordered by name.", prove: groupsByName},
		{
			name: "Groups/topics", prove: groupsTopics,
			clause: "Topics are all topics of the group, ordered, those that only a backlog keeps included.",
		},
		{name: "Groups/backlog", clause: "Backlog counts the events stored for the group and not settled.", prove: groupsBacklog},
		{
			name: "Groups/last active", prove: groupsActive,
			clause: "LastActive is when the group last received or settled an event; zero when it never did, or the bus does not know.",
		},
		{name: "Forget/removes the group", clause: forget, prove: forgetRemoves},
		{name: "Forget/the group can begin anew", clause: forget, prove: forgetAnew},
		{name: "Forget/only that group", clause: forget, prove: forgetOnly},
		{name: "Forget/ends its members", clause: closed, prove: forgetEndsMembers},
		{name: "Forget/ends members elsewhere", clause: closed, prove: forgetElsewhere},
		{name: "Forget/no such group", clause: "Forgetting a group that does not exist does nothing.", prove: forgetNone},
	}
	for i := range cases {
		cases[i].promise = Groups
	}
	return cases
}

func groupsByName(p *probe) {
	b := p.open()
	names := slices.Sorted(slices.Values(oddNames()))
	for _, name := range slices.Backward(names) {
		p.begin(b, name, ordinary("created"))
	}
	var got []string
	p.do("Groups", func(ctx context.Context) error {
		list, err := p.lister(b).Groups(ctx)
		for _, g := range list {
			got = append(got, g.Name)
		}
		return err
	})
	if !slices.Equal(got, names) {
		p.failf("the groups are listed as\n%q, want\n%q", got, names)
	}
}

func groupsTopics(p *probe) {
	b := p.open()
	topics := []bus.Topic{letters("z"), ordinary("a"), ordinary("b.c"), ordinary("*"), {EventSource: "z", Event: "é"}}
	p.begin(b, "group", topics[3], topics[4], topics[1], topics[0], topics[2])
	slices.SortFunc(topics, compareTopics)
	if got := p.groups(b)["group"].Topics; !slices.Equal(got, topics) {
		p.failf("the group's topics are listed as\n%q, want\n%q", got, topics)
	}
}

func groupsBacklog(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.begin(b, "idle", ordinary("created"))
	backlog := func(want int) {
		p.eventually("the group's backlog being listed", func() bool { return p.groups(b)["group"].Backlog == want })
	}
	backlog(0)
	p.publish(b, ordinary("created"), numbered("", 5)...)
	backlog(5)
	ds := p.take(s, 3)
	p.ack(ds[0])
	p.retry(ds[1], time.Hour)
	backlog(4)
	p.close(s)
	backlog(4)
	p.eventually("the backlog of a group that settled nothing of 5 events being listed", func() bool {
		return p.groups(b)["idle"].Backlog == 5
	})
}

func groupsActive(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.begin(b, "idle", ordinary("created"))
	p.publish(b, ordinary("created"), "1")
	p.gather(s, "1")
	p.eventually("LastActive of a group that settled just now", func() bool {
		at := p.groups(b)["group"].LastActive
		return at.IsZero() || time.Since(at).Abs() < time.Hour
	})
	if at := p.groups(b)["idle"].LastActive; !at.IsZero() {
		p.failf("LastActive of a group that never received is %v, want zero", at)
	}
}

func forgetRemoves(p *probe) {
	b := p.open()
	p.begin(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1")
	p.forget(b, "group")
	if g, ok := p.groups(b)["group"]; ok {
		p.failf("the forgotten group is listed: %+v", g)
	}
	p.publish(b, ordinary("created"), "2")
}

func forgetAnew(p *probe) {
	b := p.open()
	p.begin(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1")
	p.forget(b, "group")
	s := p.subscribe(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "2")
	p.expect(s, "2")
}

func forgetOnly(p *probe) {
	b := p.open()
	p.begin(b, "group", ordinary("created"))
	s := p.subscribe(b, "groups", ordinary("created"))
	p.publish(b, ordinary("created"), "1")
	held := p.receive(s)
	p.forget(b, "group")
	p.publish(b, ordinary("created"), "2")
	p.ack(held)
	p.expect(s, "2")
}

func forgetEndsMembers(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1")
	p.receive(s)
	p.parallel(2, func(ctx context.Context, i int) error {
		if i == 0 {
			return p.lister(b).Forget(ctx, "group")
		}
		return receivesClosed(ctx, s)
	})
	p.close(s)
}

func forgetElsewhere(p *probe) {
	b := p.open()
	s := p.subscribe(p.elsewhere(b), "group", ordinary("created"))
	p.forget(b, "group")
	p.do("the end of a member of a forgotten group", func(ctx context.Context) error { return receivesClosed(ctx, s) })
	p.close(s)
}

func receivesClosed(ctx context.Context, s bus.Subscription) error {
	if _, err := s.Receive(ctx); !errors.Is(err, bus.ErrClosed) {
		return errorf("Receive of a forgotten group: %w, want ErrClosed", err)
	}
	return nil
}

func forgetNone(p *probe) {
	b := p.open()
	p.forget(b, "nobody")
	p.begin(b, "group", ordinary("created"))
	p.forget(b, "group")
	p.forget(b, "group")
}
