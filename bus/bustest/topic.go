package bustest

import (
	"fmt"
	"slices"

	"github.com/hearken-go/hearken/bus"
)

func topicCases() []busCase {
	const (
		widened  = "a topic that is new to the group is added"
		narrowed = "one that a member no longer lists keeps its backlog, and is given up only when none is left and no member lists it."
		rolling  = "So the members of a rolling deploy may list different topics, and any of them may receive an event of any of the " +
			"group's topics."
	)
	return []busCase{
		{name: "Topics/widened, with a backlog", clause: widened, prove: widen},
		{name: "Topics/widened by a second member", clause: widened, prove: widenBeside},
		{name: "Topics/narrowed, with a backlog", clause: narrowed, prove: narrow},
		{name: "Topics/narrowed while a delivery is handed back", clause: narrowed, prove: narrowRetried},
		{name: "Topics/replaced, with a backlog", clause: narrowed, prove: replaceTopics},
		{name: "Topics/given up in the end", clause: narrowed, promise: Groups, prove: giveUp},
		{name: "Topics/kept while no member runs", clause: narrowed, prove: keepWithoutMembers},
		{name: "Topics/kept while another member lists it", clause: narrowed, prove: keepForOther},
		{name: "Topics/rolling deploy", clause: rolling, prove: rollingDeploy},
	}
}

func widen(p *probe) {
	b := p.open()
	p.begin(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1", "2")
	s := p.subscribe(b, "group", ordinary("created"), ordinary("paid"))
	p.publish(b, ordinary("paid"), "3")
	p.publish(b, ordinary("created"), "4")
	p.expect(s, "1", "2", "3", "4")
}

func widenBeside(p *probe) {
	b := p.open()
	old := p.subscribe(p.elsewhere(b), "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1")
	held := p.take(old, 1)[0]
	p.subscribe(p.elsewhere(b), "group", ordinary("created"), ordinary("paid"))
	p.ack(held)
	p.publish(b, ordinary("paid"), "2")
	p.close(p.subs[1])
	p.expect(old, "2")
}

func narrow(p *probe) {
	b := p.open()
	p.begin(b, "group", ordinary("created"), ordinary("paid"))
	p.publish(b, ordinary("paid"), "1", "2")
	p.publish(b, ordinary("created"), "3")
	p.begin(b, "group", ordinary("created"))
	s := p.subscribe(b, "group", ordinary("created"))
	for _, d := range p.expect(s, "1", "2", "3") {
		want := ordinary("paid")
		if d.Event.ID() == "3" {
			want = ordinary("created")
		}
		if d.Topic != want {
			p.failf("%q came as one of %q, want %q", d.Event.ID(), d.Topic, want)
		}
	}
}

func narrowRetried(p *probe) {
	b := p.open()
	old := p.subscribe(b, "group", ordinary("created"), ordinary("paid"))
	p.publish(b, ordinary("paid"), "1")
	p.retry(p.take(old, 1)[0], 2*p.h.Quiet)
	p.close(old)
	p.expect(p.subscribe(b, "group", ordinary("created")), "1")
}

func replaceTopics(p *probe) {
	b := p.open()
	p.begin(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1", "2")
	s := p.subscribe(b, "group", ordinary("paid"))
	p.publish(b, ordinary("paid"), "3")
	p.expect(s, "1", "2", "3")
}

// giveUp gives a bus every occasion to give a topic up: a member that does not
// list it joins again and again.
func giveUp(p *probe) {
	b := p.open()
	p.begin(b, "group", ordinary("created"), ordinary("paid"))
	p.publish(b, ordinary("paid"), "1")
	s := p.subscribe(b, "group", ordinary("created"))
	if topics := p.groups(b)["group"].Topics; !slices.Contains(topics, ordinary("paid")) {
		p.failf("a topic with a backlog was given up: the group's topics are %q", topics)
	}
	p.expect(s, "1")
	p.eventually("the topic that no member lists being given up", func() bool {
		p.close(s)
		s = p.subscribe(b, "group", ordinary("created"))
		return slices.Equal(p.groups(b)["group"].Topics, []bus.Topic{ordinary("created")})
	})
	p.publish(b, ordinary("paid"), "2")
	p.none(s, "the topic was given up")
}

func keepWithoutMembers(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"), ordinary("paid"))
	p.publish(b, ordinary("paid"), "1")
	p.expect(s, "1")
	p.close(s)
	p.publish(b, ordinary("paid"), "2")
	p.expect(p.subscribe(b, "group", ordinary("created"), ordinary("paid")), "2")
}

func keepForOther(p *probe) {
	b := p.open()
	wide := p.subscribe(p.elsewhere(b), "group", ordinary("created"), ordinary("paid"))
	narrow := p.subscribe(p.elsewhere(b), "group", ordinary("created"))
	p.close(narrow)
	p.publish(b, ordinary("paid"), "1")
	p.expect(wide, "1")
}

// rollingDeploy runs an old member, which hands back what it does not know,
// beside a new one that is busy.
func rollingDeploy(p *probe) {
	b := p.open()
	created, paid := ordinary("created"), ordinary("paid")
	old := p.join(p.elsewhere(b), bus.Group{Name: "group", Topics: []bus.Topic{created}, InFlight: 1})
	next := p.join(p.elsewhere(b), bus.Group{Name: "group", Topics: []bus.Topic{created, paid}, InFlight: 1})
	p.publish(b, paid, "1", "2")
	busy, unknown := p.receive(next), p.receive(old)
	if busy.Topic != paid || unknown.Topic != paid {
		p.failf("two events of %q came as %s and %s", paid, place(busy), place(unknown))
	}
	p.retry(unknown, p.h.Quiet)
	p.close(old)
	p.ack(busy)
	again := p.expect(next, unknown.Event.ID())[0]
	if again.Topic != paid || again.Pos != unknown.Pos || again.Attempt <= unknown.Attempt {
		p.failf("handed back was %s, and it came again as %s", place(unknown), place(again))
	}
}

func place(d bus.Delivery) string {
	return fmt.Sprintf("%q of %q at %v, attempt %d", d.Event.ID(), d.Topic, d.Pos, d.Attempt)
}
