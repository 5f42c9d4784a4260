package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/hearken-go/hearken/bus"
)

func receiveCases() []busCase {
	const (
		ctxEnds = "It returns ctx's error when ctx ends first, losing nothing, and ErrClosed once the subscription is closed or the " +
			"group is forgotten"
		pos    = "Pos is the event's place on the bus, the same for all groups and at each redelivery."
		stored = "Stored is when the bus stored the event, by the bus's clock, the same at each redelivery."
	)
	return []busCase{
		{name: "Receive/its context ends", clause: ctxEnds, prove: receiveContext},
		{name: "Receive/loses nothing when its context ends", clause: ctxEnds, prove: receiveLosesNothing},
		{name: "Receive/leaves to another what it waited for", clause: ctxEnds, prove: receiveLeaves},
		{name: "Receive/many at once", clause: "All methods of all interfaces here may be called concurrently.", prove: receiveConcurrently},
		{
			name: "Receive/waits for a place", prove: receiveWaits,
			clause: "While InFlight deliveries are held, it waits for one to be settled.",
		},
		{
			name: "Receive/waits while the connection is away", needs: outage, prove: receiveOverOutage,
			clause: "A connection that is away is waited for, not an error.",
		},
		{
			name: "Receive/in the order of publication", prove: inOrder,
			clause: "Deliveries come roughly in the order of publication.",
		},
		{
			name: "Pos/orders a log", prove: posOrders,
			clause: "Positions of one log are ordered by Seq; those of different logs are not comparable.",
		},
		{name: "Pos/the same for all groups", clause: pos, prove: posOfGroups},
		{name: "Pos/the same at each redelivery", clause: pos, prove: posStays},
		{name: "Stored/the same at each redelivery", clause: stored, prove: storedStays},
		{
			name: "Attempt/counts deliveries", clause: "Attempt counts the deliveries of this event to this group, from 1.",
			prove: attemptCounts,
		},
	}
}

func receiveContext(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	ctx, cancel := context.WithCancel(p.t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := s.Receive(ctx)
		ended <- err
	}()
	cancel()
	p.do("Receive returning when its context ends", func(ctx context.Context) error {
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				p.failf("Receive: %v, want the context's error", err)
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	p.none(s, "nothing was published")
	p.publish(b, ordinary("created"), "1")
	p.expect(s, "1")
}

// receiveLosesNothing calls Receive with contexts that end at every stage of
// a delivery while events are published.
func receiveLosesNothing(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	want := numbered("", 100)
	var got []string
	for i, id := range want {
		ctx, cancel := context.WithCancel(p.t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if d, err := s.Receive(ctx); err == nil {
				got = append(got, d.Event.ID())
				_ = d.Ack(context.WithoutCancel(ctx)) // a lost one would come again, and be seen
			}
		})
		if i%3 == 0 {
			cancel()
		}
		p.publish(b, ordinary("created"), id)
		cancel()
		wg.Wait()
	}
	rest := slices.DeleteFunc(slices.Clone(want), func(id string) bool { return slices.Contains(got, id) })
	p.expectOrNone(s, rest)
}

// receiveLeaves has two Receives wait for the one place in flight. The first ends
// once the place is free; what comes then is the second's.
func receiveLeaves(p *probe) {
	b := p.open()
	s := p.join(b, bus.Group{Name: "group", Topics: []bus.Topic{ordinary("created")}, InFlight: 1})
	p.publish(b, ordinary("created"), "1")
	held := p.receive(s)
	first, end := context.WithCancel(p.t.Context())
	defer end()
	p.parallel(3, func(ctx context.Context, i int) error {
		switch i {
		case 0:
			_, err := s.Receive(first)
			if !errors.Is(err, context.Canceled) {
				return errorf("Receive: %w, want the context's error", err)
			}
			return nil
		case 1:
			p.pause(p.h.Quiet) // to be the second
			d, err := s.Receive(ctx)
			if err != nil {
				return fmt.Errorf("Receive beside one that has ended: %w", err)
			}
			return d.Ack(ctx)
		}
		p.pause(2 * p.h.Quiet)
		if err := held.Ack(ctx); err != nil {
			return fmt.Errorf("Ack: %w", err)
		}
		p.pause(p.h.Quiet)
		end()
		p.pause(p.h.Quiet)
		return b.Publish(ctx, ordinary("created"), newEvent("2"))
	})
}

func receiveConcurrently(p *probe) {
	const receivers, each = 8, 20
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	want := numbered("", receivers*each)
	var mu sync.Mutex
	got := map[bus.Pos]string{}
	p.parallel(receivers+1, func(ctx context.Context, i int) error {
		if i == receivers {
			for _, id := range want {
				if err := b.Publish(ctx, ordinary("created"), newEvent(id)); err != nil {
					return fmt.Errorf("Publish: %w", err)
				}
			}
			return nil
		}
		for range each {
			d, err := s.Receive(ctx)
			if err != nil {
				return fmt.Errorf("Receive: %w", err)
			}
			mu.Lock()
			got[d.Pos] = d.Event.ID()
			mu.Unlock()
			if err := d.Ack(ctx); err != nil {
				return fmt.Errorf("Ack: %w", err)
			}
		}
		return nil
	})
	if len(got) != len(want) {
		p.failf("%d Receives at once got %d different events, want %d", receivers, len(got), len(want))
	}
	p.none(s, "all was delivered")
}

func receiveWaits(p *probe) {
	b := p.open()
	s := p.join(b, bus.Group{Name: "group", Topics: []bus.Topic{ordinary("created")}, InFlight: 1})
	p.publish(b, ordinary("created"), "1", "2")
	held := p.take(s, 1)[0]
	p.parallel(2, func(ctx context.Context, i int) error {
		if i == 0 {
			p.pause(p.h.Quiet)
			return held.Ack(ctx)
		}
		d, err := s.Receive(ctx)
		if err != nil {
			return fmt.Errorf("Receive waiting for a place: %w", err)
		}
		if d.Pos == held.Pos {
			return fmt.Errorf("%q was delivered again while it was held", d.Event.ID())
		}
		return d.Ack(ctx)
	})
}

func receiveOverOutage(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "before")
	p.expect(s, "before")
	p.h.Outage(p.t, b, func() { p.none(s, "the server is away") })
	p.eventually("Publish after the outage", func() bool {
		ctx, cancel := context.WithTimeout(p.t.Context(), p.wait)
		defer cancel()
		return b.Publish(ctx, ordinary("created"), newEvent("after")) == nil
	})
	p.expect(s, "after")
}

func inOrder(p *probe) {
	const n = 100
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"), ordinary("paid"))
	for i, id := range numbered("", n) {
		p.publish(b, []bus.Topic{ordinary("created"), ordinary("paid")}[i%2], id)
	}
	for i, d := range p.gather(s, numbered("", n)...) {
		at := slices.Index(numbered("", n), d.Event.ID())
		if at < i-n/4 || at > i+n/4 {
			p.failf("of %d events published one after another, number %d came as number %d", n, at, i)
		}
	}
}

func posOrders(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"), ordinary("paid"))
	want := numbered("", 20)
	for i, id := range want {
		p.publish(b, []bus.Topic{ordinary("created"), ordinary("paid")}[i%2], id)
	}
	ds := p.gather(s, want...)
	slices.SortFunc(ds, func(x, y bus.Delivery) int {
		return slices.Index(want, x.Event.ID()) - slices.Index(want, y.Event.ID())
	})
	last := map[string]uint64{}
	for _, d := range ds {
		if seq, ok := last[d.Pos.Log]; ok && d.Pos.Seq <= seq {
			p.failf("%s, stored after the one at %d", place(d), seq)
		}
		last[d.Pos.Log] = d.Pos.Seq
	}
}

func posOfGroups(p *probe) {
	b := p.open()
	one, two := p.subscribe(b, "one", ordinary("created"), ordinary("paid")), p.subscribe(b, "two", ordinary("created"))
	p.publish(b, ordinary("paid"), "other")
	p.publish(b, ordinary("created"), "1", "2", "3")
	at := map[string]bus.Delivery{}
	for _, d := range p.expect(one, "other", "1", "2", "3") {
		at[d.Event.ID()] = d
	}
	for _, d := range p.expect(two, "1", "2", "3") {
		if d.Pos != at[d.Event.ID()].Pos {
			p.failf("one group got %s, another %s", place(at[d.Event.ID()]), place(d))
		}
	}
}

// redelivered returns deliveries of one event: handed back, handed back after
// a while, and handed back by Close.
func redelivered(p *probe) []bus.Delivery {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.publish(b, ordinary("created"), "1")
	first := p.receive(s)
	p.retry(first, 0)
	second := p.receive(s)
	p.retry(second, p.h.Quiet)
	third := p.receive(s)
	p.close(s)
	fourth := p.receive(p.subscribe(b, "group", ordinary("created")))
	return []bus.Delivery{first, second, third, fourth}
}

func posStays(p *probe) {
	ds := redelivered(p)
	for _, d := range ds {
		if d.Pos != ds[0].Pos {
			p.failf("first came %s, then %s", place(ds[0]), place(d))
		}
	}
}

func storedStays(p *probe) {
	ds := redelivered(p)
	for _, d := range ds {
		if !d.Stored.Equal(ds[0].Stored) {
			p.failf("first Stored was %v, then %v", ds[0].Stored, d.Stored)
		}
	}
}

func attemptCounts(p *probe) {
	ds := redelivered(p)
	if ds[0].Attempt != 1 {
		p.failf("the first delivery has Attempt %d, want 1", ds[0].Attempt)
	}
	for i, d := range ds[1:] {
		if d.Attempt <= ds[i].Attempt {
			p.failf("attempt %d was followed by attempt %d", ds[i].Attempt, d.Attempt)
		}
	}
}
