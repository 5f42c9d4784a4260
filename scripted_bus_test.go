package hearken_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
)

// scriptedBus is a bus whose deliveries a test makes by hand, and whose
// settlements it sees. What is published is kept and delivered to nobody.
type scriptedBus struct {
	deliveries chan bus.Delivery

	mu         sync.Mutex
	published  []publication
	settled    []settlement
	publishErr error
	receiveErr error
	subscrErr  error
	settleErr  error
	groups     []bus.Group
	closed     int
	floor      bus.Floor // zero: of a group that has settled nothing
	floorErr   error
	journal    func(string) // not nil: is told of settlements too
}

type publication struct {
	Topic bus.Topic
	Event hearken.Event
}

type settlement struct {
	Pos   bus.Pos
	Ack   bool
	After time.Duration
}

func newScriptedBus() *scriptedBus { return &scriptedBus{deliveries: make(chan bus.Delivery, 64)} }

// deliver makes a delivery whose settlement is recorded.
func (b *scriptedBus) deliver(d bus.Delivery) {
	d.Settler = scriptedSettler{b, d.Pos}
	if d.Attempt == 0 {
		d.Attempt = 1
	}
	b.deliveries <- d
}

func (b *scriptedBus) Publish(_ context.Context, t bus.Topic, e hearken.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.publishErr != nil {
		return b.publishErr
	}
	b.published = append(b.published, publication{t, e})
	return nil
}

func (b *scriptedBus) failPublish(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.publishErr = err
}

func (b *scriptedBus) failReceive(err error) {
	b.mu.Lock()
	b.receiveErr = err
	b.mu.Unlock()
	b.deliveries <- bus.Delivery{} // wakes Receive
}

func (b *scriptedBus) failSubscribe(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subscrErr = err
}

func (b *scriptedBus) publications() []publication {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]publication(nil), b.published...)
}

func (b *scriptedBus) settlements() []settlement {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]settlement(nil), b.settled...)
}

func (b *scriptedBus) Subscribe(_ context.Context, g bus.Group) (bus.Subscription, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subscrErr != nil {
		return nil, b.subscrErr
	}
	b.groups = append(b.groups, g)
	return scriptedSubscription{b}, nil
}

type scriptedSubscription struct{ *scriptedBus }

func (s scriptedSubscription) Receive(ctx context.Context) (bus.Delivery, error) {
	select {
	case d := <-s.deliveries:
		s.mu.Lock()
		defer s.mu.Unlock()
		err := s.receiveErr
		s.receiveErr = nil
		return d, err
	case <-ctx.Done():
		return bus.Delivery{}, ctx.Err()
	}
}

func (s scriptedSubscription) Floor(ctx context.Context) (bus.Floor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.floor, errors.Join(s.floorErr, ctx.Err())
}

func (b *scriptedBus) setFloor(f bus.Floor) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.floor = f
}

func (s scriptedSubscription) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed++
	return nil
}

type scriptedSettler struct {
	*scriptedBus
	pos bus.Pos
}

func (s scriptedSettler) Ack(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled = append(s.settled, settlement{Pos: s.pos, Ack: true})
	if s.journal != nil {
		s.journal(fmt.Sprintf("ack %d", s.pos.Seq))
	}
	return s.settleErr
}

func (s scriptedSettler) Retry(_ context.Context, after time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled = append(s.settled, settlement{Pos: s.pos, After: after})
	return nil
}
