package bench

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
)

// publishers is how many callers publish at once, each waiting for the answer
// to its own event.
const publishers = 64

// stored is how many events go through JetStream each round.
const stored = 30_000

// BenchmarkJetStreamPublish is row 9: 64 callers that wait for their own events
// to be stored, against asynchronous publishing with a window of 1,024.
func BenchmarkJetStreamPublish(b *testing.B) {
	x := newStreams(b)
	compareRates(b, stored,
		contender{hearkens, x.prepare, timed(x.publish), x.forget},
		contender{limits, nothing, timed(x.raw.publish), func() error { return x.raw.clear(b.Context()) }},
	)
}

// BenchmarkJetStreamConsume is row 10: receive and settle what is stored, from
// the first delivery to the last.
func BenchmarkJetStreamConsume(b *testing.B) {
	x := newStreams(b)
	compareRates(b, stored,
		contender{hearkens, x.fill, x.drain, x.leave},
		contender{limits, x.raw.publish, x.drainRaw, x.stopRaw},
	)
}

// BenchmarkJetStreamBoth is row 11: publish by 64 callers, and handle at the same
// time. The peer is Watermill on NATS, published to by 64 callers too.
func BenchmarkJetStreamBoth(b *testing.B) {
	x := newStreams(b)
	compareRates(b, stored,
		contender{hearkens, func(n int) error { return errors.Join(x.prepare(n), x.join()) }, timed(both(x.publish, x.settle)), x.leave},
		contender{limits, x.startRaw, timed(both(x.raw.publish, x.awaitRaw)), x.stopRaw},
		watermillStream(b, x),
	)
}

// contender is a contestant with work before and after what is timed.
type contender struct {
	name   string
	before func(n int) error
	work   func(n int) (time.Duration, error)
	after  func() error
}

func nothing(int) error { return nil }

func both(f, g func(n int) error) func(n int) error {
	return func(n int) error {
		failed := make(chan error, 1)
		go func() { failed <- f(n) }()
		err := g(n)
		return errors.Join(err, <-failed)
	}
}

func compareRates(b *testing.B, n int, cs ...contender) {
	b.Helper()
	var all []contestant
	for _, c := range cs {
		rated := perSecond(c.name, c.work)
		all = append(all, contestant{c.name, func(b *testing.B, n int) sample {
			b.Helper()
			if err := c.before(n); err != nil {
				b.Fatal(err)
			}
			s := rated.run(b, n)
			if err := c.after(); err != nil {
				b.Fatal(err)
			}
			return s
		}})
	}
	compare(b, n, []string{"events/s"}, all...)
}

// streams are Hearken's bus on a server in the process, on files, and a stream
// used by hand on the same server, each over a connection of its own.
type streams struct {
	ctx   context.Context //nolint:containedctx // of the benchmark
	bus   *embedded.Bus
	raw   *rawStream
	group bus.Group
	maker eventMaker

	events      []hearken.Event // the next
	sub         bus.Subscription
	consumption *consumption
}

func newStreams(b *testing.B) *streams {
	b.Helper()
	in, err := embedded.OpenWith(b.Context(), embedded.Config{Dir: b.TempDir()}, natsbus.Config{MaxBytes: roomBytes, DedupeWindow: dedupeWindow})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := in.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	x := &streams{ctx: b.Context(), bus: in, maker: eventMaker{data: []byte(greeting)}}
	if x.raw, err = newRawStream(b.Context(), connect(b, in.Server), "raw"); err != nil {
		b.Fatal(err)
	}
	x.group = bus.Group{Name: "bench", Topics: []bus.Topic{published}, InFlight: places}
	if err := errors.Join(x.join(), x.leave()); err != nil {
		b.Fatal(err)
	}
	return x
}

func connect(b *testing.B, s *embedded.Server) *nats.Conn {
	b.Helper()
	nc, err := s.Connect()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	return nc
}

// join makes x a member of the group, which from its first time on gets what is
// published.
func (x *streams) join() (err error) {
	x.sub, err = x.bus.Subscribe(x.ctx, x.group)
	return err
}

func (x *streams) leave() error { return x.sub.Close(x.ctx) }

// forget drops what is stored.
func (x *streams) forget() error {
	return errors.Join(x.bus.Forget(x.ctx, x.group.Name), x.join(), x.leave())
}

// prepare makes the events that publish publishes.
func (x *streams) prepare(n int) error {
	x.events = x.maker.stamped(n)
	return nil
}

func (x *streams) publish(n int) error {
	return inParallel(publishers, n, func(i int) error { return x.bus.Publish(x.ctx, published, x.events[i]) })
}

func (x *streams) fill(n int) error { return errors.Join(x.prepare(n), x.publish(n)) }

// settle receives and settles n events.
func (x *streams) settle(n int) error {
	for range n {
		d, err := x.sub.Receive(x.ctx)
		if err != nil {
			return err
		}
		if err := d.Ack(x.ctx); err != nil {
			return err
		}
	}
	return nil
}

// drain is settle as a new member, timed from the first event on.
func (x *streams) drain(n int) (time.Duration, error) {
	if err := errors.Join(x.join(), x.settle(1)); err != nil {
		return 0, err
	}
	return timed(x.settle)(n - 1)
}

func (x *streams) startRaw(n int) (err error) {
	x.consumption, err = x.raw.consume(n)
	return err
}

func (x *streams) awaitRaw(int) error {
	select {
	case <-x.consumption.last:
		return nil
	case <-x.ctx.Done():
		return x.ctx.Err()
	}
}

func (x *streams) drainRaw(n int) (time.Duration, error) {
	if err := x.startRaw(n); err != nil {
		return 0, err
	}
	<-x.consumption.first
	return timed(x.awaitRaw)(n - 1)
}

func (x *streams) stopRaw() error {
	x.consumption.stop()
	return nil
}
