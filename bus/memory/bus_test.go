package memory_test

import (
	"context"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func created() bus.Topic { return bus.Topic{EventSource: "orders", Event: "created"} }
func letters() bus.Topic { return bus.Topic{EventSource: bus.DeadLetterSource, Event: "greet"} }

func newEvent(id string) event.Event {
	e := event.New()
	e.SetID(id)
	e.SetSource("orders")
	e.SetType("order")
	e.DataEncoded = []byte(`{"total": 1}`)
	return e
}

func subscribe(t *testing.T, b bus.Bus, name string, topics ...bus.Topic) bus.Subscription {
	t.Helper()
	s, err := b.Subscribe(t.Context(), bus.Group{Name: name, Topics: topics, InFlight: 10})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close(context.WithoutCancel(t.Context()))) })
	return s
}

func publish(t *testing.T, b bus.Bus, to bus.Topic, ids ...string) {
	t.Helper()
	for _, id := range ids {
		require.NoError(t, b.Publish(t.Context(), to, newEvent(id)))
	}
}

func receive(t *testing.T, s bus.Subscription) bus.Delivery {
	t.Helper()
	d, err := s.Receive(t.Context())
	require.NoError(t, err)
	return d
}

func settle(t *testing.T, s bus.Subscription, ids ...string) {
	t.Helper()
	for _, id := range ids {
		d := receive(t, s)
		require.Equal(t, id, d.Event.ID())
		require.NoError(t, d.Ack(t.Context()))
	}
}

func TestFullSaysWhoHoldsMost(t *testing.T) {
	b := &memory.Bus{MaxEvents: 3}
	live := subscribe(t, b, "live", created())
	require.NoError(t, subscribe(t, b, "retired", created(), letters()).Close(t.Context()))
	publish(t, b, letters(), "1", "2", "3", "4", "5")
	publish(t, b, created(), "1", "2", "3")
	settle(t, live, "1")
	err := b.Publish(t.Context(), created(), newEvent("4"))
	require.ErrorIs(t, err, bus.ErrFull)
	assert.EqualError(t, err, "bus: full: 3 events of 3108 bytes are stored, MaxEvents is 3 and MaxBytes 268435456; "+
		`group "retired" holds most of them: 3`)
}

func TestFullByBytes(t *testing.T) {
	b := &memory.Bus{MaxBytes: 10_000}
	s := subscribe(t, b, "group", created())
	big := func(id string, size int) error {
		e := newEvent(id)
		e.DataEncoded = make([]byte, size)
		return b.Publish(t.Context(), created(), e)
	}
	require.NoError(t, big("1", 5000))
	assert.ErrorIs(t, big("2", 5000), bus.ErrFull)
	assert.EqualError(t, big("3", 9000), "bus: rejected: 10024 bytes, MaxBytes is 10000")
	settle(t, s, "1")
	assert.NoError(t, big("2", 5000))
	settle(t, s, "2")
}

func TestSubscribeRefusesMistakes(t *testing.T) {
	for _, tt := range []struct {
		group bus.Group
		want  string
	}{
		{bus.Group{Topics: []bus.Topic{created()}, InFlight: 1}, "memory: the group has no name"},
		{bus.Group{Name: "g", InFlight: 1}, `memory: group "g" has no topic`},
		{bus.Group{Name: "g", Topics: []bus.Topic{created()}}, `memory: group "g" has InFlight 0, want 1 or more`},
		{bus.Group{}, "memory: the group has no name\nmemory: group \"\" has no topic\nmemory: group \"\" has InFlight 0, want 1 or more"},
	} {
		var b memory.Bus
		_, err := b.Subscribe(t.Context(), tt.group)
		assert.EqualError(t, err, tt.want)
		infos, err := b.Groups(t.Context())
		require.NoError(t, err)
		assert.Empty(t, infos)
	}
}

func TestEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var b memory.Bus
	s := subscribe(t, &b, "group", created())
	assert.ErrorIs(t, b.Publish(ctx, created(), newEvent("1")), context.Canceled)
	_, err := b.Subscribe(ctx, bus.Group{Name: "g", Topics: []bus.Topic{created()}, InFlight: 1})
	assert.ErrorIs(t, err, context.Canceled)
	publish(t, &b, created(), "1")
	_, err = s.Receive(ctx)
	assert.ErrorIs(t, err, context.Canceled)
	settle(t, s, "1")
}

func TestTopicListedTwiceCountsOnce(t *testing.T) {
	var b memory.Bus
	s := subscribe(t, &b, "group", created(), created())
	publish(t, &b, created(), "1")
	settle(t, s, "1")
	other := subscribe(t, &b, "group", letters())
	require.NoError(t, s.Close(t.Context()))
	infos, err := b.Groups(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []bus.Topic{letters()}, infos[0].Topics, "the twice listed topic is given up with its only member")
	require.NoError(t, other.Close(t.Context()))
}

func TestLogsOfTwoBusesDiffer(t *testing.T) {
	var one, two memory.Bus
	s1, s2 := subscribe(t, &one, "group", created()), subscribe(t, &two, "group", created())
	publish(t, &one, created(), "1")
	publish(t, &two, created(), "1")
	d1, d2 := receive(t, s1), receive(t, s2)
	assert.NotEqual(t, d1.Pos.Log, d2.Pos.Log)
	assert.Equal(t, d1.Pos.Seq, d2.Pos.Seq)
}

// TestTriggerMayPublishIntoItsOwnFullBus stands for a trigger that emits into
// the bus that it is fired from, while all its places and all room are taken.
func TestTriggerMayPublishIntoItsOwnFullBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &memory.Bus{MaxEvents: 2}
		s, err := b.Subscribe(t.Context(), bus.Group{Name: "group", Topics: []bus.Topic{created()}, InFlight: 1})
		require.NoError(t, err)
		publish(t, b, created(), "1", "2")
		d := receive(t, s)
		assert.ErrorIs(t, b.Publish(t.Context(), created(), newEvent("3")), bus.ErrFull)
		require.NoError(t, d.Ack(t.Context()))
		assert.NoError(t, b.Publish(t.Context(), created(), newEvent("3")))
		settle(t, s, "2", "3")
	})
}

func TestRetryIsDueToTheNanosecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b memory.Bus
		s := subscribe(t, &b, "group", created())
		publish(t, &b, created(), "a", "b", "c")
		begun := time.Now()
		for _, after := range []time.Duration{30 * 24 * time.Hour, time.Millisecond, time.Hour} {
			require.NoError(t, receive(t, s).Retry(t.Context(), after))
		}
		for _, want := range []struct {
			id    string
			after time.Duration
		}{{"b", time.Millisecond}, {"c", time.Hour}, {"a", 30 * 24 * time.Hour}} {
			settle(t, s, want.id)
			assert.Equal(t, want.after, time.Since(begun), want.id)
		}
	})
}

// TestDedupeWindow walks along both edges of the window.
func TestRetryInTheFarFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(memory.Bus)
		s := subscribe(t, b, "greet", created())
		time.Sleep(time.Hour)
		publish(t, b, created(), "never", "soon")
		require.NoError(t, receive(t, s).Retry(t.Context(), math.MaxInt64))
		require.NoError(t, receive(t, s).Retry(t.Context(), time.Minute))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		d, err := s.Receive(ctx)
		require.NoError(t, err)
		assert.Equal(t, "soon", d.Event.ID())
		_, err = s.Receive(ctx)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestValidate(t *testing.T) {
	assert.NoError(t, new(memory.Bus).Validate())
	b := &memory.Bus{MaxEvents: -1, MaxBytes: -1, MaxDeadLetters: -1, DeadLetterAge: -1, DedupeWindow: -1, MaxIdentities: -1}
	p := &hearken.Pipeline{Name: "p", Bus: b, EventSources: []*hearken.EventSource{{Name: "a", Event: "b"}}}
	assert.EqualError(t, p.Validate(), `Bus: MaxEvents is negative; zero means the usual
Bus: MaxBytes is negative; zero means the usual
Bus: MaxDeadLetters is negative; zero means the usual
Bus: DeadLetterAge is negative; zero means the usual
Bus: DedupeWindow is negative; zero means the usual
Bus: MaxIdentities is negative; zero means the usual`)
}

func TestDedupeWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &memory.Bus{DedupeWindow: time.Minute}
		s := subscribe(t, b, "group", created())
		publish(t, b, created(), "1")
		settle(t, s, "1")
		time.Sleep(time.Minute - 1)
		publish(t, b, created(), "1", "other")
		settle(t, s, "other")
		time.Sleep(time.Nanosecond)
		publish(t, b, created(), "1", "1")
		settle(t, s, "1")
		time.Sleep(time.Minute - 1)
		publish(t, b, created(), "1", "last")
		settle(t, s, "last")
	})
}

func TestDedupeRemembersTheLatest(t *testing.T) {
	b := &memory.Bus{MaxIdentities: 100}
	s := subscribe(t, b, "group", created())
	for i := range 1000 {
		id := strconv.Itoa(i)
		publish(t, b, created(), id)
		settle(t, s, id)
	}
	publish(t, b, created(), "900", "999", "899")
	settle(t, s, "899")
}

func TestDeadLettersAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &memory.Bus{DeadLetterAge: time.Hour}
		publish(t, b, letters(), "1")
		time.Sleep(time.Hour)
		publish(t, b, letters(), "2")
		s := subscribe(t, b, "early", letters())
		held := receive(t, s)
		require.NoError(t, receive(t, s).Retry(t.Context(), 30*time.Minute))
		time.Sleep(time.Nanosecond)
		info, err := b.DeadLetters(t.Context())
		require.NoError(t, err)
		assert.Equal(t, bus.DeadLetterInfo{Kept: 1, Dropped: 1}, info)
		require.NoError(t, held.Retry(t.Context(), 0), "what was dropped while it was held does not come again")
		settle(t, subscribe(t, b, "late", letters()), "2")
		settle(t, s, "2")
		time.Sleep(2 * time.Hour)
		info, err = b.DeadLetters(t.Context())
		require.NoError(t, err)
		assert.Equal(t, bus.DeadLetterInfo{Dropped: 2}, info)
	})
}

// TestDroppedLettersLeaveEveryGroup drops letters that are ready, held and
// delayed in different groups.
func TestDroppedLettersLeaveEveryGroup(t *testing.T) {
	b := &memory.Bus{MaxDeadLetters: 3}
	held, delayed := subscribe(t, b, "held", letters()), subscribe(t, b, "delayed", letters())
	require.NoError(t, subscribe(t, b, "ready", letters()).Close(t.Context()))
	publish(t, b, letters(), "1", "2", "3")
	first := receive(t, held)
	require.NoError(t, receive(t, delayed).Retry(t.Context(), time.Hour))
	publish(t, b, letters(), "4", "5", "6")
	infos, err := b.Groups(t.Context())
	require.NoError(t, err)
	for _, g := range infos {
		assert.Equal(t, 3, g.Backlog, g.Name)
	}
	require.NoError(t, first.Ack(t.Context()))
	for _, s := range []bus.Subscription{held, delayed, subscribe(t, b, "ready", letters())} {
		settle(t, s, "4", "5", "6")
	}
	infos, err = b.Groups(t.Context())
	require.NoError(t, err)
	for _, g := range infos {
		assert.Zero(t, g.Backlog, g.Name)
	}
}

// TestForgetFreesAll forgets a group whose events are ready, held and delayed,
// shared with another group or not.
func TestForgetFreesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &memory.Bus{MaxEvents: 3}
		other := subscribe(t, b, "other", created())
		s := subscribe(t, b, "group", created())
		publish(t, b, created(), "1", "2", "3")
		held := receive(t, s)
		require.NoError(t, receive(t, s).Retry(t.Context(), time.Hour))
		require.NoError(t, b.Forget(t.Context(), "group"))
		assert.ErrorIs(t, held.Ack(t.Context()), bus.ErrClosed)
		assert.ErrorIs(t, b.Publish(t.Context(), created(), newEvent("4")), bus.ErrFull, "the other group still has all")
		settle(t, other, "1", "2", "3")
		publish(t, b, created(), "4", "5", "6")
		settle(t, other, "4", "5", "6")
		again := subscribe(t, b, "group", created())
		time.Sleep(2 * time.Hour)
		publish(t, b, created(), "7")
		settle(t, again, "7")
	})
}

// TestBusyGroup runs all that a group can do at once: publishers, and members
// that come and go, settle, hand back and hold until they leave. What becomes of
// a delivery depends on its attempt, so that all are settled in the end.
func TestBusyGroup(t *testing.T) {
	const publishers, each, members = 4, 500, 4
	var b memory.Bus
	require.NoError(t, subscribe(t, &b, "group", created()).Close(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var settled atomic.Int64
	var all sync.WaitGroup
	for i := range publishers {
		all.Go(func() {
			for n := range each {
				assert.NoError(t, b.Publish(ctx, created(), newEvent(strconv.Itoa(i*each+n))))
			}
		})
	}
	for range members {
		all.Go(func() {
			for settled.Load() < publishers*each && ctx.Err() == nil {
				if !assert.NoError(t, visit(ctx, &b, &settled)) {
					return
				}
			}
		})
	}
	all.Wait()
	infos, err := b.Groups(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, publishers*each, settled.Load(), "settled, each once")
	assert.Zero(t, infos[0].Backlog)
}

// visit joins the group for a few deliveries.
func visit(ctx context.Context, b bus.Bus, settled *atomic.Int64) error {
	s, err := b.Subscribe(ctx, bus.Group{Name: "group", Topics: []bus.Topic{created()}, InFlight: 20})
	if err != nil {
		return err
	}
	for range 20 {
		soon, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		d, err := s.Receive(soon)
		cancel()
		if err != nil {
			break // nothing is ready for now
		}
		number, err := strconv.Atoi(d.Event.ID())
		switch {
		case err != nil:
		case d.Attempt == 1 && number%3 == 0:
			err = d.Retry(ctx, time.Duration(number)*time.Microsecond)
		case d.Attempt <= 2 && number%7 == 0: // held until Close
		default:
			err = d.Ack(ctx)
			settled.Add(1)
		}
		if err != nil {
			return err
		}
	}
	return s.Close(ctx)
}
