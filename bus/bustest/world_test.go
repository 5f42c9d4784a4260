package bustest_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/bustest"
	"github.com/hearken-go/hearken/bus/memory"
)

// server is a bus outside the process, for which a bus in memory stands, so
// that everything can be done to it that a Harness has a hook for.
type server struct {
	*memory.Bus
	away atomic.Bool

	// For faults that all connections of a server have together.
	listed      atomic.Pointer[[]bus.Topic]
	connections atomic.Uint64
}

// conn is a connection to a server.
type conn struct {
	*server
	loseAcks, loseAnswers atomic.Bool
	unanswered            sync.Map // value by key, for a fault

	mu   sync.Mutex
	subs []*member
}

var errAway = errors.New("the server is away")

func (c *conn) self() *conn { return c }

// reply ends a call that took effect.
func (c *conn) reply(ctx context.Context, err error) error {
	if c.loseAnswers.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (c *conn) Publish(ctx context.Context, t bus.Topic, e event.Event) error {
	if c.away.Load() {
		return errAway
	}
	return c.reply(ctx, c.Bus.Publish(ctx, t, e))
}

func (c *conn) Subscribe(ctx context.Context, g bus.Group) (bus.Subscription, error) {
	s, err := c.Bus.Subscribe(ctx, g)
	if err != nil {
		return nil, err
	}
	m := &member{Subscription: s, conn: c}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subs = append(c.subs, m)
	return m, nil
}

func (c *conn) Store(ctx context.Context) (bus.Store, error) {
	s, err := c.Bus.Store(ctx)
	return &connStore{s, c}, err
}

// die makes the connection fall silent; the server notices later.
func (c *conn) die() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.subs {
		time.AfterFunc(3*time.Second, func() { _ = m.Subscription.Close(context.Background()) })
	}
}

// cut closes the connection at once.
func (c *conn) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.subs {
		_ = m.Subscription.Close(context.Background())
	}
}

type member struct {
	bus.Subscription
	conn *conn
}

func (m *member) Receive(ctx context.Context) (bus.Delivery, error) {
	d, err := m.Subscription.Receive(ctx)
	if err == nil {
		d.Settler = &lossy{d.Settler, m.conn}
	}
	return d, err
}

// lossy loses acknowledgements on their way.
type lossy struct {
	bus.Settler
	conn *conn
}

func (l *lossy) Ack(ctx context.Context) error {
	if l.conn.loseAcks.Load() {
		return nil
	}
	return l.Settler.Ack(ctx)
}

type connStore struct {
	bus.Store
	conn *conn
}

func (s *connStore) Update(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
	return s.conn.reply(ctx, s.Store.Update(ctx, key, f))
}

// faulty is a bus that does some things otherwise than its connection.
type faulty struct {
	*conn
	publish     func(ctx context.Context, t bus.Topic, e event.Event) error
	subscribe   func(ctx context.Context, g bus.Group) (bus.Subscription, error)
	groups      func(ctx context.Context) ([]bus.GroupInfo, error)
	forget      func(ctx context.Context, name string) error
	deadLetters func(ctx context.Context) (bus.DeadLetterInfo, error)
	store       func(ctx context.Context) (bus.Store, error)
}

func (f *faulty) Publish(ctx context.Context, t bus.Topic, e event.Event) error {
	return f.publish(ctx, t, e)
}

func (f *faulty) Subscribe(ctx context.Context, g bus.Group) (bus.Subscription, error) {
	return f.subscribe(ctx, g)
}
func (f *faulty) Groups(ctx context.Context) ([]bus.GroupInfo, error)       { return f.groups(ctx) }
func (f *faulty) Forget(ctx context.Context, name string) error             { return f.forget(ctx, name) }
func (f *faulty) Store(ctx context.Context) (bus.Store, error)              { return f.store(ctx) }
func (f *faulty) DeadLetters(c context.Context) (bus.DeadLetterInfo, error) { return f.deadLetters(c) }

func connOf(b bus.Bus) *conn { return b.(interface{ self() *conn }).self() }

// world is the harness for such a server, with all hooks. Each connection is
// made faulty by spoil.
func world(spoil func(f *faulty)) bustest.Harness {
	connect := func(s *server) bus.Bus {
		c := &conn{server: s}
		f := &faulty{c, c.Publish, c.Subscribe, c.Groups, c.Forget, c.DeadLetters, c.Store}
		spoil(f)
		return f
	}
	open := func(b *memory.Bus) bus.Bus { return connect(&server{Bus: b}) }
	return bustest.Harness{
		Open:    func(testing.TB) bus.Bus { return open(&memory.Bus{MaxBytes: 1 << 20}) },
		Small:   func(_ testing.TB, n int) bus.Bus { return open(&memory.Bus{MaxEvents: n, MaxDeadLetters: n}) },
		Connect: func(_ testing.TB, b bus.Bus) bus.Bus { return connect(connOf(b).server) },
		Kill:    func(_ testing.TB, b bus.Bus) { connOf(b).die() },
		Crash: func(_ testing.TB, b bus.Bus) bus.Bus {
			connOf(b).cut()
			return connect(connOf(b).server)
		},
		Outage: func(_ testing.TB, b bus.Bus, during func()) {
			connOf(b).away.Store(true)
			defer connOf(b).away.Store(false)
			during()
		},
		LoseAcks:      func(_ testing.TB, b bus.Bus, lose bool) { connOf(b).loseAcks.Store(lose) },
		LoseAnswers:   func(_ testing.TB, b bus.Bus, lose bool) { connOf(b).loseAnswers.Store(lose) },
		TooLarge:      1 << 20,
		TooLargeValue: 1<<20 + 1,
		DedupeWindow:  2 * time.Minute,
		Bubble:        true,
	}
}
