package hearken_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nilError is an error whose nil pointer cannot say what it is.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }
func (e *nilError) Unwrap() error { return errors.New(e.text) }

func TestErrorThatPanicsIsDeadLettered(t *testing.T) {
	for name, err := range map[string]error{"a typed nil": (*nilError)(nil), "its text panics": hearken.Permanent(textlessError{})} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(hearken.Action{Trigger: always{err}})
				f.start(t)
				pos := f.deliver("1")
				assert.Equal(t, acked(pos), f.bus.settlements())
				require.Len(t, f.bus.publications(), 1)
				assert.Contains(t, extensions(f.bus.publications()[0].Event)["hearkenerror"], "panicked")
				assert.NoError(t, f.end())
			})
		})
	}
}

func TestSourceWhoseErrorPanicsIsRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int64
		f := newFixture(hearken.Action{Trigger: new(script)})
		f.source.Source = hearken.SourceFunc(func(ctx context.Context, _ hearken.Output) error {
			if runs.Add(1) == 1 {
				return (*nilError)(nil)
			}
			<-ctx.Done()
			return nil
		})
		f.start(t)
		time.Sleep(time.Minute)
		assert.EqualValues(t, 2, runs.Load())
		assert.ErrorContains(t, f.Health().EventSources[0].LastError.Err, "*hearken_test.nilError panicked")
		assert.NoError(t, f.end())
	})
}

// explains is a filter that says no, and why in its own way.
type explains struct {
	filterFunc
	why func(e hearken.Event) string
}

func (x explains) Explain(e hearken.Event) string { return x.why(e) }

func TestExplainThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		no := func(hearken.Event) (bool, error) { return false, nil }
		f := newFixture(hearken.Action{Trigger: new(script)})
		f.dep.Filter = explains{no, func(hearken.Event) string { panic("boom") }}
		out := logged(f, slog.LevelDebug)
		f.start(t)
		pos := f.deliver("1")
		assert.Equal(t, acked(pos), f.bus.settlements())
		assert.Contains(t, out.String(), "Explain panicked: boom")
		assert.NoError(t, f.end())
	})
}

func TestExplainSeesWhatTheFilterSaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script)})
		f.dep.Transform = func(_ context.Context, e hearken.Event) (hearken.Event, error) {
			e = e.Clone()
			e.SetID("transformed")
			return e, nil
		}
		var seen string
		f.dep.Filter = explains{func(hearken.Event) (bool, error) { return false, nil }, func(e hearken.Event) string { seen = e.ID(); return "no" }}
		logged(f, slog.LevelDebug)
		f.start(t)
		f.deliver("1")
		assert.Equal(t, "transformed", seen)
		assert.NoError(t, f.end())
	})
}

func TestSourceThatEndsItsGoroutineIsRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		f := newFixture(hearken.Action{Trigger: new(script)})
		f.source.Source = hearken.SourceFunc(func(context.Context, hearken.Output) error {
			runs.Add(1)
			runtime.Goexit()
			return nil
		})
		f.start(t)
		time.Sleep(time.Hour)
		assert.Greater(t, runs.Load(), int32(50))
		assert.ErrorContains(t, f.Health().EventSources[0].LastError.Err, "Goexit")
		assert.NoError(t, f.end())
	})
}

func TestRunWithAnEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f, _ := overMemory(hearken.Action{Trigger: new(script)})
	assert.NoError(t, f.Run(ctx))
}

func TestEmitThatOutlivesTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script)})
		slow := slowBus{f.bus, make(chan struct{})}
		f.Bus, f.Drain = slow, -1
		f.start(t)
		e, err := hearken.NewEvent("order", "1", 1)
		require.NoError(t, err)
		emitted := make(chan error, 1)
		go func() { emitted <- f.Emit(t.Context(), f.source, e) }()
		synctest.Wait()
		err = f.end()
		assert.ErrorIs(t, err, hearken.ErrDrain)
		assert.ErrorContains(t, err, "1 emits")
		close(slow.release)
		assert.NoError(t, <-emitted)
	})
}

// stuckBus is one whose deliveries cannot be settled before the context ends.
type stuckBus struct{ *scriptedBus }

func (b stuckBus) Subscribe(ctx context.Context, g bus.Group) (bus.Subscription, error) {
	s, err := b.scriptedBus.Subscribe(ctx, g)
	return stuckSubscription{s}, err
}

type stuckSubscription struct{ bus.Subscription }

func (s stuckSubscription) Receive(ctx context.Context) (bus.Delivery, error) {
	d, err := s.Subscription.Receive(ctx)
	d.Settler = stuckSettler{}
	return d, err
}

type stuckSettler struct{}

func (stuckSettler) Ack(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func (stuckSettler) Retry(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() }

func TestSettlingThatHangsDoesNotHangRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: always{hearken.RetryAfter(errBroken, time.Minute)}})
		f.Bus, f.Drain = stuckBus{f.bus}, 5*time.Second
		f.start(t)
		f.deliver("1")
		began := time.Now()
		assert.ErrorIs(t, f.end(), hearken.ErrDrain)
		assert.LessOrEqual(t, time.Since(began), 7*time.Second)
	})
}

// A group that is forgotten and joined anew delivers again what is held: the
// places must not be lost with the subscription that gave them.
func TestPlacesSurviveAForgottenGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const letters = 4
		failing := always{hearken.Permanent(errBroken)}
		handled := &script{answers: []error{hearken.RetryAfter(errBroken, time.Minute), hearken.RetryAfter(errBroken, time.Minute)}}
		f, b := overMemory(hearken.Action{Trigger: failing})
		f.Sensors = append(f.Sensors, hearken.Sensor{Name: "letters", InFlight: 2, Actions: []hearken.Action{{
			When: &hearken.Dependency{EventSource: hearken.DeadLetters("s")}, Trigger: handled,
		}}})
		f.start(t)
		f.emit(t, "1")
		f.emit(t, "2")
		require.NoError(t, b.Forget(t.Context(), "test/letters"))
		synctest.Wait()
		assert.False(t, f.Health().Ready)
		time.Sleep(time.Second)
		assert.True(t, f.Health().Ready, "subscribed again")
		for id := range letters {
			f.emit(t, strings.Repeat("x", id+1))
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		seen := map[string]bool{}
		for _, fi := range handled.fired() {
			e := fi.Events["s"]
			seen[e.ID()] = true
		}
		assert.Len(t, seen, letters+2)
		assert.NoError(t, f.end())
	})
}

func TestTwoLettersOfOneEventAreBothRedriven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &script{answers: []error{hearken.Permanent(errBroken)}}, &script{answers: []error{hearken.Permanent(errBroken)}}
		f, _ := overMemory(hearken.Action{Name: "a", Trigger: a}, hearken.Action{Name: "b", Trigger: b})
		letter := &hearken.Dependency{EventSource: hearken.DeadLetters("*")}
		f.Sensors = append(f.Sensors, hearken.Sensor{Name: "again", Actions: []hearken.Action{{When: letter, Trigger: f.redriving(letter)}}})
		f.start(t)
		f.emit(t, "1")
		assert.Len(t, a.fired(), 2)
		assert.Len(t, b.fired(), 2)
		assert.NoError(t, f.end())
	})
}

func TestRedriveForAnActionThatMovedToAnotherTopic(t *testing.T) {
	letter := dead(t, "moved")
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Name: "stays", Trigger: new(script)}, hearken.Action{Name: "moved", Trigger: new(script)})
		other := &hearken.EventSource{Name: "orders", Event: "other"}
		f.EventSources = append(f.EventSources, other)
		f.Sensors[0].Actions[1].When = &hearken.Dependency{EventSource: other}
		f.start(t)
		require.NoError(t, f.Redrive(t.Context(), letter))
		f.deliver("1", func(d *bus.Delivery) { d.Event = f.bus.publications()[0].Event })
		require.Len(t, f.bus.publications(), 2, "it is a dead letter again")
		assert.NoError(t, f.end())
	})
}

func TestWarningOfDeadLettersOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script), When: &hearken.Dependency{EventSource: hearken.DeadLetters("typo")}})
		out := logged(f, slog.LevelWarn)
		f.start(t)
		assert.Contains(t, out.String(), "of=typo")
		assert.NoError(t, f.end())
	})
}

// brittleBus panics as often as it is told when an event is published.
type brittleBus struct {
	*scriptedBus
	left atomic.Int32
}

func (b *brittleBus) Publish(ctx context.Context, t bus.Topic, e hearken.Event) error {
	if b.left.Add(-1) >= 0 {
		panic("the bus is broken")
	}
	return b.scriptedBus.Publish(ctx, t, e)
}

func TestDeadLetterThatTheBusPanicsAtIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: panicking{}, Retry: hearken.Retry{Attempts: 1}})
		b := &brittleBus{scriptedBus: f.bus}
		b.left.Store(3)
		f.Bus = b
		out := logged(f, slog.LevelError)
		f.start(t)
		pos := f.deliver("1")
		assert.Empty(t, f.bus.settlements())
		assert.Equal(t, 1, f.Health().Sensors[0].Unburied)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, acked(pos), f.bus.settlements())
		require.Len(t, f.bus.publications(), 1)
		assert.Contains(t, extensions(f.bus.publications()[0].Event)["hearkenerror"], "trigger panicked")
		assert.NoError(t, f.end())
		assert.Contains(t, out.String(), "(*brittleBus).Publish", "where")
	})
}

// brittleSettler panics when a delivery is settled.
type brittleSettler struct{}

func (brittleSettler) Ack(context.Context) error                  { panic("no ack") }
func (brittleSettler) Retry(context.Context, time.Duration) error { panic("no retry") }

func TestSettlingThatPanicsHoldsUpNobody(t *testing.T) {
	for name, trigger := range map[string]hearken.Trigger{"when done": new(script), "when handed back": always{hearken.RetryAfter(errBroken, time.Minute)}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(hearken.Action{Trigger: trigger})
				out := logged(f, slog.LevelError)
				f.start(t)
				e, err := hearken.NewEvent("order", "1", 1)
				require.NoError(t, err)
				f.bus.deliveries <- bus.Delivery{Topic: topic(), Event: e, Pos: bus.Pos{Log: "log", Seq: 9}, Attempt: 1, Settler: brittleSettler{}}
				synctest.Wait()
				assert.NoError(t, f.end())
				assert.ErrorContains(t, f.Health().Sensors[0].LastError.Err, "settle: the bus panicked: no")
				assert.Contains(t, out.String(), "hearken_test.brittleSettler.", "where")
			})
		})
	}
}

// brittleStore panics at what forgets a firing, as often as it is told.
type brittleStore struct {
	joinStore
	left atomic.Int32
}

func (s *brittleStore) Update(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
	if kindOfKey(key) == "entry" && s.left.Load() > 0 {
		s.left.Add(-1)
		panic("the store is broken")
	}
	return s.joinStore.Update(ctx, key, f)
}

func TestJoinWhoseFiringTheStorePanicsToForgetIsNotDeadLettered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(brittleStore)
		trigger := new(script)
		d := newDeploy(nil, hearken.TriggerFunc(func(ctx context.Context, f hearken.Firing) error {
			store.left.Store(3)
			return trigger.Fire(ctx, f)
		}))
		d.Store = store
		graves := d.graves()
		out := logged(d.fixture, slog.LevelWarn)
		d.start(t)
		d.tell(t, d.image, "i1", "abc")
		d.tell(t, d.tests, "t1", "abc")
		assert.Len(t, trigger.fired(), 1)
		assert.Equal(t, 1, d.Health().Sensors[0].InFlight, "held until the store works")
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Zero(t, d.Health().Sensors[0].InFlight)
		assert.Len(t, trigger.fired(), 1)
		assert.Empty(t, graves.letters())
		assert.NoError(t, d.end())
		assert.Contains(t, out.String(), "(*brittleStore).Update", "where")
	})
}
