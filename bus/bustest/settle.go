package bustest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/hearken-go/hearken/bus"
)

func settleCases() []busCase {
	const (
		retry = "Retry hands the event back, to be delivered to any member not before the given time has passed, with a higher Attempt."
		once  = "A delivery is settled once; settling it again, or another delivery of the same position, does nothing."
		again = "An event may be delivered again at any time, even after it was settled, with the same Pos"
	)
	return []busCase{
		{name: "Ack/ends the event for the group", clause: "Ack says that the group is done with the event.", prove: ackEnds},
		{name: "Ack/in any order", clause: "Ack says that the group is done with the event.", prove: ackOutOfOrder},
		{name: "Ack/lost, the event comes again", clause: again, needs: loseAcks, prove: settledComesAgain},
		{name: "Retry/comes again", clause: retry, prove: retryAgain},
		{name: "Retry/not before its time", clause: retry, prove: retryDelay},
		{name: "Retry/after any time", clause: retry, prove: retryAnyTime},
		{name: "Retry/to any member", clause: retry, prove: patient(retryToOther)},
		{name: "Retry/of many, losing none", clause: retry, prove: retryMany},
		{name: "Retry/after its member left", clause: retry, prove: retryOutlivesMember},
		{
			name: "Retry/takes no place in flight", clause: "The event takes no place in flight meanwhile.",
			prove: retryFreesPlace,
		},
		{name: "Settle/twice", clause: once, prove: settleTwice},
		{name: "Settle/an earlier delivery of the position", clause: once, prove: settleStale},
	}
}

func ackEnds(p *probe) {
	b := p.open()
	one, two := p.subscribe(b, "one", ordinary("created")), p.subscribe(b, "two", ordinary("created"))
	p.publish(b, ordinary("created"), "1", "2")
	p.gather(one, "1", "2")
	p.close(one)
	p.none(p.subscribe(b, "one", ordinary("created")), "all was settled before the member left")
	p.expect(two, "1", "2")
}

// ackOutOfOrder settles every second event and leaves: only the others may
// come again.
func ackOutOfOrder(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), numbered("", 10)...)
	var left []string
	for i, d := range p.take(s, 10) {
		if i%2 == 0 {
			left = append(left, d.Event.ID())
			continue
		}
		p.ack(d)
	}
	p.close(s)
	p.expect(p.subscribe(b, "group", ordinary("created")), left...)
}

// settledComesAgain settles a delivery in vain. The bus may deliver it again or
// settle it again by itself; in the end it must be settled.
func settledComesAgain(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1")
	first := p.receive(s)
	p.h.LoseAcks(p.t, b, true)
	ctx, cancel := context.WithTimeout(p.t.Context(), p.h.Quiet)
	_ = first.Ack(ctx) // lost, whatever it says
	cancel()
	p.h.LoseAcks(p.t, b, false)
	p.close(s)
	s = p.subscribe(b, "group", ordinary("created"))
	ctx, cancel = context.WithTimeout(p.t.Context(), p.h.Hold)
	defer cancel()
	if d, err := s.Receive(ctx); err == nil {
		if d.Pos != first.Pos || !d.Stored.Equal(first.Stored) || d.Attempt <= first.Attempt {
			p.failf("settled in vain was %s, stored %v; it came again as %s, stored %v", place(first), first.Stored, place(d), d.Stored)
		}
		p.ack(d)
	} else if !errors.Is(err, context.DeadlineExceeded) {
		p.failf("Receive: %v", err)
	}
	p.close(s)
	p.none(p.subscribe(b, "group", ordinary("created")), "the event was settled for good")
}

func retryAgain(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1")
	first := p.receive(s)
	p.retry(first, 0)
	second := p.receive(s)
	if second.Event.ID() != "1" || second.Topic != first.Topic || second.Attempt <= first.Attempt {
		p.failf("%s was handed back and came again as %s", place(first), place(second))
	}
	p.ack(second)
	p.none(s, "the second attempt was settled")
}

func retryDelay(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1", "2")
	first := p.take(s, 2)
	after := map[bus.Pos]time.Duration{first[0].Pos: 6 * p.h.Quiet, first[1].Pos: 3 * p.h.Quiet}
	begun := time.Now()
	for _, d := range first {
		p.retry(d, after[d.Pos])
	}
	for range first {
		d := p.receive(s)
		if took := time.Since(begun); took < after[d.Pos] {
			p.failf("%s was handed back for %v and came after %v", place(d), after[d.Pos], took)
		}
		p.ack(d)
	}
}

// retryAnyTime hands back for the longest time there is, and for less than none.
func retryAnyTime(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1")
	p.retry(p.receive(s), math.MaxInt64)
	p.none(s, "it was handed back for ever")
	p.publish(b, ordinary("created"), "2")
	p.retry(p.receive(s), -time.Hour)
	p.expect(s, "2")
}

func retryToOther(p *probe) {
	b := p.open()
	s := p.join(p.elsewhere(b), bus.Group{Name: "group", Topics: []bus.Topic{ordinary("created")}, InFlight: 1})
	p.publish(b, ordinary("created"), "1", "2")
	first := p.receive(s)
	p.retry(first, 0)
	p.receive(s) // its only place is taken from now on
	other := p.subscribe(p.elsewhere(b), "group", ordinary("created"))
	p.ack(p.receive(other))
	p.none(other, "one event was settled, the other is held")
}

func retryMany(p *probe) {
	b := p.open()
	s := p.join(b, bus.Group{Name: "group", Topics: []bus.Topic{ordinary("created")}, InFlight: 10})
	want := numbered("", 50)
	p.publish(b, ordinary("created"), want...)
	seen := map[bus.Pos]time.Time{}
	for most := 4 * len(want); len(seen) < len(want); most-- { // on a slow machine some come again first
		d := p.receive(s)
		at, again := seen[d.Pos]
		switch {
		case again && time.Since(at) < p.h.Hold:
			p.failf("%s was handed back for %v and came again after %v", place(d), p.h.Hold, time.Since(at))
		case most == 0:
			p.failf("of %d events only %d came, again and again, although all were handed back", len(want), len(seen))
		}
		seen[d.Pos] = time.Now()
		p.retry(d, p.h.Hold)
	}
	p.expect(s, want...)
}

func retryOutlivesMember(p *probe) {
	b := p.open()
	s := p.subscribe(p.elsewhere(b), "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1")
	first := p.receive(s)
	p.retry(first, 2*p.h.Quiet)
	p.close(s)
	again := p.expect(p.subscribe(p.elsewhere(b), "group", ordinary("created")), "1")[0]
	if again.Attempt <= first.Attempt {
		p.failf("attempt %d was followed by attempt %d", first.Attempt, again.Attempt)
	}
}

func retryFreesPlace(p *probe) {
	b := p.open()
	s := p.join(b, bus.Group{Name: "group", Topics: []bus.Topic{ordinary("created")}, InFlight: 1})
	want := numbered("", 5)
	p.publish(b, ordinary("created"), want...)
	seen := map[string]bool{}
	for range want {
		d := p.receive(s)
		if seen[d.Event.ID()] {
			p.failf("%s was handed back for an hour and came again", place(d))
		}
		seen[d.Event.ID()] = true
		p.retry(d, time.Hour)
	}
	p.none(s, "all was handed back for an hour")
}

func settleTwice(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1", "2")
	ds := p.take(s, 2)
	p.ack(ds[0])
	p.ack(ds[0])
	p.retry(ds[0], 0)
	p.none(s, "one event was settled, the other is held")
	p.retry(ds[1], 2*p.h.Quiet)
	p.ack(ds[1])
	p.expect(s, ds[1].Event.ID())
}

// settleStale settles a delivery that was handed back before: the later one
// must not be settled by it.
func settleStale(p *probe) {
	b := p.open()
	s := p.join(b, bus.Group{Name: "group", Topics: []bus.Topic{ordinary("created")}, InFlight: 1})
	p.publish(b, ordinary("created"), "1", "2")
	first := p.receive(s)
	p.retry(first, 0)
	second := p.receive(s)
	for second.Pos != first.Pos {
		p.ack(second)
		second = p.receive(s)
	}
	p.ack(first)
	p.close(s)
	s = p.subscribe(b, "group", ordinary("created"))
	what := fmt.Sprintf("%s, held when its member left, coming again: settling %s did not settle it", place(second), place(first))
	for came := false; !came; {
		p.do(what, func(ctx context.Context) error {
			d, err := s.Receive(ctx)
			if err != nil {
				return err
			}
			came = d.Pos == first.Pos
			return d.Ack(ctx)
		})
	}
}
