package triggertest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

// away is a bus that nobody can join.
type away struct{ bus.Bus }

var errAway = errors.New("no bus there")

func (away) Subscribe(context.Context, bus.Group) (bus.Subscription, error) { return nil, errAway }

func pipeline(b bus.Bus, tr hearken.Trigger) *hearken.Pipeline {
	return &hearken.Pipeline{
		Name:         "test",
		Bus:          b,
		EventSources: []*hearken.EventSource{push.EventSource},
		Sensors:      []hearken.Sensor{{Name: "s", Actions: []hearken.Action{{When: push, Trigger: tr}}}},
	}
}

func TestStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		r := &triggertest.Recorder{Then: triggertest.FailFirst(2, errors.New("down"))}
		p := pipeline(new(memory.Bus), r)
		stop := triggertest.Start(t, p)
		assert.Less(t, time.Since(begin), time.Microsecond)
		assert.True(t, p.Health().Ready)

		require.NoError(t, p.Emit(t.Context(), push.EventSource, event(t, "1", 1)))
		got, err := r.Wait(t.Context(), 1)
		require.NoError(t, err)
		assert.Equal(t, 3, got[0].Attempt)
		assert.Len(t, r.Attempts(), 3)

		require.NoError(t, stop())
		require.NoError(t, stop())
		require.ErrorIs(t, p.Emit(t.Context(), push.EventSource, event(t, "2", 1)), hearken.ErrNotRunning)
	})
}

func TestStartStopsAtTheEndOfTheTest(t *testing.T) {
	p := pipeline(new(memory.Bus), new(triggertest.Recorder))
	e := event(t, "1", 1)
	synctest.Test(t, func(t *testing.T) {
		triggertest.Start(t, p)
		t.Cleanup(func() {
			synctest.Wait()
			assert.NoError(t, p.Emit(context.WithoutCancel(t.Context()), push.EventSource, e), "a cleanup may use it")
		})
	})
	require.ErrorIs(t, p.Emit(t.Context(), push.EventSource, e), hearken.ErrNotRunning)
}

// hold starts a pipeline whose one firing outlives the drain.
func hold(tb testing.TB) (stop func() error) {
	r := &triggertest.Recorder{Then: new(triggertest.Gate)}
	p := pipeline(new(memory.Bus), r)
	p.Drain = -1
	stop = triggertest.Start(tb, p)
	e, err := hearken.NewEvent("example", "1", 1)
	require.NoError(tb, err)
	require.NoError(tb, p.Emit(tb.Context(), push.EventSource, e))
	_, err = r.WaitAttempts(tb.Context(), 1)
	require.NoError(tb, err)
	return stop
}

func TestStartReportsTheErrorOfRun(t *testing.T) {
	failed, said := triggertest.Record(t, func(tb testing.TB) { hold(tb) })
	assert.True(t, failed)
	assert.Contains(t, said, "the pipeline's Run: ")

	failed, said = triggertest.Record(t, func(tb testing.TB) { assert.ErrorIs(t, hold(tb)(), hearken.ErrDrain) })
	assert.False(t, failed, said)
}

func TestStartOfWhatDoesNotStart(t *testing.T) {
	for want, p := range map[string]*hearken.Pipeline{
		"Bus: ":         {Name: "test", EventSources: []*hearken.EventSource{push.EventSource}},
		errAway.Error(): pipeline(away{new(memory.Bus)}, new(triggertest.Recorder)),
	} {
		failed, said := triggertest.Record(t, func(tb testing.TB) { triggertest.Start(tb, p) })
		assert.True(t, failed)
		assert.Contains(t, said, "the pipeline has not started: ")
		assert.Contains(t, said, want)
	}
}
