package bench

import (
	"context"
	"strconv"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// asyncWindow is how many publications may be unanswered, as PERFORMANCE.md
// says of the limit.
const asyncWindow = 1024

// rawStream is a JetStream stream used by hand: the least that a durable bus can
// cost. Its messages carry the attributes that Hearken's carry, and its settings
// are those of Hearken's.
type rawStream struct {
	js       jetstream.JetStream
	stream   jetstream.Stream
	consumer jetstream.Consumer
	name     string
	last     int // id
}

func newRawStream(ctx context.Context, nc *nats.Conn, name string) (*rawStream, error) {
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(asyncWindow))
	if err != nil {
		return nil, err
	}
	r := &rawStream{js: js, name: name}
	if r.stream, err = js.CreateStream(ctx, jetstream.StreamConfig{
		Name: name, Subjects: []string{name + ".>"}, Retention: jetstream.InterestPolicy, Discard: jetstream.DiscardNew,
		MaxBytes: roomBytes, Duplicates: dedupeWindow,
	}); err != nil {
		return nil, err
	}
	r.consumer, err = r.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "consumer", AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: r.subject(), MaxAckPending: -1,
	})
	return r, err
}

// What the streams of both sides keep, and for how long they recognise a
// repetition: no longer than needed, so that the rounds do not slow each other.
const (
	roomBytes    = 1 << 30
	dedupeWindow = time.Second
)

func (r *rawStream) subject() string { return r.name + ".webhook.greeting" }

// publish publishes n events, the answers awaited together.
func (r *rawStream) publish(n int) error {
	for range n {
		r.last++
		id := strconv.Itoa(r.last)
		if _, err := r.js.PublishMsgAsync(&nats.Msg{Subject: r.subject(), Data: []byte(greeting), Header: nats.Header{
			"ce-specversion": {event.CloudEventsVersionV1}, "ce-id": {id}, "ce-source": {published.EventSource}, "ce-type": {"webhook"},
			"ce-subject": {published.Event}, "ce-datacontenttype": {event.ApplicationJSON}, "ce-time": {"2023-11-14T22:13:20Z"},
			jetstream.MsgIDHeader: {"4bf92f3577b34da6a3ce929d" + id}, // as long as Hearken's
		}}); err != nil {
			return err
		}
	}
	<-r.js.PublishAsyncComplete()
	return nil
}

// consume begins to receive and acknowledge n messages. The first and the last
// end what it returns.
func (r *rawStream) consume(n int) (*consumption, error) {
	c := &consumption{first: make(chan struct{}), last: make(chan struct{})}
	left := n
	var err error
	c.context, err = r.consumer.Consume(func(m jetstream.Msg) {
		if left == n {
			close(c.first)
		}
		_ = m.Ack() // fails when the connection is closed, and then nothing ends
		if left--; left == 0 {
			close(c.last)
		}
	}, jetstream.PullMaxMessages(places))
	return c, err
}

// consumption is what consume has begun.
type consumption struct {
	first, last chan struct{}
	context     jetstream.ConsumeContext
}

func (c *consumption) stop() {
	c.context.Stop()
	<-c.context.Closed()
}

// places is how many deliveries each side holds at most.
const places = 1000

// clear drops what is stored.
func (r *rawStream) clear(ctx context.Context) error {
	return r.stream.Purge(ctx)
}
