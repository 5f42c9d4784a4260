package triggertest_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

func TestRecorderKeepsAttemptsAndSuccesses(t *testing.T) {
	errDown := errors.New("down")
	r := &triggertest.Recorder{Then: triggertest.FailFirst(2, errDown)}
	for attempt := 1; attempt <= 3; attempt++ {
		err := r.Fire(t.Context(), hearken.Firing{ID: "a", Attempt: attempt})
		if attempt <= 2 {
			require.ErrorIs(t, err, errDown)
		} else {
			require.NoError(t, err)
		}
	}
	assert.Len(t, r.Attempts(), 3)
	assert.Equal(t, []hearken.Firing{{ID: "a", Attempt: 3}}, r.Firings())
}

func TestRecorderWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &triggertest.Recorder{Then: triggertest.FailFirst(1, errors.New("down"))}
		for i := range 4 {
			go func() {
				time.Sleep(time.Duration(i) * time.Hour)
				_ = r.Fire(t.Context(), hearken.Firing{Attempt: i + 1})
			}()
		}
		start := time.Now()
		got, err := r.Wait(t.Context(), 2)
		require.NoError(t, err)
		assert.Equal(t, []hearken.Firing{{Attempt: 2}, {Attempt: 3}}, got)
		assert.Equal(t, 2*time.Hour, time.Since(start))

		got, err = r.WaitAttempts(t.Context(), 4)
		require.NoError(t, err)
		assert.Len(t, got, 4)
		assert.Equal(t, 3*time.Hour, time.Since(start))
	})
}

func TestRecorderWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r triggertest.Recorder
		require.NoError(t, r.Fire(t.Context(), hearken.Firing{ID: "a"}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		got, err := r.Wait(ctx, 2)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, "1 of 2 firings")
		assert.Len(t, got, 1)
	})
}

func TestRecorderWaitOfManyByMany(t *testing.T) {
	const n = 200
	var r triggertest.Recorder
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, err := r.Wait(t.Context(), n)
			assert.NoError(t, err)
			assert.GreaterOrEqual(t, len(got), n)
		})
	}
	for range n {
		wg.Go(func() { assert.NoError(t, r.Fire(t.Context(), hearken.Firing{})) })
	}
	wg.Wait()
}

func TestGateHoldsUntilOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := new(triggertest.Gate)
		r := &triggertest.Recorder{Then: gate}
		for range 3 {
			go func() { _ = r.Fire(t.Context(), hearken.Firing{}) }()
		}
		synctest.Wait()
		assert.Len(t, r.Attempts(), 3)
		assert.Empty(t, r.Firings())

		gate.Open()
		gate.Open()
		_, err := r.Wait(t.Context(), 3)
		require.NoError(t, err)
		require.NoError(t, r.Fire(t.Context(), hearken.Firing{}), "an open gate stays open")
	})
}

func TestGateEndsWithTheAttempt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, new(triggertest.Gate).Fire(ctx, hearken.Firing{}), context.Canceled)
}

func TestPanicIsRecordedAsAnAttempt(t *testing.T) {
	r := &triggertest.Recorder{Then: triggertest.Panic("no")}
	assert.PanicsWithValue(t, "no", func() { _ = r.Fire(t.Context(), hearken.Firing{}) })
	assert.Len(t, r.Attempts(), 1)
	assert.Empty(t, r.Firings())
}
