package bustest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
)

// base is what the proofs of buses and of stores share.
type base struct {
	t    testing.TB
	wait time.Duration
}

// failure is how a proof ends that found the contract broken. It is thrown
// rather than reported to t, so that the kit can be proved itself.
type failure struct{ msg string }

func (f failure) Error() string { return f.msg }

// failf ends the proof. It is called on the goroutine of the proof only.
func (b *base) failf(format string, args ...any) {
	panic(failure{fmt.Sprintf(format, args...)})
}

// caught turns what failf threw into an error.
func caught(err *error) {
	switch r := recover().(type) {
	case nil:
	case failure:
		*err = r
	default:
		panic(r)
	}
}

// patiently proves what a machine that stands still for a moment would refute: a
// bus breaks the contract there when it does so in each of three tries.
func (p *probe) patiently(prove func(p *probe)) {
	const tries = 3
	for n := 1; ; n++ {
		err := p.attempt(prove)
		if err == nil {
			return
		}
		if n == tries {
			panic(err) // as failf threw it
		}
	}
}

func (p *probe) attempt(prove func(p *probe)) (err error) {
	defer caught(&err)
	prove(p)
	return nil
}

// patient is a proof that is made patiently.
func patient(prove func(p *probe)) func(p *probe) {
	return func(p *probe) { p.patiently(prove) }
}

// do calls f with a context that ends when the kit's patience does, and fails
// with what f was to do if it returns an error.
func (b *base) do(what string, f func(ctx context.Context) error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), b.wait)
	defer cancel()
	if err := f(ctx); err != nil {
		b.failf("%s: %v", what, err)
	}
}

// eventually fails unless f comes to return true.
func (b *base) eventually(what string, f func() bool) {
	deadline := time.NewTimer(b.wait)
	defer deadline.Stop()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for !f() {
		select {
		case <-poll.C:
		case <-deadline.C:
			b.failf("%s: not within %v", what, b.wait)
		}
	}
}

// parallel calls f n times at once and fails if one of them does.
func (b *base) parallel(n int, f func(ctx context.Context, i int) error) {
	ctx, cancel := context.WithTimeout(b.t.Context(), b.wait)
	defer cancel()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(ctx, i) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		b.failf("%v", err)
	}
}

// probe proves one case on buses of a harness.
type probe struct {
	base
	h    Harness
	subs []bus.Subscription
}

func newProbe(t testing.TB, h Harness) *probe {
	h.Wait = cmp.Or(h.Wait, 30*time.Second)
	h.Quiet = cmp.Or(h.Quiet, 200*time.Millisecond)
	h.Hold = cmp.Or(h.Hold, 9*time.Second)
	return &probe{base: base{t: t, wait: h.Wait}, h: h}
}

// end closes the subscriptions that the case left. It reports nothing: what
// Close must do is proved by cases of its own.
func (p *probe) end() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.t.Context()), p.wait)
	defer cancel()
	for _, s := range p.subs {
		_ = s.Close(ctx)
	}
}

func (p *probe) open() bus.Bus { return p.h.Open(p.t) }

// elsewhere returns b as another process sees it, if the harness can.
func (p *probe) elsewhere(b bus.Bus) bus.Bus {
	if p.h.Connect == nil {
		return b
	}
	return p.h.Connect(p.t, b)
}

// crash returns b as it is after a crash.
func (p *probe) crash(b bus.Bus) bus.Bus {
	p.subs = nil
	return p.h.Crash(p.t, b)
}

func (p *probe) join(b bus.Bus, g bus.Group) bus.Subscription {
	p.t.Helper()
	var s bus.Subscription
	p.do(fmt.Sprintf("Subscribe %+v", g), func(ctx context.Context) (err error) {
		s, err = b.Subscribe(ctx, g)
		return err
	})
	p.subs = append(p.subs, s)
	return s
}

// subscribe joins a group with room for a hundred deliveries in flight.
func (p *probe) subscribe(b bus.Bus, group string, topics ...bus.Topic) bus.Subscription {
	return p.join(b, bus.Group{Name: group, Topics: topics, InFlight: 100})
}

// begin makes a group exist, with no member running.
func (p *probe) begin(b bus.Bus, group string, topics ...bus.Topic) {
	p.close(p.subscribe(b, group, topics...))
}

func (p *probe) close(s bus.Subscription) {
	p.t.Helper()
	p.do("Close", s.Close)
}

// publish publishes an event of each id to t.
func (p *probe) publish(b bus.Bus, t bus.Topic, ids ...string) {
	p.t.Helper()
	for _, id := range ids {
		p.send(b, t, newEvent(id))
	}
}

func (p *probe) send(b bus.Bus, t bus.Topic, e event.Event) {
	p.t.Helper()
	p.do(fmt.Sprintf("Publish %q to %q", e.ID(), t), func(ctx context.Context) error {
		return b.Publish(ctx, t, e)
	})
}

// receive returns the next delivery, which must come and must be in order.
func (p *probe) receive(s bus.Subscription) bus.Delivery {
	p.t.Helper()
	var d bus.Delivery
	p.do("Receive", func(ctx context.Context) (err error) {
		d, err = s.Receive(ctx)
		return err
	})
	p.sound(d)
	return d
}

// sound fails unless d has all that a delivery has.
func (p *probe) sound(d bus.Delivery) {
	switch {
	case d.Settler == nil:
		p.failf("delivery without a Settler")
	case d.Err != nil:
		p.failf("delivery of a valid event has Err: %v", d.Err)
	case d.Attempt < 1:
		p.failf("Attempt is %d, want 1 or more", d.Attempt)
	case d.Stored.IsZero():
		p.failf("Stored is zero")
	case d.Pos == bus.Pos{}:
		p.failf("Pos is zero")
	}
}

// none fails if anything is delivered within the harness's quiet period.
func (p *probe) none(s bus.Subscription, why string) {
	p.t.Helper()
	p.noneFor(p.h.Quiet, s, why)
}

func (p *probe) noneFor(quiet time.Duration, s bus.Subscription, why string) {
	p.t.Helper()
	if err := silent(p.t.Context(), quiet, s); err != nil {
		p.failf("%s: %v", why, err)
	}
}

// silent returns an error unless Receive waits for so long in vain.
func silent(ctx context.Context, quiet time.Duration, s bus.Subscription) error {
	ctx, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	d, err := s.Receive(ctx)
	switch {
	case err == nil:
		return fmt.Errorf("%q of %q was delivered (attempt %d)", d.Event.ID(), d.Topic, d.Attempt)
	case !errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("Receive with nothing to come: %w, want the context's error", err)
	}
	return nil
}

// pause lets time pass.
func (p *probe) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.t.Context().Done():
	}
}

func (p *probe) ack(d bus.Delivery) {
	p.t.Helper()
	p.do("Ack", d.Ack)
}

func (p *probe) retry(d bus.Delivery, after time.Duration) {
	p.t.Helper()
	p.do("Retry", func(ctx context.Context) error { return d.Retry(ctx, after) })
}

// take returns the deliveries of the n next events, in the order in which they
// came, unsettled. It passes over a redelivery of what it has taken, since a bus
// may deliver an event again at any time.
func (p *probe) take(s bus.Subscription, n int) []bus.Delivery {
	p.t.Helper()
	var ds []bus.Delivery
	for len(ds) < n {
		ds = append(ds, p.next(s, ds))
	}
	return ds
}

// next returns the next delivery that is of none of ds.
func (p *probe) next(s bus.Subscription, ds []bus.Delivery) bus.Delivery {
	p.t.Helper()
	for {
		if d := p.receive(s); !again(ds, d) {
			return d
		}
	}
}

// again reports whether d is a redelivery of one of ds.
func again(ds []bus.Delivery, d bus.Delivery) bool {
	return slices.ContainsFunc(ds, func(o bus.Delivery) bool { return o.Pos == d.Pos })
}

// gather settles what s delivers until all events of want came, and fails if
// another one comes, or one that was stored twice.
func (p *probe) gather(s bus.Subscription, want ...string) []bus.Delivery {
	p.t.Helper()
	missing := slices.Clone(want)
	var ds []bus.Delivery
	for len(missing) > 0 {
		var d bus.Delivery
		p.do(fmt.Sprintf("Receive, with %q to come", missing), func(ctx context.Context) (err error) {
			d, err = s.Receive(ctx)
			return err
		})
		p.sound(d)
		p.ack(d)
		if again(ds, d) {
			continue
		}
		i := slices.Index(missing, d.Event.ID())
		if i < 0 {
			p.failf("%q was delivered (attempt %d), want %q", d.Event.ID(), d.Attempt, missing)
		}
		missing = slices.Delete(missing, i, i+1)
		ds = append(ds, d)
	}
	return ds
}

// expect is gather, and fails if anything comes after the events of want.
func (p *probe) expect(s bus.Subscription, want ...string) []bus.Delivery {
	p.t.Helper()
	ds := p.gather(s, want...)
	p.none(s, fmt.Sprintf("only %q were to come", want))
	return ds
}

// groups returns b's groups by name.
func (p *probe) groups(b bus.Bus) map[string]bus.GroupInfo {
	infos := map[string]bus.GroupInfo{}
	p.do("Groups", func(ctx context.Context) error {
		list, err := p.lister(b).Groups(ctx)
		for _, info := range list {
			infos[info.Name] = info
		}
		return err
	})
	return infos
}

func (p *probe) forget(b bus.Bus, group string) {
	p.do("Forget", func(ctx context.Context) error { return p.lister(b).Forget(ctx, group) })
}

func (p *probe) lister(b bus.Bus) bus.Groups {
	g, ok := b.(bus.Groups)
	if !ok {
		p.failf("%T does not implement bus.Groups, and Harness.Lacks does not say so", b)
	}
	return g
}

// newEvent returns a small event; id is its data too.
func newEvent(id string) event.Event {
	e := event.New()
	e.SetID(id)
	e.SetSource("bustest")
	e.SetType("bustest.event")
	e.SetDataContentType(event.TextPlain)
	e.DataEncoded = []byte(id)
	return e
}

// ordinary returns a topic that holds no dead letters.
func ordinary(name string) bus.Topic { return bus.Topic{EventSource: "orders", Event: name} }

// letters returns a dead-letter topic.
func letters(name string) bus.Topic { return bus.Topic{EventSource: bus.DeadLetterSource, Event: name} }

// numbered returns n ids from prefix0 on.
func numbered(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return ids
}

func ids(ds []bus.Delivery) []string {
	out := make([]string, len(ds))
	for i, d := range ds {
		out[i] = d.Event.ID()
	}
	return out
}

// errorf is fmt.Errorf for an error that may be nil: a call that should have
// failed and did not is reported as such.
func errorf(format string, err error) error {
	if err == nil {
		err = errNone
	}
	return fmt.Errorf(format, err)
}

var errNone = errors.New("no error")

func compareTopics(a, b bus.Topic) int {
	return cmp.Or(cmp.Compare(a.EventSource, b.EventSource), cmp.Compare(a.Event, b.Event))
}
