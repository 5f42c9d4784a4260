package bustest_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
)

func deliveryMutants() []mutant {
	changed := func(change func(g bus.Group, d *bus.Delivery)) func(f *faulty) {
		return func(f *faulty) {
			wrap(f, func(g bus.Group, d bus.Delivery) (bus.Delivery, bool) {
				change(g, &d)
				return d, true
			})
		}
	}
	return []mutant{
		{name: "delivers without extensions", spoil: changed(func(_ bus.Group, d *bus.Delivery) {
			d.Event = d.Event.Clone()
			d.Event.Context.(*event.EventContextV1).Extensions = nil
		}), fails: []string{"Event/comes as published", "Crash/keeps what was stored"}},
		{name: "rounds times", spoil: changed(func(_ bus.Group, d *bus.Delivery) {
			d.Event = d.Event.Clone()
			d.Event.SetTime(d.Event.Time().Truncate(time.Second))
		}), fails: []string{"Event/comes as published"}},
		{name: "invents a content type", spoil: changed(func(_ bus.Group, d *bus.Delivery) {
			d.Event = d.Event.Clone()
			d.Event.SetDataContentType(event.ApplicationJSON)
		}), fails: []string{"Event/comes as published"}},
		{name: "delivers data as text", spoil: changed(func(_ bus.Group, d *bus.Delivery) {
			d.Event.DataEncoded = []byte(strings.ToValidUTF8(string(d.Event.DataEncoded), "?"))
		}), fails: []string{"Event/comes as published"}},
		{name: "always says attempt 1", spoil: changed(func(_ bus.Group, d *bus.Delivery) { d.Attempt = 1 }), fails: []string{
			"Attempt/counts deliveries", "Retry/comes again", "Retry/after its member left", "Group/a dead member's events are handed on",
			"DeadLetters/retried and settled like others", "Ack/lost, the event comes again", "Topics/rolling deploy",
		}},
		{name: "counts attempts from 0", spoil: changed(func(_ bus.Group, d *bus.Delivery) { d.Attempt-- }), fails: []string{
			"Attempt/counts deliveries",
		}},
		{name: "moves what it delivers again", spoil: changed(func(_ bus.Group, d *bus.Delivery) {
			d.Pos.Seq += 1000 * uint64(d.Attempt)
		}), fails: []string{"Pos/the same at each redelivery", "Ack/lost, the event comes again", "Crash/keeps positions"}},
		{name: "stamps what it delivers again", spoil: changed(func(_ bus.Group, d *bus.Delivery) {
			d.Stored = d.Stored.Add(time.Duration(d.Attempt))
		}), fails: []string{"Stored/the same at each redelivery", "Crash/keeps positions"}},
		{name: "places events by group", spoil: changed(func(g bus.Group, d *bus.Delivery) { d.Pos.Log = g.Name }), fails: []string{
			"Pos/the same for all groups",
		}},
		{name: "numbers backwards", spoil: changed(func(_ bus.Group, d *bus.Delivery) { d.Pos.Seq = ^d.Pos.Seq }), fails: []string{
			"Pos/orders a log",
		}},
		{name: "delivers the last first", spoil: lastFirst, fails: []string{"Receive/in the order of publication"}},
		{name: "loses what came as the context ended", spoil: losesAtContextEnd, fails: []string{"Receive/loses nothing when its context ends"}},
		{name: "returns an error of its own when the context ends", spoil: ownContextError, fails: []string{"Receive/its context ends"}},
		{name: "lets one Receive in at a time", spoil: oneReceive, fails: []string{"Receive/many at once"}},
		{name: "forgets who waits beside a Receive that ends", spoil: forgetsWaiting, fails: []string{
			"Receive/leaves to another what it waited for",
		}},
		{name: "gives up when all places are taken", spoil: givesUp, fails: []string{"Receive/waits for a place"}},
	}
}

// receiving makes Receive do something else.
func receiving(f *faulty, do func(ctx context.Context, g bus.Group, s bus.Subscription) (bus.Delivery, error)) {
	f.subscribe = func(ctx context.Context, g bus.Group) (bus.Subscription, error) {
		s, err := f.conn.Subscribe(ctx, g)
		if err != nil {
			return nil, err
		}
		return &sub{s, s.Close, func(ctx context.Context) (bus.Delivery, error) { return do(ctx, g, s) }}, nil
	}
}

// lastFirst waits for all that may come and then gives the last.
func lastFirst(f *faulty) {
	var stack []bus.Delivery
	receiving(f, func(ctx context.Context, _ bus.Group, s bus.Subscription) (bus.Delivery, error) {
		for {
			soon, cancel := context.WithTimeout(ctx, time.Millisecond)
			d, err := s.Receive(soon)
			cancel()
			if err == nil {
				stack = append(stack, d)
				continue
			}
			if n := len(stack); n > 0 {
				d, stack = stack[n-1], stack[:n-1]
				return d, nil
			}
			return d, ctx.Err()
		}
	})
}

// losesAtContextEnd lets a Receive whose caller has left take one more.
func losesAtContextEnd(f *faulty) {
	receiving(f, func(ctx context.Context, _ bus.Group, s bus.Subscription) (bus.Delivery, error) {
		d, err := s.Receive(ctx)
		if err != nil && ctx.Err() != nil {
			soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Millisecond)
			defer cancel()
			_, _ = s.Receive(soon)
		}
		return d, err
	})
}

// forgetsWaiting has no Receive answered that waits when another's context ends.
func forgetsWaiting(f *faulty) {
	var mu sync.Mutex
	ended := make(chan struct{})
	receiving(f, func(ctx context.Context, _ bus.Group, s bus.Subscription) (bus.Delivery, error) {
		mu.Lock()
		other := ended
		mu.Unlock()
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			select {
			case <-other:
				cancel()
			case <-inner.Done():
			}
		}()
		d, err := s.Receive(inner)
		if err == nil {
			return d, nil
		}
		if ctx.Err() == nil && errors.Is(err, context.Canceled) {
			<-ctx.Done()
			return d, ctx.Err()
		}
		mu.Lock()
		defer mu.Unlock()
		close(ended)
		ended = make(chan struct{})
		return d, err
	})
}

func ownContextError(f *faulty) {
	receiving(f, func(ctx context.Context, _ bus.Group, s bus.Subscription) (bus.Delivery, error) {
		d, err := s.Receive(ctx)
		if err != nil {
			err = errors.New("no delivery")
		}
		return d, err
	})
}

// oneReceive answers only one of the Receives that are called at once.
func oneReceive(f *faulty) {
	var mu sync.Mutex
	receiving(f, func(ctx context.Context, _ bus.Group, s bus.Subscription) (bus.Delivery, error) {
		if !mu.TryLock() {
			return bus.Delivery{}, errors.New("Receive is being called")
		}
		defer mu.Unlock()
		time.Sleep(time.Nanosecond)
		return s.Receive(ctx)
	})
}

func givesUp(f *faulty) {
	receiving(f, func(ctx context.Context, _ bus.Group, s bus.Subscription) (bus.Delivery, error) {
		soon, cancel := context.WithTimeoutCause(ctx, time.Millisecond, errors.New("no place"))
		defer cancel()
		d, err := s.Receive(soon)
		if err != nil {
			err = context.Cause(soon)
		}
		return d, err
	})
}

func settleMutants() []mutant {
	acks := func(ack func(ctx context.Context, d bus.Delivery) error) func(f *faulty) {
		return settling(func(d bus.Delivery) settler {
			return settler{func(ctx context.Context) error { return ack(ctx, d) }, d.Retry}
		})
	}
	retries := func(retry func(ctx context.Context, d bus.Delivery, after time.Duration) error) func(f *faulty) {
		return settling(func(d bus.Delivery) settler {
			return settler{d.Ack, func(ctx context.Context, after time.Duration) error { return retry(ctx, d, after) }}
		})
	}
	return []mutant{
		{name: "settles when it delivers", spoil: settlesEarly, fails: []string{
			"Close/hands back at once, to the next member", "Close/hands back at once, to another member", "Close/settling afterwards",
			"Group/a dead member's events are handed on", "Retry/comes again", "Retry/to any member", "Crash/hands on what was held and buffered",
		}},
		{name: "settles nothing", spoil: acks(func(context.Context, bus.Delivery) error { return nil }), fails: []string{
			"Ack/ends the event for the group", "Ack/in any order", "Ack/lost, the event comes again", "Room/settled events take none",
			"Groups/backlog",
		}},
		{name: "settles all up to the one settled", spoil: settlesUpTo, fails: []string{"Ack/in any order"}},
		{name: "loses what is handed back", spoil: retries(func(ctx context.Context, d bus.Delivery, _ time.Duration) error {
			return d.Ack(ctx)
		}), fails: []string{
			"Retry/comes again", "Retry/of many, losing none", "Crash/keeps what was handed back", "DeadLetters/retried and settled like others",
		}},
		{name: "retries at once", spoil: retries(func(ctx context.Context, d bus.Delivery, _ time.Duration) error {
			return d.Retry(ctx, 0)
		}), fails: []string{"Retry/not before its time", "Retry/takes no place in flight", "Retry/of many, losing none"}},
		{name: "takes a long time for none", spoil: retries(func(ctx context.Context, d bus.Delivery, after time.Duration) error {
			return d.Retry(ctx, after%math.MaxInt64)
		}), fails: []string{"Retry/after any time"}},
		{name: "loses what is handed back for less than no time", spoil: retries(func(ctx context.Context, d bus.Delivery, after time.Duration) error {
			if after < 0 {
				return d.Ack(ctx)
			}
			return d.Retry(ctx, after)
		}), fails: []string{"Retry/after any time"}},
		{name: "keeps the place of what is handed back", spoil: retries(func(ctx context.Context, d bus.Delivery, after time.Duration) error {
			time.AfterFunc(after, func() { _ = d.Retry(context.WithoutCancel(ctx), 0) })
			return nil
		}), fails: []string{"Retry/takes no place in flight", "InFlight/bounds what is held", "Retry/of many, losing none"}},
		{name: "retries by the member's own clock", spoil: retriesInProcess, fails: []string{"Retry/after its member left"}},
		{name: "fails to settle twice", spoil: twiceFails, fails: []string{"Settle/twice"}},
		{name: "settles the position, not the delivery", spoil: settlesPosition, fails: []string{"Settle/an earlier delivery of the position"}},
		{name: "settles after Close", spoil: acks(func(ctx context.Context, d bus.Delivery) error {
			if err := d.Ack(ctx); !errors.Is(err, bus.ErrClosed) {
				return err
			}
			return nil
		}), fails: []string{"Close/settling afterwards"}},
		{name: "loses on Close", spoil: losesOnClose, fails: []string{
			"Close/hands back at once, to the next member", "Close/hands back at once, to another member",
		}},
		{name: "hands back late", spoil: handsBackLate, fails: []string{
			"Close/hands back at once, to the next member", "Close/hands back at once, to another member",
		}},
		{name: "returns the end of input when closed", spoil: endsOtherwise, fails: []string{
			"Close/ends Receive", "Forget/ends its members", "Forget/ends members elsewhere",
		}},
		{name: "fails to close twice", spoil: closesOnce, fails: []string{"Close/twice"}},
	}
}

type settler struct {
	ack   func(ctx context.Context) error
	retry func(ctx context.Context, after time.Duration) error
}

func (s settler) Ack(ctx context.Context) error                        { return s.ack(ctx) }
func (s settler) Retry(ctx context.Context, after time.Duration) error { return s.retry(ctx, after) }

// settling gives deliveries another settler.
func settling(change func(d bus.Delivery) settler) func(f *faulty) {
	return func(f *faulty) {
		wrap(f, func(_ bus.Group, d bus.Delivery) (bus.Delivery, bool) {
			changed := d
			changed.Settler = change(d)
			return changed, true
		})
	}
}

func settlesEarly(f *faulty) {
	wrap(f, func(_ bus.Group, d bus.Delivery) (bus.Delivery, bool) { return d, d.Ack(context.Background()) == nil })
}

// settlesUpTo settles what came before too, as committing an offset does.
func settlesUpTo(f *faulty) {
	var before []bus.Delivery
	settling(func(d bus.Delivery) settler {
		before = append(before, d)
		return settler{func(ctx context.Context) error {
			for _, b := range before {
				if b.Pos.Seq <= d.Pos.Seq {
					_ = b.Ack(ctx)
				}
			}
			return nil
		}, d.Retry}
	})(f)
}

// retriesInProcess settles a delivery that is handed back, and means to publish
// it again later, but its member leaves.
func retriesInProcess(f *faulty) {
	f.subscribe = func(ctx context.Context, g bus.Group) (bus.Subscription, error) {
		s, err := f.conn.Subscribe(ctx, g)
		if err != nil {
			return nil, err
		}
		return &sub{s, s.Close, func(ctx context.Context) (bus.Delivery, error) {
			d, err := s.Receive(ctx)
			if err == nil {
				inner := d
				d.Settler = settler{d.Ack, func(ctx context.Context, _ time.Duration) error { return inner.Ack(ctx) }}
			}
			return d, err
		}}, nil
	}
}

func twiceFails(f *faulty) {
	settling(func(d bus.Delivery) settler {
		settled := false
		once := func(settle func() error) error {
			if settled {
				return errors.New("settled before")
			}
			settled = true
			return settle()
		}
		return settler{
			func(ctx context.Context) error { return once(func() error { return d.Ack(ctx) }) },
			func(ctx context.Context, after time.Duration) error {
				return once(func() error { return d.Retry(ctx, after) })
			},
		}
	})(f)
}

// settlesPosition settles the latest delivery of a position whichever is settled.
func settlesPosition(f *faulty) {
	latest := map[bus.Pos]bus.Delivery{}
	settling(func(d bus.Delivery) settler {
		latest[d.Pos] = d
		return settler{func(ctx context.Context) error { return latest[d.Pos].Ack(ctx) }, d.Retry}
	})(f)
}

// holding keeps what is held, for Close.
func holding(f *faulty, end func(ctx context.Context, s bus.Subscription, held []bus.Delivery) error) {
	f.subscribe = func(ctx context.Context, g bus.Group) (bus.Subscription, error) {
		s, err := f.conn.Subscribe(ctx, g)
		if err != nil {
			return nil, err
		}
		var held []bus.Delivery
		return &sub{
			s, func(ctx context.Context) error { return end(ctx, s, slices.Clone(held)) },
			func(ctx context.Context) (bus.Delivery, error) {
				d, err := s.Receive(ctx)
				if err == nil {
					held = append(held, d)
				}
				return d, err
			},
		}, nil
	}
}

func losesOnClose(f *faulty) {
	holding(f, func(ctx context.Context, s bus.Subscription, held []bus.Delivery) error {
		for _, d := range held {
			_ = d.Ack(ctx)
		}
		return s.Close(ctx)
	})
}

func handsBackLate(f *faulty) {
	closing(f, func(ctx context.Context, _ bus.Group, s bus.Subscription) error {
		time.AfterFunc(5*time.Second, func() { _ = s.Close(context.WithoutCancel(ctx)) })
		return nil
	})
}

func endsOtherwise(f *faulty) {
	receiving(f, func(ctx context.Context, _ bus.Group, s bus.Subscription) (bus.Delivery, error) {
		d, err := s.Receive(ctx)
		if errors.Is(err, bus.ErrClosed) {
			err = errors.New("end of input")
		}
		return d, err
	})
}

func closesOnce(f *faulty) {
	closed := map[bus.Subscription]bool{}
	closing(f, func(ctx context.Context, _ bus.Group, s bus.Subscription) error {
		if closed[s] {
			return errors.New("closed before")
		}
		closed[s] = true
		return s.Close(ctx)
	})
}
