package embedded_test

import (
	"context"
	"fmt"
	"os"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
)

// A bus that keeps its events in a folder.
func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	check(err)
	defer os.RemoveAll(dir) //nolint:errcheck // it is temporary

	b, err := embedded.Open(ctx, embedded.Config{Dir: dir})
	check(err)
	greetings := bus.Topic{EventSource: "webhook", Event: "greeting"}
	s, err := b.Subscribe(ctx, bus.Group{Name: "greet", Topics: []bus.Topic{greetings}, InFlight: 10})
	check(err)
	e := event.New()
	e.SetID("1")
	e.SetSource("webhook")
	e.SetType("greeting")
	check(e.SetData(event.ApplicationJSON, map[string]string{"message": "hello"}))
	check(b.Publish(ctx, greetings, e))
	_, err = s.Receive(ctx)
	check(err)
	check(b.Close(ctx)) // before the event is settled

	b, err = embedded.Open(ctx, embedded.Config{Dir: dir})
	check(err)
	s, err = b.Subscribe(ctx, bus.Group{Name: "greet", Topics: []bus.Topic{greetings}, InFlight: 10})
	check(err)
	d, err := s.Receive(ctx)
	check(err)
	fmt.Println(d.Topic, d.Attempt, string(d.Event.Data()))
	check(d.Ack(ctx))
	check(b.Close(ctx))
	// Output: webhook/greeting 2 {"message":"hello"}
}

// The limits of the bus.
func ExampleOpenWith() {
	ctx := context.Background()
	b, err := embedded.OpenWith(ctx, embedded.Config{}, natsbus.Config{Name: "orders", MaxEvents: 1})
	check(err)
	topic := bus.Topic{EventSource: "orders", Event: "created"}
	_, err = b.Subscribe(ctx, bus.Group{Name: "bill", Topics: []bus.Topic{topic}, InFlight: 1})
	check(err)
	for _, id := range []string{"1", "2"} {
		e := event.New()
		e.SetID(id)
		e.SetSource("orders")
		e.SetType("created")
		fmt.Println(b.Publish(ctx, topic, e))
	}
	check(b.Close(ctx))
	// Output:
	// <nil>
	// bus: full: nats: API error: code=503 err_code=10077 description=maximum messages exceeded; group "bill" holds most, 1 events
}

// A server for two buses, and for the tools of NATS.
func ExampleStart() {
	ctx := context.Background()
	s, err := embedded.Start(ctx, embedded.Config{Listen: "127.0.0.1:0"})
	check(err)
	nc, err := s.Connect()
	check(err)
	for _, name := range []string{"orders", "invoices"} {
		b, err := natsbus.Open(ctx, nc, natsbus.Config{Name: name})
		check(err)
		check(b.Close(ctx))
	}
	fmt.Println(s.URL() != "")
	nc.Close()
	check(s.Shutdown(ctx))
	// Output: true
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
