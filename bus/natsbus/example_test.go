package natsbus_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A bus on a cluster. That it needs a server is why this example is not run;
// package embedded has one that is.
func ExampleOpen() {
	ctx := context.Background()
	nc, err := nats.Connect("nats://localhost:4222", nats.MaxReconnects(-1))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nc.Close()
	b, err := natsbus.Open(ctx, nc, natsbus.Config{Name: "orders", Replicas: 3, MaxBytes: 10 << 30})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() {
		if err := b.Close(ctx); err != nil {
			fmt.Println(err)
		}
	}()
}

func ExampleMismatchError() {
	var err error = &natsbus.MismatchError{
		Stream: "orders", Field: "Storage", Have: jetstream.MemoryStorage, Want: jetstream.FileStorage,
	}
	var mismatch *natsbus.MismatchError
	if errors.As(err, &mismatch) {
		fmt.Println(mismatch)
	}
	// Output: natsbus: stream "orders" exists with Storage Memory, this bus needs File
}
