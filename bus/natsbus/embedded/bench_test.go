package embedded_test

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// The benchmarks compare the bus with the least that the same work costs with
// nats.go: the same server on files, the same kind of stream, the same
// messages.
// "x-raw" is the bus's rate over that one's, measured in the same run.

const (
	rawEvents = 40_000
	callers   = 64
)

type bench struct {
	b   *embedded.Bus
	js  jetstream.JetStream
	ids int
}

func newBench(tb testing.TB) *bench {
	b, err := embedded.OpenWith(tb.Context(), embedded.Config{Dir: tb.TempDir()}, natsbus.Config{MaxBytes: -1, DedupeWindow: time.Second})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, b.Close(context.Background())) })
	nc, err := b.Server.Connect()
	require.NoError(tb, err)
	tb.Cleanup(nc.Close)
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(1024))
	require.NoError(tb, err)
	return &bench{b: b, js: js}
}

var created = bus.Topic{EventSource: "orders", Event: "created"}

func benchEvent(id int) event.Event {
	e := event.New()
	e.SetID(strconv.Itoa(id))
	e.SetSource("orders")
	e.SetType("webhook")
	e.SetSubject("created")
	e.SetDataContentType(event.ApplicationJSON)
	e.SetTime(time.Unix(1700000000, 0))
	e.DataEncoded = []byte(`{"header":{"Content-Type":["application/json"]},"body":{"message":"hello","name":"somebody","text":"` +
		`Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor"}}`)
	return e
}

// withID is e under another id.
func withID(e event.Event, id int) event.Event {
	ec := *e.Context.(*event.EventContextV1)
	ec.ID = strconv.Itoa(id)
	e.Context = &ec
	return e
}

// rawStream makes a stream like that of the events, with a consumer, so that
// what is published is kept.
func (x *bench) rawStream(tb testing.TB) jetstream.Consumer {
	st, err := x.js.CreateStream(tb.Context(), jetstream.StreamConfig{
		Name: "raw", Subjects: []string{"raw.>"}, Retention: jetstream.InterestPolicy, Discard: jetstream.DiscardNew, Duplicates: time.Second,
	})
	require.NoError(tb, err)
	c, err := st.CreateConsumer(tb.Context(), jetstream.ConsumerConfig{
		Durable: "c", AckPolicy: jetstream.AckExplicitPolicy, FilterSubjects: []string{"raw.orders.created"}, MaxAckPending: -1,
	})
	require.NoError(tb, err)
	return c
}

// rawPublish publishes n events asynchronously and returns the rate.
func (x *bench) rawPublish(tb testing.TB, n int) float64 {
	data := benchEvent(0).Data()
	start := time.Now()
	for range n {
		x.ids++
		id := strconv.Itoa(x.ids)
		m := &nats.Msg{Subject: "raw.orders.created", Data: data, Header: nats.Header{
			"ce-specversion": {"1.0"}, "ce-id": {id}, "ce-source": {"orders"}, "ce-type": {"webhook"}, "ce-subject": {"created"},
			"ce-datacontenttype": {event.ApplicationJSON}, "ce-time": {"2023-11-14T22:13:20Z"},
			"Nats-Msg-Id": {"4bf92f3577b34da6a3ce929d" + id},
		}}
		if _, err := x.js.PublishMsgAsync(m); err != nil {
			tb.Fatal(err)
		}
	}
	<-x.js.PublishAsyncComplete()
	return float64(n) / time.Since(start).Seconds()
}

// rawConsume receives and settles n events and returns the rate.
func (x *bench) rawConsume(tb testing.TB, c jetstream.Consumer, n int) float64 {
	done := make(chan struct{})
	left := n
	start := time.Now()
	cc, err := c.Consume(func(m jetstream.Msg) {
		if err := m.Ack(); err != nil {
			tb.Error(err)
		}
		if left--; left == 0 {
			close(done)
		}
	}, jetstream.PullMaxMessages(1000))
	require.NoError(tb, err)
	<-done
	rate := float64(n) / time.Since(start).Seconds()
	cc.Stop()
	<-cc.Closed()
	return rate
}

func (x *bench) subscribe(tb testing.TB) bus.Subscription {
	s, err := x.b.Subscribe(tb.Context(), bus.Group{Name: "group", Topics: []bus.Topic{created}, InFlight: 1000})
	require.NoError(tb, err)
	return s
}

// publish publishes n events by many callers at once, each waiting for its own.
func (x *bench) publish(tb testing.TB, n int) {
	e := benchEvent(0)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for id := i; id < n; id += callers {
				if err := x.b.Publish(tb.Context(), created, withID(e, x.ids+id)); err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	x.ids += n
}

// consume receives and settles n events with that many receivers.
func consume(tb testing.TB, s bus.Subscription, n, receivers int) {
	var wg sync.WaitGroup
	for i := range receivers {
		wg.Go(func() {
			for range share(n, receivers, i) {
				d, err := s.Receive(tb.Context())
				if err == nil {
					err = d.Ack(tb.Context())
				}
				if err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// share returns the i-th of parts of n.
func share(n, parts, i int) int { return (n*(i+1))/parts - (n*i)/parts }

func report(b *testing.B, raw float64) {
	rate := float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "events/s")
	b.ReportMetric(rate/raw, "x-raw")
}

// BenchmarkPublish64: 64 callers, each waiting for the answer to its own event,
// against asynchronous publishing with a window of 1,024.
func BenchmarkPublish64(b *testing.B) {
	x := newBench(b)
	x.rawStream(b)
	x.rawPublish(b, rawEvents/4)
	raw := x.rawPublish(b, rawEvents)
	require.NoError(b, x.subscribe(b).Close(b.Context()))
	runtime.GC()
	b.ReportAllocs()
	b.ResetTimer()
	x.publish(b, b.N)
	report(b, raw)
}

// BenchmarkConsume: receive and settle, against Consume(1000) and Ack.
func BenchmarkConsume(b *testing.B) {
	x := newBench(b)
	c := x.rawStream(b)
	n := max(b.N, rawEvents)
	x.rawPublish(b, n)
	raw := x.rawConsume(b, c, n)
	s := x.subscribe(b)
	require.NoError(b, s.Close(b.Context()))
	x.publish(b, b.N)
	runtime.GC()
	b.ReportAllocs()
	b.ResetTimer()
	s = x.subscribe(b)
	consume(b, s, b.N, 1)
	b.StopTimer()
	report(b, raw)
	require.NoError(b, s.Close(b.Context()))
}

// BenchmarkPublishAndHandle: both at once, against both of the above at once.
func BenchmarkPublishAndHandle(b *testing.B) {
	x := newBench(b)
	c := x.rawStream(b)
	start := time.Now()
	done := make(chan struct{})
	go func() { defer close(done); x.rawConsume(b, c, rawEvents) }()
	x.rawPublish(b, rawEvents)
	<-done
	raw := rawEvents / time.Since(start).Seconds()
	s := x.subscribe(b)
	runtime.GC()
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	wg.Go(func() { consume(b, s, b.N, 1) })
	x.publish(b, b.N)
	wg.Wait()
	b.StopTimer()
	report(b, raw)
	require.NoError(b, s.Close(b.Context()))
}
