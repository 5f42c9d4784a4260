package bench

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	watermillnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const watermills = "watermill"

// watermillChannel is Watermill's Go channel in its default setting, which has
// neither back-pressure nor order, without its router.
func watermillChannel(b *testing.B) contestant {
	g := newGoChannel(b)
	messages, err := g.Subscribe(b.Context(), published.Event)
	if err != nil {
		b.Fatal(err)
	}
	return perOperation(watermills, func(n int) error {
		failed := make(chan error, 1)
		go func() { failed <- publishMessages(g, n) }()
		for range n {
			m := <-messages
			m.Ack()
		}
		return <-failed
	})
}

func newGoChannel(b *testing.B) *gochannel.GoChannel {
	g := gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: buffered}, watermill.NopLogger{})
	b.Cleanup(func() {
		if err := g.Close(); err != nil {
			b.Error(err)
		}
	})
	return g
}

func publishMessages(g *gochannel.GoChannel, n int) error {
	for range n {
		if err := g.Publish(published.Event, message.NewMessage(watermill.NewUUID(), []byte(greeting))); err != nil {
			return err
		}
	}
	return nil
}

// watermillRouter is the same with its router and a handler.
func watermillRouter(b *testing.B) contestant {
	g := newGoChannel(b)
	r, err := message.NewRouter(message.RouterConfig{}, watermill.NopLogger{})
	if err != nil {
		b.Fatal(err)
	}
	handled := newCounter()
	r.AddConsumerHandler("greet", published.Event, g, func(*message.Message) error {
		handled.add()
		return nil
	})
	ended := make(chan error, 1)
	go func() { ended <- r.Run(context.Background()) }()
	<-r.Running()
	b.Cleanup(func() {
		if err := errors.Join(r.Close(), <-ended); err != nil {
			b.Error(err)
		}
	})
	return perOperation(watermills, func(n int) error {
		handled.expect(n)
		if err := publishMessages(g, n); err != nil {
			return err
		}
		return handled.wait(b.Context())
	})
}

// watermillStream is Watermill on a stream like the others, published to by as
// many callers; acknowledgements are not waited for.
func watermillStream(b *testing.B, x *streams) contender {
	_, err := x.raw.js.CreateStream(b.Context(), jetstream.StreamConfig{
		Name: watermills, Subjects: []string{watermills}, Retention: jetstream.InterestPolicy, Discard: jetstream.DiscardNew,
		MaxBytes: roomBytes, Duplicates: dedupeWindow,
	})
	if err != nil {
		b.Fatal(err)
	}
	settings := watermillnats.JetStreamConfig{
		TrackMsgId: true, AckAsync: true, DurablePrefix: watermills,
		SubscribeOptions: []nats.SubOpt{nats.MaxAckPending(-1), nats.ManualAck()},
	}
	marshaler := &watermillnats.NATSMarshaler{}
	pub, err := watermillnats.NewPublisherWithNatsConn(connect(b, x.bus.Server), watermillnats.PublisherPublishConfig{
		Marshaler: marshaler, SubjectCalculator: watermillnats.DefaultSubjectCalculator, JetStream: settings,
	}, watermill.NopLogger{})
	if err != nil {
		b.Fatal(err)
	}
	sub, err := watermillnats.NewSubscriberWithNatsConn(connect(b, x.bus.Server), watermillnats.SubscriberSubscriptionConfig{
		Unmarshaler: marshaler, JetStream: settings, AckWaitTimeout: ackDeadline, CloseTimeout: time.Second,
	}, watermill.NopLogger{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := errors.Join(sub.Close(), pub.Close()); err != nil {
			b.Error(err)
		}
	})
	messages, err := sub.Subscribe(b.Context(), watermills)
	if err != nil {
		b.Fatal(err)
	}
	publish := func(n int) error {
		return inParallel(publishers, n, func(int) error {
			return pub.Publish(watermills, message.NewMessage(watermill.NewUUID(), []byte(greeting)))
		})
	}
	handle := func(n int) error {
		for range n {
			(<-messages).Ack()
		}
		return nil
	}
	return contender{watermills, nothing, timed(both(publish, handle)), func() error { return nil }}
}
