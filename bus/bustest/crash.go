package bustest

import (
	"github.com/hearken-go/hearken/bus"
)

func crashCases() []busCase {
	const (
		stored = "Publish returns nil once e is stored for every group of t that exists, whether or not a member of it runs"
		place  = "Group is one durable place on the bus."
		retry  = "Retry hands the event back, to be delivered to any member not before the given time has passed, with a higher Attempt."
	)
	cases := []busCase{
		{name: "Crash/keeps what was stored", clause: stored, prove: crashKeeps},
		{name: "Crash/keeps the groups and their topics", clause: place, prove: crashKeepsGroups},
		{name: "Crash/hands on what was held and buffered", clause: place, prove: crashHandsOn},
		{name: "Crash/keeps what was handed back", clause: retry, prove: crashKeepsRetries},
		{
			name: "Crash/keeps positions", prove: crashKeepsPos,
			clause: "Pos is the event's place on the bus, the same for all groups and at each redelivery.",
		},
		{
			name: "Crash/keeps the dedupe window", promise: Dedupe, prove: crashKeepsIdentities,
			clause: "An event with the Identity of one published within the bus's dedupe window counts as stored and is not stored again.",
		},
		{
			name: "Crash/keeps dead letters", prove: crashKeepsLetters,
			clause: "On a dead-letter topic a new group begins with the oldest letter that is kept.",
		},
	}
	for i := range cases {
		cases[i].needs = crash
	}
	return cases
}

func crashKeeps(p *probe) {
	b := p.open()
	p.begin(b, "group", ordinary("created"))
	e := newEvent("with extensions")
	allExtensions(&e)
	p.send(b, ordinary("created"), e)
	want := numbered("", 50)
	p.publish(b, ordinary("created"), want...)
	b = p.crash(b)
	for _, d := range p.expect(p.subscribe(b, "group", ordinary("created")), append(want, e.ID())...) {
		if d.Event.ID() == e.ID() {
			p.same(d.Event, e)
		}
	}
}

func crashKeepsGroups(p *probe) {
	b := p.open()
	p.begin(b, "one", ordinary("created"), ordinary("paid"))
	p.begin(b, "two", ordinary("created"))
	b = p.crash(b)
	p.publish(b, ordinary("created"), "1")
	p.publish(b, ordinary("paid"), "2")
	p.expect(p.subscribe(b, "one", ordinary("created"), ordinary("paid")), "1", "2")
	p.expect(p.subscribe(b, "two", ordinary("created")), "1")
}

func crashHandsOn(p *probe) {
	b := p.open()
	s := p.join(b, bus.Group{Name: "group", Topics: []bus.Topic{ordinary("created")}, InFlight: 10})
	want := numbered("", 20)
	p.publish(b, ordinary("created"), want...)
	p.take(s, 5) // up to 5 more are buffered
	b = p.crash(b)
	p.gather(p.subscribe(b, "group", ordinary("created")), want...)
}

func crashKeepsRetries(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1", "2")
	ds := p.take(s, 2)
	p.retry(ds[0], 0)
	p.retry(p.receive(s), p.h.Quiet)
	p.retry(ds[1], 2*p.h.Quiet)
	b = p.crash(b)
	p.gather(p.subscribe(b, "group", ordinary("created")), "1", "2")
}

func crashKeepsPos(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1", "2")
	before := map[string]bus.Delivery{}
	for _, d := range p.take(s, 2) {
		before[d.Event.ID()] = d
	}
	b = p.crash(b)
	p.publish(b, ordinary("created"), "3")
	for _, d := range p.gather(p.subscribe(b, "group", ordinary("created")), "1", "2", "3") {
		was, old := before[d.Event.ID()]
		if old && (d.Pos != was.Pos || !d.Stored.Equal(was.Stored)) {
			p.failf("%s, stored %v, came after the crash as %s, stored %v", place(was), was.Stored, place(d), d.Stored)
		}
		for _, was := range before {
			if !old && d.Pos.Log == was.Pos.Log && d.Pos.Seq <= was.Pos.Seq {
				p.failf("%s was published after the crash, and %s before", place(d), place(was))
			}
		}
	}
}

func crashKeepsIdentities(p *probe) {
	b := p.open()
	p.begin(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1")
	b = p.crash(b)
	p.publish(b, ordinary("created"), "1")
	p.expect(p.subscribe(b, "group", ordinary("created")), "1")
}

func crashKeepsLetters(p *probe) {
	b := p.open()
	p.publish(b, letters("created"), "1", "2")
	b = p.crash(b)
	p.expect(p.subscribe(b, "group", letters("created")), "1", "2")
}
