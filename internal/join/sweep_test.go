package join

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLoss has an event wait in vain: who gets it learns what it had and what not.
func TestLoss(t *testing.T) {
	for name, c := range map[string]struct {
		reset bool
		why   string
	}{
		"window": {false, `the join expired at 2000-01-01T01:00:00Z with "a"; it had no "b"; key "key"`},
		"reset":  {true, `the join was reset at 2000-01-01T00:30:00Z with "a"; it had no "b"; key "key"`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := bothOf("a", "b")
				if c.reset {
					a.Reset = every(30 * time.Minute)
				}
				r := &recorder{}
				e := engine(t, r, a)
				take(t, e, a, arrive("key", 1, "a"))
				time.Sleep(time.Hour + 2*time.Minute)
				var lost []Loss
				late := settled(1)
				late.Time = time.Now().Add(-time.Hour - 2*time.Minute)
				require.NoError(t, e.Sweep(t.Context(), late, losses(&lost)))
				require.Empty(t, lost, "an event from before its deadline may be to come")

				broken := errors.New("broken")
				require.ErrorIs(t, e.Sweep(t.Context(), settled(1), func(context.Context, Loss) error { return broken }), broken)
				require.NoError(t, e.Sweep(t.Context(), settled(1), losses(&lost)))
				require.Len(t, lost, 1)
				assert.Equal(t, "action", lost[0].Action)
				assert.Equal(t, []string{"a"}, lost[0].Event.Dependencies)
				assert.Equal(t, bus.Pos{Log: testLog, Seq: 1}, lost[0].Pos)
				assert.Equal(t, c.reset, lost[0].Reset)
				require.EqualError(t, lost[0].Err, c.why)
				require.NoError(t, e.Sweep(t.Context(), settled(1), losses(&lost)))
				assert.Len(t, lost, 1, "once")
			})
		})
	}
}

// TestFloorForgetsPositions has positions be forgotten one by one only below a
// floor that is a minute old, and never above what was taken: a bus that goes back
// on what was settled may deliver the others.
func TestFloorForgetsPositions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := bothOf("a", "b")
		a.Queue = true
		e := engine(t, &recorder{}, a)
		sweep := func(floor uint64) {
			require.NoError(t, e.Sweep(t.Context(), settled(floor), nil))
		}
		marks := func() mark {
			en, err := e.load(t.Context(), entryKey("action", true, "key"))
			require.NoError(t, err)
			return en.marks[0]
		}
		for _, seq := range []uint64{1, 2, 4} {
			take(t, e, a, arrive("key", seq, "a"))
		}
		sweep(4)
		time.Sleep(floorMargin - time.Second)
		sweep(4)
		take(t, e, a, arrive("key", 6, "a"))
		assert.Equal(t, mark{log: testLog, floor: 2, above: []span{{4, 4}, {6, 6}}}, marks(), "the floor is young")

		time.Sleep(2 * time.Second)
		sweep(100)
		take(t, e, a, arrive("key", 8, "a"))
		assert.Equal(t, mark{log: testLog, floor: 4, above: []span{{6, 6}, {8, 8}}}, marks(), "the first floor is old")

		time.Sleep(floorMargin)
		sweep(101)
		assert.Equal(t, Waits, take(t, e, a, arrive("key", 10, "a")).State, "although the floor is higher")
		assert.Equal(t, mark{log: testLog, floor: 8, above: []span{{10, 10}}}, marks(), "10 was not taken")
		assert.Equal(t, Passed, take(t, e, a, arrive("key", 7, "a")).State)
	})
}

// TestPartBeforeItsEntry sweeps between the part and the entry that is to refer to
// it: also one that has been taken for another dependency stays.
func TestPartBeforeItsEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := bothOf("a", "b"), &recorder{}
		a.Holds = func(has func(string) bool) bool { return has("a") && has("b") && has("c") }
		a.Dependencies = []string{"a", "b", "c"}
		e := engine(t, r, a)
		take(t, e, a, arrive("key", 6, "a"))
		other := engine(t, &r.Store, a)
		swept := false
		r.before = func(_ context.Context, key string) error {
			if swept || len(keys(t, r, "join/d/")) < 3 { // two parts and a reminder
				return nil
			}
			swept = true
			time.Sleep(time.Hour + 2*time.Minute)
			var lost []Loss
			floor := bus.Floor{Time: time.Now().Add(-2 * time.Hour), Logs: map[string]uint64{testLog: 4}}
			assert.NoError(t, other.Sweep(t.Context(), floor, losses(&lost)))
			assert.Empty(t, lost)
			return nil
		}
		assert.Equal(t, Waits, take(t, e, a, arrive("key", 5, "a", "b")).State)
		require.True(t, swept)
		r.before = nil
		c := arrive("key", 7, "c")
		c.Stored = c.Stored.Add(-time.Hour - 2*time.Minute)
		f := whole(t, e, a, c)
		assert.Len(t, f.Events, 3)
	})
}

// TestEntryLost has the store lose an entry: its parts are given up.
func TestEntryLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := bothOf("a", "b"), &recorder{}
		e := engine(t, r, a)
		take(t, e, a, arrive("key", 1, "a"))
		require.NoError(t, r.Update(t.Context(), one(t, r, "join/e/", false), func([]byte) ([]byte, error) { return nil, nil }))
		time.Sleep(time.Hour + 2*time.Minute)
		var lost []Loss
		require.NoError(t, e.Sweep(t.Context(), settled(0), losses(&lost)))
		require.Empty(t, lost, "it is delivered again")
		require.NoError(t, e.Sweep(t.Context(), settled(1), losses(&lost)))
		require.Len(t, lost, 1)
		assert.ErrorContains(t, lost[0].Err, "what was remembered of its join is lost")
		assert.Equal(t, Passed, take(t, e, a, arrive("key", 1, "a")).State)
		time.Sleep(MarkAge + time.Hour)
		require.NoError(t, e.Sweep(t.Context(), settled(1), losses(&lost)))
		assert.Empty(t, keys(t, r, "join/e/"), "it is forgotten")
		assert.Len(t, lost, 1)
	})
}

// TestTakenAfterItsLogIsGone has the bus's stream made anew while a delivery of it
// is between its part and its entry: another process gives the part up, before the
// entry has it or while it does.
func TestTakenAfterItsLogIsGone(t *testing.T) {
	for name, first := range map[string]bool{"given up first": false, "taken first": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, r := bothOf("a", "b"), &recorder{}
				a.Within = 0
				e, other, buried, hold := engine(t, r, a), engine(t, &r.Store, a), 0, make(chan struct{})
				gone := bus.Floor{Time: time.Now().Add(time.Hour), Logs: map[string]uint64{"another": 0}}
				taken := make(chan Outcome, 1)
				r.before = func(_ context.Context, key string) error {
					if strings.HasPrefix(key, "join/e/") && len(keys(t, r, "join/w/")) > 0 {
						<-hold
					}
					return nil
				}
				go func() { taken <- take(t, e, a, arrive("key", 1, "a")) }()
				synctest.Wait()
				var out Outcome
				finish := func() {
					close(hold)
					out = <-taken
				}
				require.NoError(t, other.Sweep(t.Context(), gone, func(context.Context, Loss) error {
					if buried++; first {
						finish()
					}
					return nil
				}))
				if !first {
					finish()
				}
				assert.Equal(t, 1, buried)
				r.before = nil
				if first {
					assert.Equal(t, Waits, out.State)
					assert.Len(t, whole(t, e, a, arrive("key", 2, "b")).Events, 2)
					return
				}
				assert.Equal(t, Passed, out.State)
				assert.Empty(t, keys(t, r, "join/w/"), "no part is left that nothing refers to")
			})
		})
	}
}

// TestAbandoned has a firing that nobody clears, since what completed it is not
// delivered any more.
func TestAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := bothOf("a", "b"), &recorder{}
		e := engine(t, r, a)
		take(t, e, a, arrive("key", 1, "a"))
		require.Equal(t, Fires, take(t, e, a, arrive("key", 2, "b")).State)
		time.Sleep(time.Hour + 2*time.Minute)
		var lost []Loss
		require.NoError(t, e.Sweep(t.Context(), settled(1), losses(&lost)))
		require.Empty(t, lost)
		require.NoError(t, e.Sweep(t.Context(), settled(2), losses(&lost)))
		require.Len(t, lost, 1, "the part; what completed it was settled")
		assert.ErrorContains(t, lost[0].Err, "is not delivered any more")
		en, err := e.load(t.Context(), entryKey("action", true, "key"))
		require.NoError(t, err)
		assert.True(t, en.idle())
	})
}

// TestForgetting has an entry remember what it has taken for MarkAge from the last
// event, and no longer.
func TestForgetting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := bothOf("a", "b"), &recorder{}
		e := engine(t, r, a)
		var lost []Loss
		pair := func(seq uint64) {
			take(t, e, a, arrive("key", seq, "a"))
			whole(t, e, a, arrive("key", seq+1, "b"))
		}
		sweep := func(d time.Duration) {
			for range 4 {
				time.Sleep(d / 4)
				require.NoError(t, e.Sweep(t.Context(), settled(4), losses(&lost)))
			}
		}
		pair(1)
		sweep(6 * 24 * time.Hour)
		pair(3)
		sweep(6 * 24 * time.Hour)
		assert.Equal(t, Passed, take(t, e, a, arrive("key", 4, "b")).State)
		assert.Len(t, keys(t, r, "join/e/"), 1)
		sweep(2 * 24 * time.Hour)
		assert.Empty(t, lost)
		assert.Empty(t, keys(t, r, "join/e/"))
		assert.Empty(t, keys(t, r, "join/d/"))
	})
}

// TestSweepOnce has a second sweep of a process do nothing while the first lasts.
func TestSweepOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := bothOf("a", "b")
		e := engine(t, &recorder{}, a)
		take(t, e, a, arrive("key", 1, "a"))
		time.Sleep(time.Hour + 2*time.Minute)
		n := 0
		require.NoError(t, e.Sweep(t.Context(), settled(1), func(ctx context.Context, _ Loss) error {
			n++
			return e.Sweep(ctx, settled(1), func(context.Context, Loss) error { n++; return nil })
		}))
		assert.Equal(t, 1, n)
	})
}

// TestFloorStandsStill has nothing be settled for hours: what is due stays where
// it is found once the floor moves on.
func TestFloorStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := bothOf("a", "b")
		e := engine(t, &recorder{}, a)
		take(t, e, a, arrive("key", 1, "a"))
		old := settled(1)
		var lost []Loss
		for range 60 {
			time.Sleep(10 * time.Minute)
			require.NoError(t, e.Sweep(t.Context(), old, losses(&lost)))
		}
		require.Empty(t, lost)
		require.NoError(t, e.Sweep(t.Context(), settled(1), losses(&lost)))
		assert.Len(t, lost, 1)
	})
}

// TestFiredWhileItIsBuried has an event of which the bus knew nothing complete the
// join while its part is being given up: the firing has the part.
func TestFiredWhileItIsBuried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := bothOf("a", "b")
		e := engine(t, &recorder{}, a)
		take(t, e, a, arrive("key", 1, "a"))
		b := arrive("key", 2, "b")
		time.Sleep(time.Hour + 2*time.Minute)
		var out Outcome
		require.NoError(t, e.Sweep(t.Context(), settled(1), func(context.Context, Loss) error {
			out = take(t, e, a, b)
			return nil
		}))
		require.Equal(t, Fires, out.State)
		require.NoError(t, e.Load(t.Context(), out.Firing, b))
		assert.Len(t, out.Firing.Events, 2)
	})
}
