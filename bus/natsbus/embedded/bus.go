package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Bus is a bus with a server of its own.
type Bus struct {
	*natsbus.Bus
	// Server is the bus's server, for other buses and connections. It stops
	// with the bus.
	Server *Server

	conn *nats.Conn
}

// Open starts a server and opens a bus on it, with the defaults of
// [natsbus.Config]; without a folder the bus is in memory. Close ends both.
func Open(ctx context.Context, c Config) (*Bus, error) {
	return OpenWith(ctx, c, natsbus.Config{Logger: c.Logger})
}

// OpenWith is Open with settings of the bus. Without a folder its Storage is
// memory, whatever it says.
func OpenWith(ctx context.Context, c Config, bc natsbus.Config) (*Bus, error) {
	s, err := Start(ctx, c)
	if err != nil {
		return nil, err
	}
	conn, err := s.Connect()
	if err != nil {
		return nil, errors.Join(err, s.Shutdown(context.WithoutCancel(ctx)))
	}
	if c.Dir == "" {
		bc.Storage = jetstream.MemoryStorage
	}
	b, err := natsbus.Open(ctx, conn, bc)
	if err != nil {
		conn.Close()
		return nil, errors.Join(err, s.Shutdown(context.WithoutCancel(ctx)))
	}
	return &Bus{Bus: b, Server: s, conn: conn}, nil
}

// Publish implements bus.Bus. When the server keeps silent, the error tells what
// it logged meanwhile: on a disk that is full or fails it does not answer.
func (b *Bus) Publish(ctx context.Context, t bus.Topic, e event.Event) error {
	begun := time.Now()
	err := b.Bus.Publish(ctx, t, e)
	if err == nil || errors.Is(err, bus.ErrFull) || errors.Is(err, bus.ErrRejected) || errors.Is(err, bus.ErrClosed) {
		return err
	}
	if text := b.Server.log.since(begun); text != "" {
		err = fmt.Errorf("%w; the server says: %s", err, text)
	}
	return err
}

// Close closes the bus, its connection and the server, which frees the folder.
func (b *Bus) Close(ctx context.Context) error {
	err := b.Bus.Close(ctx)
	b.conn.Close()
	if err := errors.Join(err, b.Server.Shutdown(ctx)); err != nil {
		return fmt.Errorf("embedded: close: %w", err)
	}
	return nil
}
