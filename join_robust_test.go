package hearken_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestJoinBuriedWhileBusAndStoreAreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(joinStore)
		d := newScriptedDeploy(store, nil, always{hearken.Permanent(errBroken)})
		d.start(t)
		d.bus.failPublish(errBroken)
		image := d.bring(t, d.image, "i1", "abc")
		tests := d.bring(t, d.tests, "t1", "abc")
		store.fail(errBroken)
		d.bus.failPublish(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Len(t, d.bus.publications(), 2)
		assert.Zero(t, d.Health().Sensors[0].Unburied, "the letters are stored; it is the store that does not answer")
		assert.Equal(t, acked(image), d.bus.settlements())
		store.fail(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Len(t, d.bus.publications(), 2)
		assert.Zero(t, d.Health().Sensors[0].Unburied)
		assert.Equal(t, acked(image, tests), d.bus.settlements())
		assert.NoError(t, d.end())
	})
}

func TestJoinBuriedAndNotClearedIsHandedBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(joinStore)
		d := newScriptedDeploy(store, nil, always{hearken.Permanent(errBroken)})
		d.start(t)
		d.bus.failPublish(errBroken)
		d.bring(t, d.image, "i1", "abc")
		tests := d.bring(t, d.tests, "t1", "abc")
		store.fail(errBroken)
		d.bus.failPublish(nil)
		time.Sleep(time.Minute)
		require.NoError(t, d.end())
		assert.Contains(t, d.bus.settlements(), handedBack(tests)[0])
		assert.Zero(t, d.Health().Sensors[0].Unburied)
	})
}

func TestJoinDropsWhatComesAfterItsSuccessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		d := newScriptedDeploy(new(joinStore), nil, trigger)
		d.start(t)
		d.seq = 1
		late := d.bring(t, d.image, "i2", "abc")
		late.Seq--
		d.bring(t, d.image, "i1", "abc", at(late))
		d.bring(t, d.tests, "t1", "abc")
		require.Len(t, trigger.fired(), 1)
		assert.Equal(t, map[string]string{"image": "i2", "tests": "t1"}, ids(trigger.fired()[0]))
		assert.Len(t, d.bus.settlements(), 3)
		assert.Zero(t, d.Health().Sensors[0].Actions[0].Pending)
		assert.NoError(t, d.end())
	})
}

// Processes come and go, and the store has its moods; each pair fires, and never
// under two IDs.
func TestJoinThroughRestarts(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a test's
				var mu sync.Mutex
				fired := make(map[string]map[string]bool) // IDs by commit
				trigger := hearken.TriggerFunc(func(ctx context.Context, f hearken.Firing) error {
					mu.Lock()
					commit := string(f.Events["image"].Data())
					assert.Equal(t, commit, string(f.Events["tests"].Data()))
					if fired[commit] == nil {
						fired[commit] = make(map[string]bool)
					}
					fired[commit][f.ID] = true
					pause, fails := time.Duration(random.IntN(2000))*time.Millisecond, random.IntN(3) == 0
					mu.Unlock()
					if fails {
						return errBroken
					}
					select {
					case <-time.After(pause):
					case <-ctx.Done():
					}
					return ctx.Err()
				})
				store := new(joinStore)
				first := newDeploy(nil, trigger)
				first.Store = store
				made := func() *deploy {
					d := newDeploy(nil, trigger).on(first)
					d.Drain = time.Second
					d.start(t)
					return d
				}
				const n = 40
				halves := random.Perm(2 * n)
				running := []*deploy{made(), made()}
				for i, half := range halves {
					d := running[i%2]
					s, id := d.image, "i"
					if half%2 == 1 {
						s, id = d.tests, "t"
					}
					require.NoError(t, d.Emit(t.Context(), s, commitEvent(t, fmt.Sprint(id, half/2), fmt.Sprint(half/2))))
					mu.Lock()
					mood, pause := random.IntN(8), time.Duration(random.IntN(500))*time.Millisecond
					mu.Unlock()
					switch mood {
					case 0:
						_ = d.end() // ErrDrain, or nil
						store.tell(func(s *joinStore) { s.err, s.lost = nil, nil })
						running[i%2] = made()
					case 1:
						store.fail(errBroken)
					case 2:
						store.tell(func(s *joinStore) { s.lost = errBroken })
					case 3:
						store.tell(func(s *joinStore) { s.err, s.lost = nil, nil })
					}
					time.Sleep(pause)
				}
				store.tell(func(s *joinStore) { s.err, s.lost = nil, nil })
				time.Sleep(20 * time.Minute)
				synctest.Wait()
				mu.Lock()
				assert.Len(t, fired, n)
				for commit, ids := range fired {
					assert.Len(t, ids, 1, commit)
				}
				mu.Unlock()
				for _, d := range running {
					h := d.Health().Sensors[0]
					assert.Zero(t, h.InFlight)
					assert.Zero(t, h.Actions[0].DeadLettered)
					assert.NoError(t, d.end())
				}
			})
		})
	}
}
