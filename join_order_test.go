package hearken_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestJoinStoresBeforeItSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(joinStore)
		d := newScriptedDeploy(store, nil, hearken.TriggerFunc(func(context.Context, hearken.Firing) error {
			store.note("fire")
			return nil
		}))
		d.start(t)
		d.bring(t, d.image, "i1", "abc")
		assert.Equal(t, []string{"part", "entry", "ack 1"}, store.journal())
		d.bring(t, d.tests, "t1", "abc")
		assert.Equal(t, []string{"entry", "fire", "entry", "drop part", "ack 2"}, store.journal(), "the firing is stored, fired, cleared, and only then settled")
		assert.NoError(t, d.end())
	})
}

func TestJoinSettlesNothingWhileTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, trigger := new(joinStore), new(script)
		d := newScriptedDeploy(store, nil, trigger)
		d.start(t)
		store.fail(errBroken)
		d.bring(t, d.image, "i1", "abc")
		d.bring(t, d.tests, "t1", "abc")
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Empty(t, d.bus.settlements())
		assert.Empty(t, trigger.fired())
		h := d.Health().Sensors[0]
		assert.Equal(t, 2, h.InFlight)
		require.NotNil(t, h.LastError)
		require.ErrorIs(t, h.LastError.Err, errBroken)
		store.fail(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Len(t, trigger.fired(), 1)
		assert.Len(t, d.bus.settlements(), 2)
		assert.Zero(t, d.Health().Sensors[0].InFlight)
		assert.NoError(t, d.end())
	})
}

func TestJoinFiresOnceThoughItIsClearedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, fired := new(joinStore), 0
		d := newScriptedDeploy(store, nil, hearken.TriggerFunc(func(context.Context, hearken.Firing) error {
			fired++
			store.fail(errBroken)
			return nil
		}))
		d.start(t)
		image := d.bring(t, d.image, "i1", "abc")
		d.bring(t, d.tests, "t1", "abc")
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, acked(image), d.bus.settlements())
		store.fail(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Len(t, d.bus.settlements(), 2)
		assert.Equal(t, 1, fired)
		assert.NoError(t, d.end())
	})
}

// unsettled returns the positions that a scripted bus would deliver again.
func (b *scriptedBus) unsettled(all ...bus.Pos) []bus.Pos {
	settled := b.settlements()
	return slices.DeleteFunc(all, func(p bus.Pos) bool { return slices.Contains(settled, settlement{Pos: p, Ack: true}) })
}

func TestJoinSurvivesTheEndOfTheProcessAtEachWrite(t *testing.T) {
	for writes := 1; writes <= 14; writes++ {
		t.Run(fmt.Sprint(writes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, trigger := new(joinStore), new(script)
				d := newScriptedDeploy(store, nil, trigger)
				d.start(t)
				store.tell(func(s *joinStore) { s.budget = writes })
				images := d.bring(t, d.image, "i1", "abc")
				tests := d.bring(t, d.tests, "t1", "abc")
				require.NoError(t, d.end())
				again := d.bus.unsettled(images, tests)

				store.tell(func(s *joinStore) { s.err, s.budget = nil, 0 })
				second := newScriptedDeploy(store, nil, trigger)
				second.start(t)
				for _, pos := range again {
					if pos == images {
						second.bring(t, d.image, "i1", "abc", at(pos))
					} else {
						second.bring(t, d.tests, "t1", "abc", at(pos))
					}
				}
				assert.Empty(t, second.bus.unsettled(again...))
				require.NotEmpty(t, trigger.fired())
				for _, f := range trigger.fired() {
					assert.Equal(t, trigger.fired()[0].ID, f.ID)
					assert.Equal(t, map[string]string{"image": "i1", "tests": "t1"}, ids(f))
				}
				assert.NoError(t, second.end())
			})
		})
	}
}

func TestJoinKnowsItsPositionsInAnyOrder(t *testing.T) {
	orders := [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 0, 2}, {3, 0, 0, 3}}
	for _, queue := range []bool{false, true} {
		t.Run(fmt.Sprint("queue ", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				trigger := new(script)
				d := newScriptedDeploy(new(joinStore), func(a *hearken.Action) { a.Queue = queue }, trigger)
				d.start(t)
				sources := []*hearken.EventSource{d.image, d.tests, d.tests, d.image}
				var pos []bus.Pos
				for i, s := range sources {
					pos = append(pos, d.bring(t, s, fmt.Sprint(i), "abc"))
				}
				require.Len(t, trigger.fired(), 2)
				for _, order := range orders {
					for _, i := range order {
						d.bring(t, sources[i], fmt.Sprint(i), "abc", at(pos[i]), func(b *bus.Delivery) { b.Attempt = 2 })
					}
				}
				assert.Len(t, trigger.fired(), 2)
				h := d.Health().Sensors[0]
				assert.Zero(t, h.Actions[0].Pending)
				assert.Zero(t, h.InFlight)
				assert.NoError(t, d.end())
			})
		})
	}
}

func TestJoinIsHandedBackAndFiredUnderTheSameID(t *testing.T) {
	hang := hearken.TriggerFunc(func(ctx context.Context, _ hearken.Firing) error {
		<-ctx.Done()
		return ctx.Err()
	})
	tests := []struct {
		name    string
		trigger hearken.Trigger
		err     error
	}{
		{"in retry", always{errBroken}, nil},
		{"in flight at the end of Drain", hang, hearken.ErrDrain},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var id string
				first := newDeploy(nil, hearken.TriggerFunc(func(ctx context.Context, f hearken.Firing) error {
					id = f.ID
					return test.trigger.Fire(ctx, f)
				}))
				first.Drain = time.Second
				first.start(t)
				first.tell(t, first.image, "i1", "abc")
				first.tell(t, first.tests, "t1", "abc")
				require.ErrorIs(t, first.end(), test.err)
				require.NotEmpty(t, id)

				trigger := new(script)
				second := newDeploy(nil, trigger).on(first)
				second.start(t)
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Len(t, trigger.fired(), 1)
				assert.Equal(t, id, trigger.fired()[0].ID)
				assert.Equal(t, map[string]string{"image": "i1", "tests": "t1"}, ids(trigger.fired()[0]))
				second.tell(t, second.tests, "t2", "abc")
				assert.Len(t, trigger.fired(), 1)
				assert.NoError(t, second.end())
			})
		})
	}
}

func TestJoinOverAStoreInTrouble(t *testing.T) {
	tests := []struct {
		name    string
		trouble func(*joinStore)
		heal    func(*joinStore)
	}{
		{"errors", func(s *joinStore) { s.err = errBroken }, func(s *joinStore) { s.err = nil }},
		{"slow", func(s *joinStore) { s.slow = 5 * time.Second }, func(*joinStore) {}},
		{"too slow", func(s *joinStore) { s.slow = time.Minute }, func(s *joinStore) { s.slow = 0 }},
		{"answers are lost", func(s *joinStore) { s.lost = errBroken }, func(s *joinStore) { s.lost = nil }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				trigger, store := new(script), new(joinStore)
				d := newDeploy(nil, trigger)
				d.Store = store
				d.start(t)
				store.tell(test.trouble)
				const n = 20
				for i := range n {
					d.tell(t, d.image, fmt.Sprint("i", i), fmt.Sprint(i))
					d.tell(t, d.tests, fmt.Sprint("t", i), fmt.Sprint(i))
				}
				time.Sleep(time.Minute)
				store.tell(test.heal)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				assert.Len(t, trigger.fired(), n)
				assert.Len(t, byCommit(trigger.fired()), n)
				h := d.Health().Sensors[0]
				assert.Zero(t, h.InFlight)
				assert.Zero(t, h.Actions[0].DeadLettered)
				assert.NoError(t, d.end())
			})
		})
	}
}

// byCommit counts firings by the commit of their events, which is one.
func byCommit(firings []hearken.Firing) map[string]int {
	n := make(map[string]int)
	for _, f := range firings {
		commits := make(map[string]bool)
		for _, e := range f.Events {
			commits[string(e.Data())] = true
		}
		for c := range commits {
			n[c]++
		}
	}
	return n
}
