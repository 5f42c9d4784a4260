package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"gocloud.dev/pubsub"
	"gocloud.dev/pubsub/mempubsub"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/filters"
)

// buffered is how many events may be on their way in one process: the places in
// flight of a group, and the buffers of its peers.
const buffered = 64

// carried is how many events a contestant carries each round.
const carried = 20_000

// BenchmarkMemoryBus is row 8, the bus: an event from one goroutine to another,
// settled. The limit is a Go channel without a buffer, which hands over what it
// is given; one with a buffer stands beside it.
func BenchmarkMemoryBus(b *testing.B) {
	compare(b, carried, []string{"ns/op"}, inMemory(b), channel(limits, 0), channel("buffered", buffered), watermillChannel(b), mempubsubTopic(b))
}

// BenchmarkEngine is row 8, the engine: emit, store, deliver, filter, fire,
// settle, with one worker and with the default 16. Its limit is the same Go
// channel.
func BenchmarkEngine(b *testing.B) {
	for _, workers := range []int{1, 16} {
		for _, size := range []int{len(greeting), usualSize} {
			b.Run(fmt.Sprintf("workers=%d/%dB", workers, size), func(b *testing.B) {
				data := []byte(greeting)
				if size > len(greeting) {
					data = webhookData(size)
				}
				compare(b, carried, []string{"ns/op"}, engine(b, workers, data), channel(limits, 0), watermillRouter(b))
			})
		}
	}
}

// channel hands events from one goroutine to another.
func channel(name string, buffer int) contestant {
	maker := &eventMaker{data: []byte(greeting)}
	events := maker.stamped(1024)
	return perOperation(name, func(n int) error {
		c := make(chan hearken.Event, buffer)
		go func() {
			defer close(c)
			for i := range n {
				c <- events[i%len(events)]
			}
		}()
		got := 0
		for range c {
			got++
		}
		return expect(n, got)
	})
}

func expect(want, got int) error {
	if got != want {
		return fmt.Errorf("%d events arrived, not %d", got, want)
	}
	return nil
}

func inMemory(b *testing.B) contestant {
	m := new(memory.Bus)
	maker := &eventMaker{data: []byte(greeting)}
	s, err := m.Subscribe(b.Context(), bus.Group{Name: "bench", Topics: []bus.Topic{published}, InFlight: buffered})
	if err != nil {
		b.Fatal(err)
	}
	return prepared(perOperation, hearkens, maker.stamped, func(events []hearken.Event) error {
		failed := make(chan error, 1)
		go func() { failed <- publishAll(b.Context(), m, events) }()
		for range events {
			d, err := s.Receive(b.Context())
			if err != nil {
				return err
			}
			if err := d.Ack(b.Context()); err != nil {
				return err
			}
		}
		return <-failed
	})
}

func publishAll(ctx context.Context, m *memory.Bus, events []hearken.Event) error {
	for _, e := range events {
		if err := m.Publish(ctx, published, e); err != nil {
			return err
		}
	}
	return nil
}

// prepared is a contestant whose input is made before its time is taken.
func prepared[T any](by func(string, func(int) error) contestant, name string, prepare func(n int) []T, f func([]T) error) contestant {
	var input []T
	c := by(name, func(int) error { return f(input) })
	run := c.run
	c.run = func(b *testing.B, n int) sample {
		b.Helper()
		input = prepare(n)
		return run(b, n)
	}
	return c
}

func engine(b *testing.B, workers int, data []byte) contestant {
	fired := newCounter()
	emit := startPipeline(b, new(memory.Bus), workers, hearken.TriggerFunc(func(context.Context, hearken.Firing) error {
		fired.add()
		return nil
	}))
	maker := &eventMaker{data: data}
	return prepared(perOperation, hearkens, maker.bares, func(events []hearken.Event) error {
		fired.expect(len(events))
		for _, e := range events {
			if err := emit(e); err != nil {
				return err
			}
		}
		return fired.wait(b.Context())
	})
}

// startPipeline runs a pipeline with the quickstart's filter until the benchmark
// ends, and returns its source's Emit.
func startPipeline(b *testing.B, in bus.Bus, workers int, t hearken.Trigger) func(hearken.Event) error {
	b.Helper()
	emits := make(chan func(hearken.Event) error, 1)
	source := &hearken.EventSource{Name: published.EventSource, Event: published.Event, Source: hearken.SourceFunc(
		func(ctx context.Context, out hearken.Output) error {
			emits <- func(e hearken.Event) error { return out.Emit(ctx, e) }
			<-ctx.Done()
			return nil
		},
	)}
	p := &hearken.Pipeline{
		Name: "bench", Bus: in, Logger: quiet(), EventSources: []*hearken.EventSource{source},
		Sensors: []hearken.Sensor{{Name: "greet", Workers: workers, Actions: []hearken.Action{{
			When:    &hearken.Dependency{EventSource: source, Filter: filters.Data(messagePath, "hello", "hey")},
			Trigger: t,
		}}}},
	}
	ended := running(b, p)
	select {
	case emit := <-emits:
		return emit
	case err := <-ended:
		ended <- nil
		b.Fatal(err)
		return nil
	}
}

// running runs a pipeline until the benchmark ends. It returns where the error of
// one that ends earlier is.
func running(b *testing.B, p *hearken.Pipeline) (ended chan error) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended = make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	return ended
}

// mempubsubTopic is go-cloud's topic in memory.
func mempubsubTopic(b *testing.B) contestant {
	topic := mempubsub.NewTopic()
	sub := mempubsub.NewSubscription(topic, ackDeadline)
	b.Cleanup(func() {
		if err := errors.Join(topic.Shutdown(context.Background()), sub.Shutdown(context.Background())); err != nil {
			b.Error(err)
		}
	})
	return perOperation("go-cloud", func(n int) error {
		failed := make(chan error, 1)
		go func() { failed <- sendAll(b.Context(), topic, n) }()
		for range n {
			m, err := sub.Receive(b.Context())
			if err != nil {
				return err
			}
			m.Ack()
		}
		return <-failed
	})
}

// sendAll sends by as many callers at once as events may be on their way: Send
// waits for the batch that its message is in.
func sendAll(ctx context.Context, topic *pubsub.Topic, n int) error {
	return inParallel(buffered, n, func(int) error {
		return topic.Send(ctx, &pubsub.Message{Body: []byte(greeting)})
	})
}

// counter counts to what is expected.
type counter struct {
	left atomic.Int64
	done chan struct{}
}

func newCounter() *counter { return &counter{done: make(chan struct{}, 1)} }

func (c *counter) expect(n int) { c.left.Store(int64(n)) }

func (c *counter) add() {
	if c.left.Add(-1) == 0 {
		c.done <- struct{}{}
	}
}

func (c *counter) wait(ctx context.Context) error {
	select {
	case <-c.done:
		runtime.Gosched()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
