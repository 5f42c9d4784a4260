package bustest

import (
	"context"
	"errors"
	"time"

	"github.com/hearken-go/hearken/bus"
)

func closeCases() []busCase {
	const handsBack = "Close leaves the group and hands back what is held or buffered, at once, to the other members or to the next one."
	return []busCase{
		{name: "Close/hands back at once, to the next member", clause: handsBack, prove: patient(closeToNext)},
		{name: "Close/hands back at once, to another member", clause: handsBack, prove: patient(closeToOther)},
		{name: "Close/the group remains", clause: "The group and its place remain.", prove: closeKeepsGroup},
		{
			name: "Close/ends Receive", prove: closeEndsReceive,
			clause: "ErrClosed once the subscription is closed or the group is forgotten",
		},
		{
			name: "Close/settling afterwards", prove: settleAfterClose,
			clause: "After the subscription is closed both methods return ErrClosed: the delivery has been handed back.",
		},
		{name: "Close/twice", clause: "Closing again does nothing.", prove: closeTwice},
	}
}

// atOnce fails if what came took as long as a member that died.
func (p *probe) atOnce(begun time.Time) {
	if took := time.Since(begun); took > p.h.Hold/3 {
		p.failf("what Close handed back came after %v, as if the member had died", took)
	}
}

func closeToNext(p *probe) {
	b := p.open()
	s := p.subscribe(p.elsewhere(b), "group", ordinary("created"))
	want := numbered("", 10)
	p.publish(b, ordinary("created"), want...)
	p.take(s, 3) // and up to 7 are buffered
	p.close(s)
	next := p.subscribe(p.elsewhere(b), "group", ordinary("created"))
	begun := time.Now()
	p.gather(next, want...)
	p.atOnce(begun)
	p.none(next, "all was settled")
}

func closeToOther(p *probe) {
	b := p.open()
	s := p.subscribe(p.elsewhere(b), "group", ordinary("created"))
	want := numbered("", 10)
	p.publish(b, ordinary("created"), want...)
	p.take(s, 10)
	other := p.subscribe(p.elsewhere(b), "group", ordinary("created"))
	begun := time.Now()
	p.parallel(2, func(ctx context.Context, i int) error {
		if i == 0 {
			return s.Close(ctx)
		}
		d, err := other.Receive(ctx)
		if err != nil {
			return err
		}
		return d.Retry(ctx, 0)
	})
	p.gather(other, want...)
	p.atOnce(begun)
}

func closeKeepsGroup(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1", "2")
	p.ack(p.take(s, 1)[0])
	p.close(s)
	p.publish(b, ordinary("created"), "3")
	s = p.subscribe(b, "group", ordinary("created"))
	if got := p.gatherAny(s, 2); got["3"] != 1 || got["1"]+got["2"] != 1 {
		p.failf("of events 1 and 2 one was settled before the group's member left, and 3 came after; the next got %v", got)
	}
}

// gatherAny settles n events and counts them by id.
func (p *probe) gatherAny(s bus.Subscription, n int) map[string]int {
	got := map[string]int{}
	for _, d := range p.take(s, n) {
		got[d.Event.ID()]++
		p.ack(d)
	}
	return got
}

func closeEndsReceive(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.parallel(3, func(ctx context.Context, i int) error {
		if i == 0 {
			return s.Close(ctx)
		}
		if _, err := s.Receive(ctx); !errors.Is(err, bus.ErrClosed) {
			return errorf("Receive while the subscription is closed: %w, want ErrClosed", err)
		}
		return nil
	})
	if _, err := s.Receive(p.t.Context()); !errors.Is(err, bus.ErrClosed) {
		p.failf("Receive on a closed subscription: %v, want ErrClosed", err)
	}
}

func settleAfterClose(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1", "2")
	ds := p.take(s, 2)
	p.close(s)
	p.do("settling after Close", func(ctx context.Context) error {
		if err := ds[0].Ack(ctx); !errors.Is(err, bus.ErrClosed) {
			return errorf("Ack: %w, want ErrClosed", err)
		}
		if err := ds[1].Retry(ctx, time.Hour); !errors.Is(err, bus.ErrClosed) {
			return errorf("Retry: %w, want ErrClosed", err)
		}
		return nil
	})
	p.expect(p.subscribe(b, "group", ordinary("created")), "1", "2")
}

func closeTwice(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1")
	p.receive(s)
	p.close(s)
	next := p.subscribe(b, "group", ordinary("created"))
	p.receive(next)
	p.close(s)
	p.none(next, "the event is held, and closing the first member again hands nothing back")
}
