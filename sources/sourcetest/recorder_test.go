package sourcetest_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func event(t *testing.T, id string) hearken.Event {
	e, err := hearken.NewEvent("test", id, []byte(`{}`))
	require.NoError(t, err)
	return e
}

func TestRecorderRemembersAttemptsAndEvents(t *testing.T) {
	rec := &sourcetest.Recorder{Then: sourcetest.FailFirst(2, bus.ErrFull)}
	out := rec.Output()
	require.ErrorIs(t, out.Emit(t.Context(), event(t, "1")), bus.ErrFull)
	require.ErrorIs(t, out.Emit(t.Context(), event(t, "1")), bus.ErrFull)
	require.NoError(t, out.Emit(t.Context(), event(t, "2")))

	assert.Len(t, rec.Attempts(), 3)
	require.Len(t, rec.Events(), 1)
	assert.Equal(t, "2", rec.Events()[0].ID())
}

func TestRecorderHandsOnItsFields(t *testing.T) {
	var log bytes.Buffer
	rec := &sourcetest.Recorder{
		Topic:  bus.Topic{EventSource: "a", Event: "b"},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}
	out := rec.Output()
	out.Logger.Info("hello")
	assert.Equal(t, rec.Topic, out.Topic)
	assert.Nil(t, out.Store)
	assert.Contains(t, log.String(), "hello")
	assert.NotNil(t, (&sourcetest.Recorder{}).Output().Logger)
}

func TestRecorderWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &sourcetest.Recorder{Then: sourcetest.FailFirst(1, errors.New("away"))}
		go func() {
			for _, id := range []string{"1", "2"} {
				time.Sleep(time.Second)
				_ = rec.Output().Emit(t.Context(), event(t, id))
			}
		}()
		attempts, err := rec.WaitAttempts(t.Context(), 1)
		require.NoError(t, err)
		assert.Len(t, attempts, 1)
		events, err := rec.Wait(t.Context(), 1)
		require.NoError(t, err)
		assert.Equal(t, "2", events[0].ID())

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		events, err = rec.Wait(ctx, 2)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.EqualError(t, err, "1 of 2 events: context deadline exceeded")
		assert.Len(t, events, 1)
		_, err = rec.Wait(ctx, 1)
		assert.NoError(t, err, "what is there already is returned though ctx has ended")
	})
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := &sourcetest.Gate{}
		ctx, cancel := context.WithCancel(t.Context())
		held := make(chan error)
		go func() { held <- gate.Emit(ctx, hearken.Event{}) }()
		cancel()
		synctest.Wait()
		assert.Empty(t, held, "cancelling ends no emit")

		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.ErrorIs(t, gate.Emit(late, hearken.Event{}), context.DeadlineExceeded)

		gate.Open()
		gate.Open()
		assert.NoError(t, <-held)
		assert.NoError(t, gate.Emit(t.Context(), hearken.Event{}))
	})
}
