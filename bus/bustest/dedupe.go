package bustest

import (
	"context"

	"github.com/hearken-go/hearken/bus"
)

func dedupeCases() []busCase {
	const dropped = "An event with the Identity of one published within the bus's dedupe window counts as stored and is not stored again."
	cases := []busCase{
		{name: "Dedupe/published twice is stored once", clause: dropped, prove: publishedTwice},
		{name: "Dedupe/twice at once", clause: dropped, prove: twiceAtOnce},
		{name: "Dedupe/again after it was settled", clause: dropped, prove: againAfterSettling},
		{name: "Dedupe/from another process", clause: dropped, prove: againFromElsewhere},
		{name: "Dedupe/refused for want of room is not published", clause: dropped, needs: small, prove: refusedIsNotSeen},
		{name: "Dedupe/forgotten after the window", clause: dropped, needs: shortWindow, prove: afterTheWindow},
	}
	for i := range cases {
		cases[i].promise = Dedupe
	}
	return append(cases, busCase{
		name: "Dedupe/another identity", clause: "Identity is what makes two publications the same happening.",
		prove: otherIdentities,
	}, busCase{
		name: "Dedupe/published back for another action",
		clause: "Both are part of its Identity, or it would be taken for a duplicate of what failed, or of the same event " +
			"published back for another action.",
		prove: publishedBack,
	})
}

func publishedTwice(p *probe) {
	b := p.open()
	one, two := p.subscribe(b, "one", ordinary("created")), p.subscribe(b, "two", ordinary("created"))
	p.publish(b, ordinary("created"), "1", "2", "1", "2")
	p.expect(one, "1", "2")
	p.expect(two, "1", "2")
}

func twiceAtOnce(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.parallel(16, func(ctx context.Context, _ int) error {
		return b.Publish(ctx, ordinary("created"), newEvent("1"))
	})
	p.expect(s, "1")
}

func againAfterSettling(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1")
	p.expect(s, "1")
	p.publish(b, ordinary("created"), "1")
	p.none(s, "the event had been published, delivered and settled")
}

func againFromElsewhere(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1")
	p.publish(p.elsewhere(b), ordinary("created"), "1")
	p.expect(s, "1")
}

func refusedIsNotSeen(p *probe) {
	b := p.h.Small(p.t, 10)
	s := p.subscribe(b, "group", ordinary("created"))
	stored, refused := p.fill(b, ordinary("created"))
	p.gather(s, stored...)
	p.eventually("Publish of the refused event once there is room", func() bool {
		return p.room(b, ordinary("created"), newEvent(refused))
	})
	p.expect(s, refused)
}

func afterTheWindow(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1")
	p.expect(s, "1")
	p.pause(p.h.DedupeWindow)
	p.eventually("the event being stored again after the dedupe window", func() bool {
		p.publish(b, ordinary("created"), "1")
		ctx, cancel := context.WithTimeout(p.t.Context(), p.h.Quiet)
		defer cancel()
		_, err := s.Receive(ctx)
		return err == nil
	})
}

// otherIdentities publishes events that only nearly have the same identity.
func otherIdentities(p *probe) {
	b := p.open()
	created, paid := ordinary("created"), ordinary("paid")
	other := bus.Topic{EventSource: "others", Event: "created"}
	s := p.subscribe(b, "group", created, paid, other)
	p.publish(b, created, "1", "2")
	p.publish(b, paid, "1")
	p.publish(b, other, "1")
	elsewhere := newEvent("1")
	elsewhere.SetSource("bustest/2")
	p.send(b, created, elsewhere)
	for n := range int32(2) {
		redriven := newEvent("1")
		redriven.SetExtension(bus.RedriveExtension, n+1)
		p.send(b, created, redriven)
	}
	seen := map[bus.Identity]bool{}
	for range 7 {
		d := p.receive(s)
		seen[bus.IdentityOf(d.Topic, d.Event)] = true
		p.ack(d)
	}
	if len(seen) != 7 {
		p.failf("7 events of different identity were published, %d came: %v", len(seen), seen)
	}
}

// publishedBack publishes one event back for two actions that it had failed in.
func publishedBack(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	for _, firing := range []string{"firing1", "firing2"} {
		redriven := newEvent("1")
		redriven.SetExtension(bus.RedriveExtension, int32(1))
		redriven.SetExtension(bus.FiringExtension, firing)
		p.send(b, ordinary("created"), redriven)
	}
	p.expect(s, "1", "1")
}
