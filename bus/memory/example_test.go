package memory_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
)

func ExampleBus() {
	ctx := context.Background()
	var b memory.Bus
	created := bus.Topic{EventSource: "orders", Event: "created"}
	s, err := b.Subscribe(ctx, bus.Group{Name: "mailer", Topics: []bus.Topic{created}, InFlight: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 { // published twice is stored once
		if err := b.Publish(ctx, created, newEvent("order-17")); err != nil {
			fmt.Println(err)
		}
	}
	for range 2 {
		d, err := s.Receive(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(d.Topic, d.Event.ID(), "attempt", d.Attempt)
		if d.Attempt == 1 {
			err = d.Retry(ctx, time.Millisecond)
		} else {
			err = d.Ack(ctx)
		}
		if err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(s.Close(ctx))
	// Output:
	// orders/created order-17 attempt 1
	// orders/created order-17 attempt 2
	// <nil>
}

// A bus that is full says which group holds most, and that group can be
// forgotten.
func ExampleBus_full() {
	ctx := context.Background()
	b := memory.Bus{MaxEvents: 1}
	created := bus.Topic{EventSource: "orders", Event: "created"}
	s, err := b.Subscribe(ctx, bus.Group{Name: "retired", Topics: []bus.Topic{created}, InFlight: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Close(ctx))
	fmt.Println(b.Publish(ctx, created, newEvent("1")))
	fmt.Println(errors.Is(b.Publish(ctx, created, newEvent("2")), bus.ErrFull))
	fmt.Println(b.Forget(ctx, "retired"))
	fmt.Println(b.Publish(ctx, created, newEvent("2")))
	// Output:
	// <nil>
	// <nil>
	// true
	// <nil>
	// <nil>
}

func ExampleStore() {
	ctx := context.Background()
	var s memory.Store
	for range 3 {
		err := s.Update(ctx, "visits", func(old []byte) ([]byte, error) { return append(old, '|'), nil })
		if err != nil {
			fmt.Println(err)
		}
	}
	visits, err := s.Get(ctx, "visits")
	fmt.Println(string(visits), err)
	// Output: ||| <nil>
}
