package crashtest

import (
	"context"
	"sync/atomic"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/natsbus"
)

// Sabotage is a fault put into the bus of each pipeline, which the ledger must
// find. The zero value is none.
type Sabotage string

const (
	// SettleEarly settles each delivery before anything has fired.
	SettleEarly Sabotage = "settle early"
	// SettleLate hands one in twenty deliveries back that it says are settled.
	SettleLate Sabotage = "settle late"
	// DropEvents loses one in twenty events, which it says are stored.
	DropEvents Sabotage = "drop events"
	// NewIDs publishes one in twenty events once more, under another id.
	NewIDs Sabotage = "new ids"
	// DropLetters loses each dead letter, which it says is stored.
	DropLetters Sabotage = "drop letters"
	// ForgetParts loses one in twenty updates of the store, which it says are
	// made.
	ForgetParts Sabotage = "forget parts"
)

// bus returns b with the fault.
func (s Sabotage) bus(b *natsbus.Bus) bus.Bus {
	if s == "" {
		return b
	}
	return &sabotaged{Bus: b, fault: s}
}

type sabotaged struct {
	*natsbus.Bus
	fault     Sabotage
	published atomic.Uint64
}

func (s *sabotaged) Publish(ctx context.Context, t bus.Topic, e event.Event) error {
	hit := s.published.Add(1)%20 == 0
	switch {
	case t.IsDeadLetters():
		if s.fault == DropLetters {
			return nil
		}
	case hit && s.fault == DropEvents:
		return nil
	case hit && s.fault == NewIDs:
		again := e.Clone()
		again.SetID(e.ID() + "-again")
		if err := s.Bus.Publish(ctx, t, again); err != nil {
			return err
		}
	}
	return s.Bus.Publish(ctx, t, e)
}

func (s *sabotaged) Subscribe(ctx context.Context, g bus.Group) (bus.Subscription, error) {
	sub, err := s.Bus.Subscribe(ctx, g)
	if err != nil {
		return nil, err
	}
	switch s.fault {
	case SettleEarly:
		return settlesEarly{sub}, nil
	case SettleLate:
		return &settlesLate{Subscription: sub}, nil
	}
	return sub, nil
}

type settlesEarly struct{ bus.Subscription }

func (s settlesEarly) Receive(ctx context.Context) (bus.Delivery, error) {
	d, err := s.Subscription.Receive(ctx)
	if err != nil {
		return d, err
	}
	return d, d.Ack(ctx)
}

type settlesLate struct {
	bus.Subscription
	received atomic.Uint64
}

func (s *settlesLate) Receive(ctx context.Context) (bus.Delivery, error) {
	d, err := s.Subscription.Receive(ctx)
	if err == nil && s.received.Add(1)%20 == 0 {
		d.Settler = handsBack{d.Settler}
	}
	return d, err
}

type handsBack struct{ bus.Settler }

func (h handsBack) Ack(ctx context.Context) error { return h.Retry(ctx, 0) }

// Store implements bus.Storer.
func (s *sabotaged) Store(ctx context.Context) (bus.Store, error) {
	store, err := s.Bus.Store(ctx)
	if err != nil || s.fault != ForgetParts {
		return store, err
	}
	return &forgets{Store: store}, nil
}

type forgets struct {
	bus.Store
	updates atomic.Uint64
}

func (f *forgets) Update(ctx context.Context, key string, change func(old []byte) ([]byte, error)) error {
	if f.updates.Add(1)%20 != 0 {
		return f.Store.Update(ctx, key, change)
	}
	old, err := f.Get(ctx, key)
	if err != nil {
		return err
	}
	_, err = change(old)
	return err
}
