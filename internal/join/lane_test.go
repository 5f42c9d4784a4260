package join

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/hearken-go/hearken/bus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// gate holds the updates of entries until it is opened.
func gate(r *recorder) (open chan struct{}, most func() int32) {
	open = make(chan struct{})
	var now, high atomic.Int32
	r.before = func(ctx context.Context, key string) error {
		if !strings.HasPrefix(key, "join/e/") {
			return nil
		}
		high.Store(max(high.Load(), now.Add(1)))
		defer now.Add(-1)
		select {
		case <-open:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return open, high.Load
}

func entryUpdates(r *recorder) (n int) {
	for _, k := range r.updated {
		if strings.HasPrefix(k, "join/e/") {
			n++
		}
	}
	return n
}

// TestLaneBatches takes many events of one key at once: one update of the entry
// at a time, for all that wait by then.
func TestLaneBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := bothOf("a", "b"), &recorder{}
		a.Queue = true
		e := engine(t, r, a)
		open, most := gate(r)
		var fired sync.Map
		var waits atomic.Int32
		var all sync.WaitGroup
		for i := range uint64(1000) {
			all.Go(func() {
				arrival := arrive("key", i+1, []string{"a", "b"}[i%2])
				out, err := e.Take(t.Context(), a, arrival)
				if !assert.NoError(t, err) || out.State == Waits {
					waits.Add(1)
					return
				}
				if assert.Equal(t, Fires, out.State) {
					_, twice := fired.LoadOrStore(out.Firing.ID, true)
					assert.False(t, twice)
					assert.NoError(t, e.Load(t.Context(), out.Firing, arrival))
					assert.NoError(t, e.Clear(t.Context(), out.Firing))
				}
			})
		}
		synctest.Wait()
		close(open)
		all.Wait()
		assert.EqualValues(t, 500, waits.Load())
		assert.Empty(t, e.lanes)
		assert.Less(t, entryUpdates(r), 1600, "one by one they would be at least 2,000: twice for what waits, once for the others, and once to clear")
		assert.LessOrEqual(t, most(), int32(501), "only clearing is beside a lane")
		en, err := e.load(t.Context(), entryKey("action", true, "key"))
		require.NoError(t, err)
		assert.True(t, en.idle())
	})
}

// TestLaneOneUpdateAtATime has nothing to clear, so nothing is beside the lane.
func TestLaneOneUpdateAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := bothOf("a", "b"), &recorder{}
		a.Queue = true
		e := engine(t, r, a)
		open, most := gate(r)
		var all sync.WaitGroup
		for i := range uint64(600) {
			all.Go(func() {
				out, err := e.Take(t.Context(), a, arrive("key", i+1, "a"))
				assert.NoError(t, err)
				assert.Equal(t, Waits, out.State)
			})
		}
		synctest.Wait()
		close(open)
		all.Wait()
		assert.EqualValues(t, 1, most())
		assert.Less(t, entryUpdates(r), 300)
	})
}

// TestLaneLeaderGone cancels the one who leads: he fails, the others do not.
func TestLaneLeaderGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := bothOf("a", "b"), &recorder{}
		e := engine(t, r, a)
		open, _ := gate(r)
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error, 3)
		start := func(ctx context.Context, seq uint64) {
			go func() {
				_, err := e.Take(ctx, a, arrive("key", seq, "a"))
				results <- err
			}()
			synctest.Wait()
		}
		start(t.Context(), 1) // holds the entry
		start(ctx, 2)         // leads the next batch
		start(t.Context(), 3)
		open <- struct{}{} // 1 is to be stored first
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-results, context.Canceled)
		close(open)
		require.NoError(t, <-results)
		require.NoError(t, <-results)
		assert.Empty(t, e.lanes)
	})
}

// TestLaneFollowerLeaves cancels one who waits, also when the lead is his already.
func TestLaneFollowerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := bothOf("a", "b"), &recorder{}
		e := engine(t, r, a)
		open, _ := gate(r)
		first := make(chan error)
		go func() {
			_, err := e.Take(t.Context(), a, arrive("key", 1, "a"))
			first <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		second := make(chan error)
		go func() {
			_, err := e.Take(ctx, a, arrive("key", 2, "a"))
			second <- err
		}()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-second, context.Canceled, "although the store does not answer")
		close(open)
		require.NoError(t, <-first)

		key := entryKey("action", true, "key")
		given, next := &op{turn: make(chan bool, 1)}, &op{turn: make(chan bool, 1)}
		l := &lane{waiting: []*op{given, next}}
		given.turn <- true
		require.True(t, e.leave(key, l, given))
		assert.True(t, <-next.turn, "the lead is handed over")
		require.False(t, e.leave(key, l, given))
	})
}

// TestLanePanic has the store panic in the hands of the leader.
func TestLanePanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := bothOf("a", "b"), &recorder{}
		e := engine(t, r, a)
		open, _ := gate(r)
		results := make(chan any, 2)
		hold := r.before
		var broken atomic.Bool
		r.before = func(ctx context.Context, key string) error {
			err := hold(ctx, key)
			if strings.HasPrefix(key, "join/e/") && broken.CompareAndSwap(true, false) {
				panic("broken")
			}
			return err
		}
		for i := range uint64(3) {
			go func() {
				defer func() {
					if v := recover(); v != nil {
						results <- v
					}
				}()
				_, err := e.Take(t.Context(), a, arrive("key", i+1, "a"))
				results <- err
			}()
			synctest.Wait()
		}
		broken.Store(true)
		close(open)
		var got []any
		for range 3 {
			got = append(got, <-results)
		}
		assert.ElementsMatch(t, []any{nil, nil, "broken"}, got)
		assert.Empty(t, e.lanes)
	})
}

// TestLaneRoom has an entry with room for some of a batch: those are taken.
func TestLaneRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := bothOf("a", "b"), &recorder{}
		r.MaxValue = 1000
		a.Queue = true
		e := engine(t, r, a)
		open, _ := gate(r)
		var rejected, waits atomic.Int32
		var all sync.WaitGroup
		for i := range uint64(40) {
			all.Go(func() {
				_, err := e.Take(t.Context(), a, arrive("key", i+1, "a"))
				switch {
				case errors.Is(err, bus.ErrRejected):
					rejected.Add(1)
				case assert.NoError(t, err):
					waits.Add(1)
				}
			})
		}
		synctest.Wait()
		close(open)
		all.Wait()
		en, err := e.load(t.Context(), entryKey("action", true, "key"))
		require.NoError(t, err)
		assert.NotZero(t, rejected.Load())
		assert.Greater(t, len(en.parts), 10)
		assert.Len(t, en.parts, int(waits.Load()))
		parts := 0
		for k := range keys(t, r, "join/d/") {
			if strings.Contains(k, ".") {
				parts++
			}
		}
		assert.Equal(t, len(en.parts), parts, "what was rejected is not stored either")
	})
}

// TestLaneKeys takes many keys at once: no lane waits for another, and none stays.
func TestLaneKeys(t *testing.T) {
	a := bothOf("a", "b")
	e := engine(t, &recorder{}, a)
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			_, err := e.Take(t.Context(), a, arrive(fmt.Sprint("key", i), uint64(i+1), "a"))
			assert.NoError(t, err)
		})
	}
	all.Wait()
	assert.Empty(t, e.lanes)
}
