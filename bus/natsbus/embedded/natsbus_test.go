package embedded_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What package natsbus does beyond the contract, against a server.

// newBus returns a bus on a server in memory, and another connection to it.
func newBus(t testing.TB, c natsbus.Config) (*embedded.Bus, *nats.Conn) {
	b, err := embedded.OpenWith(t.Context(), embedded.Config{}, c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close(context.Background())) })
	nc, err := b.Server.Connect()
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	return b, nc
}

func jetStream(t testing.TB, nc *nats.Conn) jetstream.JetStream {
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	return js
}

// A dead member's deliveries come back within five seconds at the defaults, if not
// while the machine stands still.
func TestDeadMemberWithDefaults(t *testing.T) {
	var took []time.Duration
	for len(took) < 3 {
		took = append(took, afterDeath(t))
		if took[len(took)-1] < 5*time.Second {
			return
		}
	}
	t.Errorf("it took %v", took)
}

// afterDeath returns after how long a dead member's delivery came back.
func afterDeath(t *testing.T) time.Duration {
	b, nc := newBus(t, natsbus.Config{})
	other, err := natsbus.Open(t.Context(), nc, natsbus.Config{Storage: jetstream.MemoryStorage})
	require.NoError(t, err)
	dying := subscribe(t, other, "group", created)
	require.NoError(t, b.Publish(t.Context(), created, benchEvent(1)))
	held := receive(t, dying)
	nc.Close()
	_, err = dying.Receive(t.Context())
	require.ErrorIs(t, err, bus.ErrClosed, "the connection is closed for good")
	died := time.Now()
	again := receive(t, subscribe(t, b, "group", created))
	assert.Equal(t, held.Pos, again.Pos)
	took := time.Since(died)
	require.NoError(t, again.Ack(t.Context()))
	require.NoError(t, other.Close(t.Context()))
	return took
}

func TestStreamsAreUpdatedOrRefused(t *testing.T) {
	b, nc := newBus(t, natsbus.Config{})
	_, err := natsbus.Open(t.Context(), nc, natsbus.Config{Storage: jetstream.FileStorage})
	var mismatch *natsbus.MismatchError
	require.ErrorAs(t, err, &mismatch)
	assert.Equal(t, "hearken", mismatch.Stream)
	assert.Equal(t, "Storage", mismatch.Field)

	other, err := natsbus.Open(t.Context(), nc, natsbus.Config{Storage: jetstream.MemoryStorage, MaxEvents: 1})
	require.NoError(t, err)
	subscribe(t, b, "group", created)
	require.NoError(t, b.Publish(t.Context(), created, benchEvent(1)))
	require.ErrorIs(t, b.Publish(t.Context(), created, benchEvent(2)), bus.ErrFull)
	require.NoError(t, other.Close(t.Context()))

	_, err = natsbus.Open(t.Context(), nc, natsbus.Config{Storage: jetstream.MemoryStorage, Replicas: 3})
	require.ErrorAs(t, err, &mismatch)
	assert.Equal(t, "Replicas", mismatch.Field)
	require.Error(t, mismatch.Unwrap())
}

// What others publish in structured mode is an event; what is none is delivered
// raw, with the same identity each time.
func TestEventsOfOthers(t *testing.T) {
	b, nc := newBus(t, natsbus.Config{})
	js := jetStream(t, nc)
	s := subscribe(t, b, "group", created)
	structured := []byte(`{"specversion":"1.0","id":"7","source":"elsewhere","type":"t","data":{"a":1}}`)
	_, err := js.PublishMsg(t.Context(), &nats.Msg{
		Subject: "hearken.events.orders.created", Data: structured, Header: nats.Header{"Content-Type": {event.ApplicationCloudEventsJSON}},
	})
	require.NoError(t, err)
	_, err = js.Publish(t.Context(), "hearken.events.orders.created", []byte("no event"))
	require.NoError(t, err)

	d := receive(t, s)
	require.NoError(t, d.Err)
	assert.Equal(t, "7", d.Event.ID())
	assert.JSONEq(t, `{"a":1}`, string(d.Event.Data()))

	d = receive(t, s)
	require.Error(t, d.Err)
	assert.Equal(t, bus.UndecodableType, d.Event.Type())
	assert.Equal(t, "no event", string(d.Event.Data()))
	require.NoError(t, d.Event.Validate())
	require.NoError(t, d.Retry(t.Context(), 0))
	assert.Equal(t, d.Event.ID(), receive(t, s).Event.ID())
}

// A group of more topics than a server filters quickly takes its source's
// events, and does not show those it did not ask for.
func TestManyTopics(t *testing.T) {
	b, nc := newBus(t, natsbus.Config{})
	var topics []bus.Topic
	for i := range 300 {
		topics = append(topics, bus.Topic{EventSource: "orders", Event: fmt.Sprint("kind", i)})
	}
	s := subscribe(t, b, "group", topics...)
	c, err := firstConsumer(t, jetStream(t, nc))
	require.NoError(t, err)
	assert.Equal(t, []string{"hearken.events.orders.*"}, c.Config.FilterSubjects)

	require.NoError(t, b.Publish(t.Context(), created, benchEvent(1)))
	require.NoError(t, b.Publish(t.Context(), topics[299], benchEvent(2)))
	d := receive(t, s)
	assert.Equal(t, topics[299], d.Topic)
	require.NoError(t, d.Ack(t.Context()))
	requireBacklog(t, b, 0)

	// One that another member adds is delivered to this one too.
	subscribe(t, b, "group", created).Close(t.Context())
	require.NoError(t, b.Publish(t.Context(), created, benchEvent(3)))
	assert.Equal(t, created, receive(t, s).Topic)
}

func requireBacklog(t *testing.T, b bus.Groups, want int) {
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		groups, err := b.Groups(t.Context())
		require.NoError(c, err)
		require.Len(c, groups, 1)
		assert.Equal(c, want, groups[0].Backlog)
	}, time.Minute, 10*time.Millisecond)
}

func firstConsumer(t *testing.T, js jetstream.JetStream) (*jetstream.ConsumerInfo, error) {
	st, err := js.Stream(t.Context(), "hearken")
	if err != nil {
		return nil, err
	}
	list := st.ListConsumers(t.Context())
	var first *jetstream.ConsumerInfo
	for info := range list.Info() {
		first = info
	}
	return first, list.Err()
}

// The floor of such a group passes what another group keeps of the events that
// come to it with the wildcard, and asks by the wildcard what is left.
func TestFloorOfManyTopics(t *testing.T) {
	b, _ := newBus(t, natsbus.Config{})
	subscribe(t, b, "retired", created)
	var topics []bus.Topic
	for i := range 300 {
		topics = append(topics, bus.Topic{EventSource: "orders", Event: fmt.Sprint("kind", i)})
	}
	s := subscribe(t, b, "group", topics...)
	require.NoError(t, b.Publish(t.Context(), created, benchEvent(1)))
	require.NoError(t, b.Publish(t.Context(), topics[7], benchEvent(2)))
	require.NoError(t, b.Publish(t.Context(), created, benchEvent(3)))
	d := receive(t, s)
	floorTo := func(seq uint64) {
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			f, err := s.Floor(t.Context())
			require.NoError(c, err)
			assert.Equal(c, map[string]uint64{d.Pos.Log: seq}, f.Logs)
		}, time.Minute, 5*time.Millisecond)
	}
	floorTo(1)
	require.NoError(t, d.Ack(t.Context()))
	floorTo(3)
}

// Members that add topics at the same time lose none of them.
func TestMembersWidenAtOnce(t *testing.T) {
	const members = 12
	b, nc := newBus(t, natsbus.Config{})
	subscribe(t, b, "group", created)
	var wg sync.WaitGroup
	for i := range members {
		wg.Go(func() {
			s, err := b.Subscribe(t.Context(), bus.Group{
				Name: "group", Topics: []bus.Topic{{EventSource: "orders", Event: fmt.Sprint("kind", i)}}, InFlight: 1,
			})
			if assert.NoError(t, err) {
				t.Cleanup(func() { _ = s.Close(context.Background()) }) // with the bus
			}
		})
	}
	wg.Wait()
	c, err := firstConsumer(t, jetStream(t, nc))
	require.NoError(t, err)
	assert.Len(t, c.Config.FilterSubjects, members+1)
}

// A topic that was taken from a group by other means is put back by the member
// that lists it.
func TestMemberPutsItsTopicsBack(t *testing.T) {
	b, nc := newBus(t, natsbus.Config{})
	paid := bus.Topic{EventSource: "orders", Event: "paid"}
	s := subscribe(t, b, "group", created, paid)
	js := jetStream(t, nc)
	c, err := firstConsumer(t, js)
	require.NoError(t, err)
	c.Config.FilterSubjects = []string{"hearken.events.orders.created"}
	c.Config.Metadata["hearken-topics"] = "orders.created"
	_, err = js.UpdateConsumer(t.Context(), "hearken", c.Config)
	require.NoError(t, err)
	require.EventuallyWithT(t, func(ct *assert.CollectT) {
		c, err := firstConsumer(t, js)
		require.NoError(ct, err)
		assert.Len(ct, c.Config.FilterSubjects, 2)
	}, time.Minute, 50*time.Millisecond)
	require.NoError(t, b.Publish(t.Context(), paid, benchEvent(1)))
	assert.Equal(t, paid, receive(t, s).Topic)
}

// A member that holds all it may is told as well that its group is forgotten.
func TestForgottenWhileFull(t *testing.T) {
	b, _ := newBus(t, natsbus.Config{})
	s, err := b.Subscribe(t.Context(), bus.Group{Name: "group", Topics: []bus.Topic{created}, InFlight: 1})
	require.NoError(t, err)
	require.NoError(t, b.Publish(t.Context(), created, benchEvent(1)))
	receive(t, s)
	require.NoError(t, b.Forget(t.Context(), "group"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = s.Receive(ctx)
	require.ErrorIs(t, err, bus.ErrClosed)
	require.NoError(t, s.Close(t.Context()))
}

// With one place in flight a group still gets both events and dead letters.
func TestOnePlaceForTwoStreams(t *testing.T) {
	b, _ := newBus(t, natsbus.Config{})
	letters := bus.Topic{EventSource: bus.DeadLetterSource, Event: "greet"}
	s, err := b.Subscribe(t.Context(), bus.Group{Name: "group", Topics: []bus.Topic{created, letters}, InFlight: 1})
	require.NoError(t, err)
	got := map[bus.Topic]int{}
	for i := range 3 {
		require.NoError(t, b.Publish(t.Context(), created, benchEvent(i)))
		require.NoError(t, b.Publish(t.Context(), letters, benchEvent(i)))
	}
	for range 6 {
		d := receive(t, s)
		assert.Equal(t, 1, d.Attempt)
		got[d.Topic]++
		require.NoError(t, d.Ack(t.Context()))
	}
	assert.Equal(t, map[bus.Topic]int{created: 3, letters: 3}, got)
	require.NoError(t, s.Close(t.Context()))
}

// While a server is away Publish fails when its time is over, and works again,
// without a new connection being asked for, once it is back.
func TestPublishWithoutServer(t *testing.T) {
	p := &inProcess{cfg: embedded.Config{Dir: t.TempDir()}}
	p.start(t)
	nc, err := nats.Connect("", nats.InProcessServer(dialer{p}), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0))
	require.NoError(t, err)
	defer nc.Close()
	b, err := natsbus.Open(t.Context(), nc, natsbus.Config{PublishTimeout: 300 * time.Millisecond})
	require.NoError(t, err)
	s := subscribe(t, b, "group", created)

	p.stop(t)
	require.Error(t, b.Publish(t.Context(), created, benchEvent(1)))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, b.Publish(ctx, created, benchEvent(2)), context.DeadlineExceeded)

	patient, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- b.Publish(patient, created, benchEvent(3)) }()
	p.start(t)
	require.NoError(t, <-answer)
	for d := receive(t, s); d.Event.ID() != "3"; d = receive(t, s) { // 1 and 2 may have been stored
		require.NoError(t, d.Ack(t.Context()))
	}
	require.NoError(t, b.Close(t.Context()))
	p.stop(t)
}

type dialer struct{ backend }

// InProcessConn connects to the server that runs now.
func (d dialer) InProcessConn() (net.Conn, error) { return d.dial() }

// Refused publishers are many, and do not each ask the server who holds most.
func TestFullIsQuick(t *testing.T) {
	b, nc := newBus(t, natsbus.Config{MaxEvents: 1})
	require.NoError(t, subscribe(t, b, "holder", created).Close(t.Context()))
	require.NoError(t, b.Publish(t.Context(), created, benchEvent(0)))
	require.Eventually(t, func() bool { // the server's counts come late
		err := b.Publish(t.Context(), created, benchEvent(1))
		return strings.Contains(fmt.Sprint(err), "holder")
	}, time.Minute, time.Millisecond)
	var asked atomic.Int64
	_, err := nc.Subscribe("$JS.API.CONSUMER.LIST.>", func(*nats.Msg) { asked.Add(1) })
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	_, err = b.Groups(t.Context())
	require.NoError(t, err)
	require.Eventually(t, func() bool { return asked.Load() > 0 }, time.Minute, time.Millisecond, "this is how it is asked")
	const publishes = 500
	for i := range publishes {
		require.ErrorIs(t, b.Publish(t.Context(), created, benchEvent(i+1)), bus.ErrFull)
	}
	require.NoError(t, nc.Flush())
	assert.Less(t, asked.Load(), int64(publishes/4), "every two seconds at most")
}

func TestNamesTooLong(t *testing.T) {
	b, _ := newBus(t, natsbus.Config{})
	long := bus.Topic{EventSource: strings.Repeat("x", 3000), Event: "e"}
	require.ErrorIs(t, b.Publish(t.Context(), long, benchEvent(1)), bus.ErrRejected)
	_, err := b.Subscribe(t.Context(), bus.Group{Name: "g", Topics: []bus.Topic{long}, InFlight: 1})
	require.ErrorIs(t, err, bus.ErrRejected)
}

func TestDedupeWindowIsTold(t *testing.T) {
	for want, c := range map[time.Duration]natsbus.Config{
		2 * time.Minute: {},
		time.Second:     {DedupeWindow: time.Second},
	} {
		b, _ := newBus(t, c)
		var d bus.Deduper = b
		assert.Equal(t, want, d.DedupeWindow())
	}
}

func TestGroupMistakes(t *testing.T) {
	b, _ := newBus(t, natsbus.Config{})
	_, err := b.Subscribe(t.Context(), bus.Group{})
	for _, field := range []string{"Name", "Topics", "InFlight"} {
		require.ErrorContains(t, err, "Group."+field)
	}
	groups, err := b.Groups(t.Context())
	require.NoError(t, err)
	assert.Empty(t, groups)
}

// A stream that somebody deletes takes its groups along, which their members are
// told: they would wait for ever, and nobody would know why.
func TestStreamDeletedByAnother(t *testing.T) {
	b, nc := newBus(t, natsbus.Config{})
	s := subscribe(t, b, "group", created)
	require.NoError(t, jetStream(t, nc).DeleteStream(t.Context(), "hearken"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := s.Receive(ctx)
	require.ErrorIs(t, err, bus.ErrClosed)
	require.ErrorContains(t, err, "stream not found")
	_, err = s.Floor(ctx)
	require.ErrorIs(t, err, bus.ErrClosed)
}

// A server before 2.11 takes what it does not know for nothing: a lock whose holder
// died would stay for ever.
func TestServerTooOld(t *testing.T) {
	_, nc := newBus(t, natsbus.Config{})
	answer := func(m *nats.Msg, v map[string]any) {
		text, err := json.Marshal(v)
		assert.NoError(t, err)
		assert.NoError(t, m.Respond(text))
	}
	const api = "$JS.old.API.STREAM."
	_, err := nc.Subscribe(api+"INFO.*", func(m *nats.Msg) {
		answer(m, map[string]any{"error": map[string]any{"code": 404, "err_code": jetstream.JSErrCodeStreamNotFound}})
	})
	require.NoError(t, err)
	for _, request := range []string{"CREATE.*", "UPDATE.*"} {
		_, err = nc.Subscribe(api+request, func(m *nats.Msg) {
			var c map[string]any
			assert.NoError(t, json.Unmarshal(m.Data, &c))
			delete(c, "allow_msg_ttl")
			answer(m, map[string]any{"config": c})
		})
		require.NoError(t, err)
	}
	_, err = natsbus.Open(t.Context(), nc, natsbus.Config{Domain: "old"})
	require.ErrorContains(t, err, "2.11")
}

func TestConnectionWithoutServer(t *testing.T) {
	nc, err := nats.Connect("nats://127.0.0.1:1", nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1))
	require.NoError(t, err)
	defer nc.Close()
	_, err = natsbus.Open(t.Context(), nc, natsbus.Config{})
	require.ErrorContains(t, err, "has not reached a server")
}

// Publish sends nothing again that the server would not recognise, however long
// it may wait: the event would be stored twice.
func TestPublishRepeatsWithinTheWindow(t *testing.T) {
	p := &inProcess{}
	p.start(t)
	defer p.stop(t)
	r := &rig{backend: p, cfg: natsbus.Config{Storage: jetstream.MemoryStorage, DedupeWindow: time.Second, PublishTimeout: 5 * time.Second}}
	l := &lab{}
	b := l.connect(t, r)
	s := subscribe(t, b, "group", created)
	l.of(b).losses.answers.Store(true)
	require.Error(t, b.Publish(t.Context(), created, benchEvent(1)))
	l.of(b).losses.answers.Store(false)
	groups, err := b.(bus.Groups).Groups(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, groups[0].Backlog)
	require.NoError(t, s.Close(t.Context()))
	require.NoError(t, b.(*natsbus.Bus).Close(t.Context()))
}

// Once the connection is closed no answer comes, and Publish does not wait for it.
func TestConnectionClosedWhilePublishing(t *testing.T) {
	b, nc := newBus(t, natsbus.Config{})
	lost, err := natsbus.Open(t.Context(), nc, natsbus.Config{Storage: jetstream.MemoryStorage})
	require.NoError(t, err)
	subscribe(t, b, "group", created)
	require.NoError(t, jetStream(t, nc).DeleteStream(t.Context(), "hearken")) // so that nobody answers
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- lost.Publish(ctx, created, benchEvent(1)) }()
	time.AfterFunc(100*time.Millisecond, nc.Close)
	begun := time.Now()
	require.ErrorIs(t, <-answer, bus.ErrClosed)
	assert.Less(t, time.Since(begun), 30*time.Second)
	require.NoError(t, lost.Close(t.Context()))
}

// A bus that is closed makes no group: nobody would settle its events, and in time
// it would fill the bus.
func TestClosedBusMakesNoGroup(t *testing.T) {
	b, nc := newBus(t, natsbus.Config{})
	closed, err := natsbus.Open(t.Context(), nc, natsbus.Config{Storage: jetstream.MemoryStorage})
	require.NoError(t, err)
	require.NoError(t, closed.Close(t.Context()))
	_, err = closed.Subscribe(t.Context(), bus.Group{Name: "late", Topics: []bus.Topic{created}, InFlight: 1})
	require.ErrorIs(t, err, bus.ErrClosed)
	groups, err := b.Groups(t.Context())
	require.NoError(t, err)
	assert.Empty(t, groups)
}

// Members come while their bus is closed: each is refused, or closed with it.
func TestSubscribeWhileTheBusCloses(t *testing.T) {
	_, nc := newBus(t, natsbus.Config{})
	for range 10 {
		b, err := natsbus.Open(t.Context(), nc, natsbus.Config{Storage: jetstream.MemoryStorage})
		require.NoError(t, err)
		var joined atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				var err error
				for ; err == nil; joined.Add(1) {
					_, err = b.Subscribe(t.Context(), bus.Group{Name: fmt.Sprint(i), Topics: []bus.Topic{created}, InFlight: 1})
				}
				assert.ErrorIs(t, err, bus.ErrClosed)
			})
		}
		require.Eventually(t, func() bool { return joined.Load() > 8 }, time.Minute, time.Millisecond)
		require.NoError(t, b.Close(t.Context()))
		wg.Wait()
	}
}

// The store asks again when an answer is lost, rather than wait for it as long as
// its caller would.
func TestStoreAsksAgain(t *testing.T) {
	l := &lab{newBackend: func(testing.TB) backend { return &inProcess{} }}
	b := l.open(t, natsbus.Config{Storage: jetstream.MemoryStorage})
	storer, ok := b.(bus.Storer)
	require.True(t, ok)
	s, err := storer.Store(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	set := func(v []byte) func() error {
		return func() error { return s.Update(ctx, "key", func([]byte) ([]byte, error) { return v, nil }) }
	}
	for _, tt := range []struct {
		name string
		call func() error
	}{
		{"update", set([]byte("1"))},
		{"get", func() error { _, err := s.Get(ctx, "key"); return err }},
		{"delete", set(nil)},
	} {
		losses := l.of(b).losses
		before := losses.unanswered.Load()
		losses.answers.Store(true)
		began := time.Now()
		called := make(chan error, 1)
		go func() { called <- tt.call() }()
		require.Eventually(t, func() bool { return losses.unanswered.Load() > before }, time.Minute, time.Millisecond, tt.name)
		losses.answers.Store(false)
		require.NoError(t, <-called, tt.name)
		assert.Less(t, time.Since(began), 40*time.Second, tt.name)
	}
	v, err := s.Get(ctx, "key")
	require.NoError(t, err)
	assert.Nil(t, v)
}

// What is handed back just before the server stops comes at its next start, and
// not AckWait later.
func TestRetryBeforeTheServerStops(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
	defer cancel()
	dir := t.TempDir()
	open := func() (*embedded.Bus, bus.Subscription) {
		b, err := embedded.OpenWith(ctx, embedded.Config{Dir: dir}, natsbus.Config{AckWait: time.Minute})
		require.NoError(t, err)
		s, err := b.Subscribe(ctx, bus.Group{Name: "group", Topics: []bus.Topic{created}, InFlight: 40})
		require.NoError(t, err)
		return b, s
	}
	receive := func(s bus.Subscription) (ds []bus.Delivery) {
		for len(ds) < 40 {
			d, err := s.Receive(ctx)
			require.NoError(t, err, "after %d", len(ds))
			ds = append(ds, d)
		}
		return ds
	}
	b, s := open()
	require.NoError(t, publishAll(ctx, b, 40))
	for _, d := range receive(s) {
		require.NoError(t, d.Retry(ctx, 0))
	}
	require.NoError(t, b.Close(ctx))
	b, s = open()
	receive(s)
	require.NoError(t, b.Close(ctx))
}

// Everything published before a SIGKILL of the server is there after it, once
// or, if it was settled in the last moments, again at the same position.
func TestKillWhilePublishing(t *testing.T) {
	p := &process{dir: t.TempDir()}
	p.start(t)
	nc, err := nats.Connect("", nats.InProcessServer(dialer{p}), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0))
	require.NoError(t, err)
	defer nc.Close()
	b, err := natsbus.Open(t.Context(), nc, natsbus.Config{AckWait: time.Second})
	require.NoError(t, err)
	s := subscribe(t, b, "group", created)

	const n = 10_000
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	errs := make(chan error, 1)
	go func() { errs <- publishAll(ctx, b, n) }()
	places := map[string]bus.Pos{}
	for len(places) < n {
		d, err := s.Receive(ctx)
		require.NoError(t, err)
		if at, again := places[d.Event.ID()]; again {
			require.Equal(t, at, d.Pos, "event %s was stored twice", d.Event.ID())
		}
		places[d.Event.ID()] = d.Pos
		require.NoError(t, d.Ack(ctx))
		if len(places) == n/2 {
			p.stop(t)
			p.start(t)
		}
	}
	require.NoError(t, <-errs)
	require.NoError(t, b.Close(ctx))
	p.stop(t)
}

func publishAll(ctx context.Context, b bus.Bus, n int) error {
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() {
			for id := i; id < n && errs[i] == nil; id += len(errs) {
				errs[i] = b.Publish(ctx, created, benchEvent(id))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
