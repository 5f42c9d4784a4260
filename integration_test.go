package hearken_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// overMemory makes a fixture's pipeline run over a real bus in memory.
func overMemory(actions ...hearken.Action) (*fixture, *memory.Bus) {
	f, b := newFixture(actions...), &memory.Bus{}
	f.Bus = b
	return f, b
}

// redriving is a trigger that publishes each dead letter back.
func (f *fixture) redriving(letter *hearken.Dependency) hearken.Trigger {
	return hearken.TriggerFunc(func(ctx context.Context, fi hearken.Firing) error {
		e, err := fi.Event(letter)
		if err != nil {
			return err
		}
		return f.Redrive(ctx, e)
	})
}

// emit emits an event and waits until nothing moves.
func (f *fixture) emit(t *testing.T, id string) {
	t.Helper()
	e, err := hearken.NewEvent("order", id, map[string]string{"id": id})
	require.NoError(t, err)
	require.NoError(t, f.Emit(t.Context(), f.source, e))
	synctest.Wait()
}

func TestFailedEventIsRedrivenOnceItCanSucceed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flaky := &script{answers: []error{hearken.Permanent(errBroken)}}
		bystander := new(script)
		f, b := overMemory(hearken.Action{Trigger: flaky})
		letter := &hearken.Dependency{EventSource: hearken.DeadLetters("s")}
		f.Sensors = append(f.Sensors,
			hearken.Sensor{Name: "bystander", Actions: []hearken.Action{{When: f.dep, Trigger: bystander}}},
			hearken.Sensor{Name: "again", Actions: []hearken.Action{{When: letter, Trigger: f.redriving(letter)}}})
		f.start(t)
		f.emit(t, "1")
		require.Len(t, flaky.fired(), 2)
		assert.Len(t, bystander.fired(), 1, "others are not bothered again")
		assert.NotEqual(t, flaky.fired()[0].ID, flaky.fired()[1].ID)
		e := flaky.fired()[1].Events["created"]
		assert.Equal(t, "1", e.ID())
		groups, err := b.Groups(t.Context())
		require.NoError(t, err)
		for _, g := range groups {
			assert.Zero(t, g.Backlog, g.Name)
		}
		assert.NoError(t, f.end())
	})
}

func TestTriggerThatEmitsIntoItsOwnPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const depth = 100
		var f *fixture
		var fired int
		f, _ = overMemory(hearken.Action{Trigger: hearken.TriggerFunc(func(ctx context.Context, _ hearken.Firing) error {
			if fired++; fired == depth {
				return nil
			}
			e, err := hearken.NewEvent("order", fmt.Sprint(fired), 1)
			if err != nil {
				return err
			}
			return f.Emit(ctx, f.source, e)
		})})
		f.Sensors[0].Workers, f.Sensors[0].InFlight = 1, 1
		f.start(t)
		f.emit(t, "0")
		assert.Equal(t, depth, fired)
		assert.NoError(t, f.end())
	})
}

func TestStopUnderLoadLosesNothing(t *testing.T) {
	const events, runs = 2000, 5
	var fired [events]atomic.Int32
	b := &memory.Bus{}
	emitted := 0
	for run := range runs {
		source := &hearken.EventSource{Name: "load", Event: "n"}
		trigger := hearken.TriggerFunc(func(_ context.Context, f hearken.Firing) error {
			var n int
			e := f.Events["n"]
			if _, err := fmt.Sscan(e.ID(), &n); err != nil {
				return err
			}
			if n%100 == run { // fails in one run, so that some wait for a retry
				return hearken.RetryAfter(errBroken, time.Minute)
			}
			fired[n].Add(1)
			return nil
		})
		p := &hearken.Pipeline{
			Name: "load", Bus: b, EventSources: []*hearken.EventSource{source}, Logger: slog.New(slog.DiscardHandler),
			Sensors: []hearken.Sensor{{Name: "s", Actions: []hearken.Action{{When: &hearken.Dependency{EventSource: source}, Trigger: trigger}}}},
		}
		ctx, cancel := context.WithCancel(t.Context())
		source.Source = hearken.SourceFunc(func(ctx context.Context, out hearken.Output) error {
			defer cancel()
			for range events / runs {
				e, err := hearken.NewEvent("n", fmt.Sprint(emitted), nil)
				if err != nil {
					return err
				}
				if err := out.Emit(ctx, e); err != nil {
					return err
				}
				emitted++
			}
			return nil
		})
		require.NoError(t, p.Run(ctx))
	}
	// A last run takes what the others handed back.
	source := &hearken.EventSource{Name: "load", Event: "n"}
	last := &hearken.Pipeline{
		Name: "load", Bus: b, EventSources: []*hearken.EventSource{source}, Logger: slog.New(slog.DiscardHandler),
		Sensors: []hearken.Sensor{{Name: "s", Actions: []hearken.Action{{When: &hearken.Dependency{EventSource: source}, Trigger: hearken.TriggerFunc(func(_ context.Context, f hearken.Firing) error {
			var n int
			e := f.Events["n"]
			_, err := fmt.Sscan(e.ID(), &n)
			fired[n].Add(1)
			return err
		})}}}},
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- last.Run(ctx) }()
	require.Eventually(t, func() bool {
		g, err := b.Groups(ctx)
		return err == nil && len(g) == 1 && g[0].Backlog == 0
	}, time.Minute, time.Millisecond)
	cancel()
	require.NoError(t, <-done)
	assert.Equal(t, events, emitted)
	for n := range fired {
		assert.EqualValues(t, 1, fired[n].Load(), n)
	}
}

func TestSourceHasACornerOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, b := overMemory(hearken.Action{Trigger: new(script)})
		var outs []bus.Store
		for _, event := range []string{"a", "b/c", "b"} {
			f.EventSources = append(f.EventSources, &hearken.EventSource{Name: "x", Event: event, Source: hearken.SourceFunc(func(ctx context.Context, out hearken.Output) error {
				if event == "b" {
					return out.Store.Update(ctx, "c/cursor", func([]byte) ([]byte, error) { return []byte("other"), nil })
				}
				if event == "b/c" {
					outs = append(outs, out.Store)
				}
				return nil
			})})
		}
		f.start(t)
		require.Len(t, outs, 1)
		s := outs[0]
		old, err := s.Get(t.Context(), "cursor")
		require.NoError(t, err)
		assert.Nil(t, old, "names with slashes do not meet")
		require.NoError(t, s.Update(t.Context(), "cursor", func([]byte) ([]byte, error) { return []byte("5"), nil }))
		for e, err := range s.List(t.Context(), "") {
			require.NoError(t, err)
			assert.Equal(t, bus.Entry{Key: "cursor", Value: []byte("5")}, e)
		}
		for _, err := range s.List(t.Context(), "") {
			assert.NoError(t, err)
			break
		}
		whole, err := b.Store(t.Context())
		require.NoError(t, err)
		v, err := whole.Get(t.Context(), "source/test/x/b%2Fc/cursor")
		require.NoError(t, err)
		assert.Equal(t, "5", string(v))
		assert.NoError(t, f.end())
	})
}
