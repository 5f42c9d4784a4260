package bustest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hearken-go/hearken/bus"
)

func groupCases() []busCase {
	const shared = "Its members, the subscriptions of one name in any number of processes, share its events: each event goes to one of " +
		"them at a time."
	return []busCase{
		{
			name: "Group/begins with its first Subscribe", prove: groupBegins,
			clause: "begins to exist with its first Subscribe and then gets every event published to its topics, while no member runs too.",
		},
		{name: "Group/members share its events", clause: shared, prove: membersShare},
		{
			name: "Group/a held event is given to no other", prove: patient(heldLong),
			clause: "as long as a member lives and holds a delivery, however long, it is not given to another.",
		},
		{
			name: "Group/a dead member's events are handed on", needs: kill, prove: deadMember,
			clause: "A member that dies without Close has its deliveries handed on within seconds.",
		},
		{name: "Group/names of any characters", clause: "It may hold any characters and is not empty.", prove: groupNames},
		{
			name: "Group/outlives the context of Subscribe", prove: subscribeContext,
			clause: "ctx governs the call only, not the life of the subscription.",
		},
		{name: "InFlight/bounds what is held", clause: inFlight, prove: boundHeld},
		{name: "InFlight/bounds what is buffered", clause: inFlight, prove: boundBuffered},
	}
}

const inFlight = "InFlight bounds the deliveries that this member holds unsettled, those buffered for it included; at least 1."

func groupBegins(p *probe) {
	b := p.open()
	first := p.subscribe(b, "first", ordinary("created"))
	p.publish(b, ordinary("created"), "before")
	p.expect(first, "before")
	p.begin(b, "second", ordinary("created"))
	p.publish(b, ordinary("created"), "between")
	second := p.subscribe(b, "second", ordinary("created"))
	p.publish(b, ordinary("created"), "after")
	p.expect(second, "between", "after")
}

func membersShare(p *probe) {
	const members = 3
	b := p.open()
	var subs []bus.Subscription
	for range members {
		subs = append(subs, p.subscribe(p.elsewhere(b), "group", ordinary("created")))
	}
	want := numbered("", 60)
	p.publish(b, ordinary("created"), want...)
	got := make([][]string, members)
	var left atomic.Int64
	left.Store(int64(len(want)))
	came := make(chan struct{}) // all of them
	p.parallel(members, func(ctx context.Context, i int) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() { // once all have come, a while is left for what comes twice
			select {
			case <-came:
				p.pause(p.h.Quiet)
				cancel()
			case <-ctx.Done():
			}
		}()
		for {
			d, err := subs[i].Receive(ctx)
			if err != nil {
				return nil // what is missing is seen below
			}
			got[i] = append(got[i], d.Event.ID())
			if left.Add(-1) == 0 {
				close(came)
			}
			if err := d.Ack(context.WithoutCancel(ctx)); err != nil {
				return fmt.Errorf("Ack: %w", err)
			}
		}
	})
	all := slices.Concat(got...)
	slices.Sort(all)
	slices.Sort(want)
	if !slices.Equal(all, want) {
		p.failf("%d members got %q, want each of 60 events once", members, got)
	}
}

func heldLong(p *probe) {
	b := p.open()
	holder := p.join(p.elsewhere(b), bus.Group{Name: "group", Topics: []bus.Topic{ordinary("created")}, InFlight: 5})
	want := numbered("", 5)
	p.publish(b, ordinary("created"), want...)
	held := p.take(holder, 5)
	other := p.subscribe(p.elsewhere(b), "group", ordinary("created"))
	p.noneFor(p.h.Hold, other, "another member holds all events and is alive")
	for _, d := range held {
		p.ack(d)
	}
	p.publish(b, ordinary("created"), "last")
	p.close(holder)
	p.expect(other, "last")
}

func deadMember(p *probe) {
	b := p.open()
	process := p.h.Connect(p.t, b)
	dying, err := process.Subscribe(p.t.Context(), bus.Group{Name: "group", Topics: []bus.Topic{ordinary("created")}, InFlight: 10})
	if err != nil {
		p.failf("Subscribe: %v", err)
	}
	want := numbered("", 10)
	p.publish(b, ordinary("created"), want...)
	held := p.take(dying, 3) // and up to 7 are buffered
	p.h.Kill(p.t, process)
	heir := p.subscribe(b, "group", ordinary("created"))
	for _, d := range p.expect(heir, want...) {
		if again(held, d) && d.Attempt < 2 {
			p.failf("%q was held by a member that died and came again with attempt %d, want 2 or more", d.Event.ID(), d.Attempt)
		}
	}
}

func groupNames(p *probe) {
	b := p.open()
	names := oddNames()
	subs := make([]bus.Subscription, len(names))
	for i, name := range names {
		subs[i] = p.subscribe(b, name, ordinary("created"))
	}
	p.publish(b, ordinary("created"), "1")
	for i, s := range subs {
		var d bus.Delivery
		p.do(fmt.Sprintf("Receive of group %q", names[i]), func(ctx context.Context) (err error) {
			d, err = s.Receive(ctx)
			return err
		})
		p.ack(d)
	}
}

func subscribeContext(p *probe) {
	b := p.open()
	ctx, cancel := context.WithTimeout(p.t.Context(), p.wait)
	s, err := b.Subscribe(ctx, bus.Group{Name: "group", Topics: []bus.Topic{ordinary("created")}, InFlight: 1})
	cancel()
	if err != nil {
		p.failf("Subscribe: %v", err)
	}
	p.subs = append(p.subs, s)
	p.publish(b, ordinary("created"), "1", "2")
	p.expect(s, "1", "2")
}

func boundHeld(p *probe) {
	b := p.open()
	s := p.join(b, bus.Group{Name: "group", Topics: []bus.Topic{ordinary("created")}, InFlight: 3})
	p.publish(b, ordinary("created"), numbered("", 10)...)
	held := p.take(s, 3)
	p.none(s, "InFlight is 3, and 3 deliveries are held")
	p.ack(held[1])
	held = append(held, p.take(s, 1)...)
	p.none(s, "one of 3 was settled, and one more was delivered")
	p.retry(held[0], time.Hour)
	p.take(s, 1)
	p.none(s, "one of 3 was handed back, and one more was delivered")
}

// boundBuffered has one member that never calls Receive, and proves that the
// other gets all that the first has no room for.
func boundBuffered(p *probe) {
	b := p.open()
	idle := p.join(p.elsewhere(b), bus.Group{Name: "group", Topics: []bus.Topic{ordinary("created")}, InFlight: 3})
	want := numbered("", 20)
	p.publish(b, ordinary("created"), want...)
	p.pause(p.h.Quiet) // while the bus buffers what it will
	s := p.subscribe(p.elsewhere(b), "group", ordinary("created"))
	got := p.take(s, 17)
	for _, d := range got {
		p.ack(d)
	}
	p.close(idle)
	for _, id := range ids(got) {
		want = slices.DeleteFunc(want, func(w string) bool { return w == id })
	}
	p.expectOrNone(s, want)
}

// expectOrNone is expect for ids that some of may have been delivered before.
func (p *probe) expectOrNone(s bus.Subscription, want []string) {
	if len(want) > 0 {
		p.gather(s, want...)
	}
	p.none(s, "all was delivered")
}
