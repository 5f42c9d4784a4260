package sqssource

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// holding has n messages held for 30 s each, in a bubble of time.
func holding(t *testing.T, n int, f func(t *testing.T, h *holds, held []*held)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHolds(30*time.Second, 100)
		require.True(t, h.reserve(t.Context(), n))
		f(t, h, h.add(make([]types.Message, n), n))
	})
}

// in returns how long it is until a time.
func in(at time.Time) time.Duration { return time.Until(at) }

func TestHeldIsExtendedAtHalf(t *testing.T) {
	holding(t, 12, func(t *testing.T, h *holds, _ []*held) {
		batch, at := h.toExtend(time.Now())
		assert.Empty(t, batch)
		assert.Equal(t, 15*time.Second, in(at))
		time.Sleep(15*time.Second - time.Millisecond)
		batch, _ = h.toExtend(time.Now())
		assert.Empty(t, batch)
		time.Sleep(time.Millisecond)
		first, _ := h.toExtend(time.Now())
		assert.Len(t, first, 10)
		second, _ := h.toExtend(time.Now())
		assert.Len(t, second, 2, "and those in a call not again")
		asked := time.Now()
		time.Sleep(2 * time.Second)
		for _, c := range append(first, second...) {
			assert.Equal(t, 30*time.Second, c.visibility)
			h.extended(c, asked)
		}
		_, at = h.toExtend(time.Now())
		assert.Equal(t, 13*time.Second, in(at), "half of what was left when it was asked for")
	})
}

func TestThoseDueSoonComeAlong(t *testing.T) {
	holding(t, 1, func(t *testing.T, h *holds, _ []*held) {
		for _, after := range []time.Duration{4 * time.Second, 2 * time.Second} {
			time.Sleep(after)
			require.True(t, h.reserve(t.Context(), 1))
			h.add(make([]types.Message, 1), 1)
		}
		time.Sleep(9 * time.Second)
		batch, _ := h.toExtend(time.Now())
		assert.Len(t, batch, 2, "that of 4 s later, not that of 6 s later")
	})
}

func TestCallThatFailsIsMadeAgainUntilItIsTooLate(t *testing.T) {
	holding(t, 1, func(t *testing.T, h *holds, held []*held) {
		calls := 0
		for now := time.Now(); time.Since(now) < time.Minute; {
			batch, at := h.toExtend(time.Now())
			for _, c := range batch {
				calls++
				h.unextended(c, true)
			}
			assert.Equal(t, time.Since(now) >= 30*time.Second, held[0].lost)
			if len(batch) == 0 {
				time.Sleep(in(at))
			}
		}
		assert.Equal(t, 5, calls, "at 15, 18, 21, 24 and 27 s")
	})
}

func TestCallThatSQSRefusesLosesTheMessage(t *testing.T) {
	holding(t, 1, func(t *testing.T, h *holds, held []*held) {
		time.Sleep(15 * time.Second)
		batch, _ := h.toExtend(time.Now())
		require.Len(t, batch, 1)
		h.unextended(batch[0], false)
		assert.True(t, held[0].lost)
		time.Sleep(time.Minute)
		batch, _ = h.toExtend(time.Now())
		assert.Empty(t, batch)
		assert.Empty(t, h.rest(), "and is not handed back")
	})
}

func TestTwelveHoursFromReceipt(t *testing.T) {
	holding(t, 1, func(t *testing.T, h *holds, held []*held) {
		received := time.Now()
		var last time.Time
		for !held[0].lost {
			batch, at := h.toExtend(time.Now())
			for _, c := range batch {
				require.Zero(t, c.visibility%time.Second)
				last = time.Now().Add(c.visibility)
				require.False(t, last.After(received.Add(maxHold)))
				h.extended(c, time.Now())
			}
			if len(batch) == 0 && !held[0].lost {
				require.Positive(t, in(at))
				time.Sleep(in(at))
			}
		}
		assert.Equal(t, 12*time.Hour-5*time.Second, last.Sub(received))
		assert.Equal(t, maxHold, time.Since(received))
	})
}

func TestDeletionsWaitForOthers(t *testing.T) {
	holding(t, 25, func(t *testing.T, h *holds, held []*held) {
		batch, at := h.toDelete(time.Now())
		assert.Empty(t, batch)
		assert.True(t, at.IsZero())
		for _, m := range held {
			h.store(m)
		}
		for range 2 {
			batch, _ = h.toDelete(time.Now())
			assert.Len(t, batch, 10)
		}
		batch, at = h.toDelete(time.Now())
		assert.Empty(t, batch)
		assert.Equal(t, linger, in(at))
		time.Sleep(linger)
		batch, _ = h.toDelete(time.Now())
		assert.Equal(t, held[20:], batch, "in order")
		h.undeleted(batch, func(tries int) time.Duration { return time.Duration(tries) * time.Minute })
		batch, at = h.toDelete(time.Now())
		assert.Empty(t, batch)
		assert.Equal(t, time.Minute, in(at))
		assert.Len(t, h.all, 25, "held until they are deleted")
	})
}

func TestDeletionsDoNotWaitAtTheEnd(t *testing.T) {
	holding(t, 3, func(t *testing.T, h *holds, all []*held) {
		h.store(all[1])
		h.close()
		batch, _ := h.toDelete(time.Now())
		assert.Equal(t, all[1:2], batch)
		assert.Equal(t, []*held{all[0], all[2]}, h.rest())
		assert.Empty(t, h.rest())
	})
}

func TestRestIsInTheOrderOfReceipt(t *testing.T) {
	holding(t, 50, func(t *testing.T, h *holds, held []*held) {
		h.forget(held[7])
		assert.Equal(t, append(held[:7:7], held[8:]...), h.rest())
	})
}

func TestRoom(t *testing.T) {
	holding(t, 95, func(t *testing.T, h *holds, held []*held) {
		reserved := make(chan bool, 1)
		reserve := func(ctx context.Context) {
			reserved <- h.reserve(ctx, 10)
		}
		go reserve(t.Context())
		synctest.Wait()
		assert.Empty(t, reserved)
		h.forget(held[:5]...)
		assert.True(t, <-reserved)

		h.add(nil, 10)
		h.full(held[6], true)
		h.full(held[7], true)
		h.full(held[7], true)
		go reserve(t.Context())
		h.full(held[6], false)
		synctest.Wait()
		assert.Empty(t, reserved, "the bus is full")
		h.full(held[7], false)
		assert.True(t, <-reserved)

		ctx, cancel := context.WithCancel(t.Context())
		go reserve(ctx)
		synctest.Wait()
		cancel()
		assert.False(t, <-reserved)
	})
}

func TestReleaseWaitsForACallUnderWay(t *testing.T) {
	holding(t, 1, func(t *testing.T, h *holds, held []*held) {
		time.Sleep(15 * time.Second)
		batch, _ := h.toExtend(time.Now())
		require.Len(t, batch, 1)
		released := make(chan struct{})
		go func() {
			h.release(held)
			close(released)
		}()
		synctest.Wait()
		select {
		case <-released:
			t.Fatal("a heartbeat under way could hide it again")
		default:
		}
		h.extended(batch[0], time.Now())
		<-released
		batch, _ = h.toExtend(time.Now().Add(time.Hour))
		assert.Empty(t, batch)
	})
}
