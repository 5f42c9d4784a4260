package bustest

import (
	"context"
	"fmt"
	"slices"

	"github.com/hearken-go/hearken/bus"
)

func deadLetterCases() []busCase {
	const (
		oldest  = "On a dead-letter topic a new group begins with the oldest letter that is kept."
		refuses = "On a dead-letter topic Publish never returns ErrFull."
	)
	return []busCase{
		{name: "DeadLetters/kept for groups to come", clause: oldest, prove: lettersKept},
		{name: "DeadLetters/kept when others settled them", clause: oldest, prove: lettersSettled},
		{name: "DeadLetters/kept by topic", clause: oldest, prove: lettersByTopic},
		{
			name: "DeadLetters/beside ordinary topics", prove: lettersMixed,
			clause: "ordinary and dead-letter topics may be mixed.",
		},
		{name: "DeadLetters/retried and settled like others", clause: "Bus carries events from publishers to groups.", prove: lettersSettle},
		{name: "DeadLetters/never refused", clause: refuses, needs: small, prove: lettersNeverFull},
		{name: "DeadLetters/taken by a full bus", clause: refuses, needs: small, prove: lettersWhenFull},
		{
			name: "DeadLetters/counted", needs: small, promise: DeadLetterCounter, prove: lettersCounted,
			clause: "Their place is bounded by age and size and never refuses: the oldest is dropped, and counted.",
		},
		{name: "DeadLetters/begin with the oldest kept", clause: oldest, needs: small, prove: lettersDropped},
	}
}

func lettersKept(p *probe) {
	b := p.open()
	p.publish(b, letters("created"), "1", "2")
	one := p.subscribe(b, "one", letters("created"))
	p.publish(b, letters("created"), "3")
	p.expect(one, "1", "2", "3")
}

func lettersSettled(p *probe) {
	b := p.open()
	p.publish(b, letters("created"), "1", "2")
	p.expect(p.subscribe(b, "one", letters("created")), "1", "2")
	p.expect(p.subscribe(b, "two", letters("created")), "1", "2")
}

func lettersByTopic(p *probe) {
	b := p.open()
	p.publish(b, letters("created"), "1")
	p.publish(b, letters("paid"), "2")
	p.expect(p.subscribe(b, "group", letters("paid")), "2")
}

func lettersMixed(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"), letters("created"))
	p.publish(b, letters("created"), "letter")
	p.publish(b, ordinary("created"), "event")
	p.publish(b, letters("created"), "event")
	want := map[string]bool{
		letters("created").String() + " letter": true,
		letters("created").String() + " event":  true,
		ordinary("created").String() + " event": true,
	}
	for range len(want) {
		d := p.receive(s)
		if key := fmt.Sprint(d.Topic, " ", d.Event.ID()); want[key] {
			delete(want, key)
		} else {
			p.failf("%s came, want %v", place(d), want)
		}
		p.ack(d)
	}
}

func lettersSettle(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", letters("created"))
	p.publish(b, letters("created"), "1", "2")
	ds := p.take(s, 2)
	p.ack(ds[0])
	p.retry(ds[1], p.h.Quiet)
	again := p.receive(s)
	if again.Pos != ds[1].Pos || again.Topic != ds[1].Topic || again.Attempt <= ds[1].Attempt {
		p.failf("%s was handed back and came again as %s", place(ds[1]), place(again))
	}
	p.close(s)
	p.expect(p.subscribe(b, "group", letters("created")), again.Event.ID())
}

// overflow publishes far more letters than a bus with room for 20 keeps.
func (p *probe) overflow(b bus.Bus) []string {
	all := numbered("", 200)
	p.publish(b, letters("created"), all...)
	return all
}

func lettersNeverFull(p *probe) {
	b := p.h.Small(p.t, 20)
	p.begin(b, "retired", letters("created"))
	p.overflow(b)
}

func lettersWhenFull(p *probe) {
	b := p.h.Small(p.t, 20)
	p.begin(b, "retired", ordinary("created"))
	s := p.subscribe(b, "letters", letters("created"))
	p.fill(b, ordinary("created"))
	p.publish(b, letters("created"), "1", "2")
	p.expect(s, "1", "2")
}

func lettersCounted(p *probe) {
	b := p.h.Small(p.t, 20)
	counter, ok := b.(bus.DeadLetterCounter)
	if !ok {
		p.failf("%T does not implement bus.DeadLetterCounter, and Harness.Lacks does not say so", b)
	}
	count := func() (info bus.DeadLetterInfo) {
		p.do("DeadLetters", func(ctx context.Context) (err error) {
			info, err = counter.DeadLetters(ctx)
			return err
		})
		return info
	}
	if info := count(); info != (bus.DeadLetterInfo{}) {
		p.failf("without a dead letter the count is %+v", info)
	}
	p.publish(b, letters("created"), "first")
	if info := count(); info != (bus.DeadLetterInfo{Kept: 1}) {
		p.failf("with one dead letter the count is %+v", info)
	}
	all := p.overflow(b)
	info := count()
	if info.Dropped == 0 || info.Kept == 0 || info.Kept+info.Dropped != uint64(len(all)+1) {
		p.failf("%d dead letters went to a place for about 20: %+v, want the sum, and both more than 0", len(all)+1, info)
	}
}

// lettersDropped proves that what was dropped is the oldest, and that a new
// group gets all the rest.
func lettersDropped(p *probe) {
	b := p.h.Small(p.t, 20)
	all := p.overflow(b)
	s := p.subscribe(b, "group", letters("created"))
	first := p.receive(s)
	p.ack(first)
	at := slices.Index(all, first.Event.ID())
	if at < 1 {
		p.failf("of %d letters in a place for about 20 the oldest kept is number %d", len(all), at)
	}
	if at < len(all)-1 {
		p.expect(s, all[at+1:]...)
	}
}
