// Command jetstream is the least that a durable way from a webhook to a sink can
// cost: a JetStream in the process, on files; the handler publishes and waits
// for the acknowledgement; workers consume, filter, post and acknowledge.
package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hearken-go/hearken/bench/internal/child"
)

func main() { os.Exit(child.Run(serve)) }

func serve(ctx context.Context, l net.Listener, c child.Config) error {
	srv, err := server.NewServer(&server.Options{
		JetStream: true, StoreDir: c.Dir, SyncInterval: time.Second, DontListen: true, NoLog: true, NoSigs: true, NoSystemAccount: true,
	})
	if err != nil {
		return err
	}
	srv.Start()
	defer srv.Shutdown()
	if !srv.ReadyForConnections(10 * time.Second) {
		return errors.New("the server does not start")
	}
	nc, err := nats.Connect("", nats.InProcessServer(srv))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	stop, err := consume(ctx, js, c)
	if err != nil {
		return err
	}
	defer stop()
	return child.ServeHTTP(ctx, l, publisher{js})
}

const subject = "events.webhook.greeting"

type publisher struct{ js jetstream.JetStream }

func (p publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if _, err := p.js.Publish(r.Context(), subject, body); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "success")
}

// consume starts the workers. The stream is as Hearken's: what is not consumed
// yet is kept, and a full one refuses.
func consume(ctx context.Context, js jetstream.JetStream, c child.Config) (stop func(), err error) {
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "events", Subjects: []string{"events.>"}, Retention: jetstream.InterestPolicy, Discard: jetstream.DiscardNew, MaxBytes: 1 << 30,
	})
	if err != nil {
		return nil, err
	}
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "sensor", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: -1,
	})
	if err != nil {
		return nil, err
	}
	sink := child.NewPoster(c.Sink, max(64, c.Workers))
	messages := make(chan jetstream.Msg)
	var workers sync.WaitGroup
	for range c.Workers {
		workers.Go(func() {
			for m := range messages {
				if child.Wanted(m.Data()) && sink.Post(ctx, m.Data()) != nil {
					_ = m.NakWithDelay(time.Second)
					continue
				}
				_ = m.Ack() // unheard it is delivered again
			}
		})
	}
	consuming, err := consumer.Consume(func(m jetstream.Msg) { messages <- m }, jetstream.PullMaxMessages(512))
	if err != nil {
		return nil, err
	}
	return func() {
		consuming.Stop()
		<-consuming.Closed()
		close(messages)
		workers.Wait()
	}, nil
}
