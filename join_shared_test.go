package hearken_test

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestJoinOverReplicasFiresEachPairOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := new(script), new(script)
		first := newDeploy(nil, here)
		second := newDeploy(nil, there).on(first)
		first.start(t)
		second.start(t)
		const n = 300
		for i := range n {
			emit := func(d *deploy, s *hearken.EventSource, id string) {
				require.NoError(t, d.Emit(t.Context(), s, commitEvent(t, fmt.Sprint(id, i), fmt.Sprint(i))))
			}
			emit(first, first.image, "i")
			emit(second, second.tests, "t")
		}
		synctest.Wait()
		assert.NotEmpty(t, here.fired())
		assert.NotEmpty(t, there.fired())
		counts := byCommit(append(here.fired(), there.fired()...))
		assert.Len(t, counts, n)
		for commit, fired := range counts {
			assert.Equal(t, 1, fired, commit)
		}
		pending := first.Health().Sensors[0].Actions[0].Pending + second.Health().Sensors[0].Actions[0].Pending
		assert.Zero(t, pending)
		assert.NoError(t, first.end())
		assert.NoError(t, second.end())
	})
}

func TestJoinKeepsVersionsApart(t *testing.T) {
	tests := map[string]func(*deploy, *hearken.Action){
		"version": func(_ *deploy, a *hearken.Action) { a.Version = "2" },
		"condition": func(d *deploy, a *hearken.Action) {
			a.When = hearken.All(d.built, d.green, hearken.Any(d.built, d.green))
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				trigger := new(script)
				within := func(a *hearken.Action) { a.Within = 24 * time.Hour }
				old := newDeploy(within, trigger)
				deployed := newDeploy(within, trigger).on(old)
				change(deployed, &deployed.Sensors[0].Actions[0])
				graves := deployed.graves()
				old.start(t)
				old.tell(t, old.image, "i1", "abc")
				deployed.start(t)
				time.Sleep(time.Hour)
				synctest.Wait()
				assert.Empty(t, graves.letters(), "the old version runs")
				require.NoError(t, old.end())
				deployed.tell(t, deployed.tests, "t1", "abc")
				assert.Empty(t, trigger.fired(), "halves of different versions")
				time.Sleep(8 * time.Minute) // it says every five minutes or so that it runs
				synctest.Wait()
				assert.Empty(t, graves.letters(), "the old version ran a moment ago")
				time.Sleep(15 * time.Minute)
				synctest.Wait()
				require.Len(t, graves.letters(), 1)
				assert.Contains(t, text(graves.letters()["i1"], "hearkenerror"), "an older version of the action, which runs nowhere any more")
				require.NoError(t, deployed.Redrive(t.Context(), graves.letters()["i1"]))
				synctest.Wait()
				require.Len(t, trigger.fired(), 1, "redriven it is of the new version")
				assert.Equal(t, map[string]string{"image": "i1", "tests": "t1"}, ids(trigger.fired()[0]))
				assert.NoError(t, deployed.end())
			})
		})
	}
}

func TestJoinDuringADeployNeverMixes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		stamped := func(version string) *deploy {
			d := newDeploy(func(a *hearken.Action) { a.Version = version }, trigger)
			stamp := func(_ context.Context, e hearken.Event) (hearken.Event, error) {
				e = e.Clone()
				e.SetExtension("stamp", version)
				return e, nil
			}
			d.built.Transform, d.green.Transform = stamp, stamp
			return d
		}
		old := stamped("1")
		deployed := stamped("2").on(old)
		graves := deployed.graves()
		old.start(t)
		deployed.start(t)
		const n = 200
		for i := range n {
			require.NoError(t, old.Emit(t.Context(), old.image, commitEvent(t, fmt.Sprint("i", i), fmt.Sprint(i))))
			require.NoError(t, old.Emit(t.Context(), old.tests, commitEvent(t, fmt.Sprint("t", i), fmt.Sprint(i))))
		}
		synctest.Wait()
		require.NoError(t, old.end())
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		for _, f := range trigger.fired() {
			assert.Equal(t, text(f.Events["image"], "stamp"), text(f.Events["tests"], "stamp"))
		}
		assert.Equal(t, 2*n, 2*len(trigger.fired())+len(graves.letters()), "each is fired or dead-lettered")
		assert.NotEmpty(t, trigger.fired())
		assert.NotEmpty(t, graves.letters())
		assert.NoError(t, deployed.end())
	})
}

func TestJoinOfManyKeysAtOnce(t *testing.T) {
	const n = 200
	fired := make(chan hearken.Firing, 2*n)
	d := newDeploy(nil, hearken.TriggerFunc(func(_ context.Context, f hearken.Firing) error {
		fired <- f
		return nil
	}))
	all := func(id string) hearken.SourceFunc {
		return func(ctx context.Context, out hearken.Output) error {
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() { assert.NoError(t, out.Emit(ctx, commitEvent(t, fmt.Sprint(id, i), fmt.Sprint(i)))) })
			}
			wg.Wait()
			return nil
		}
	}
	d.image.Source, d.tests.Source = all("i"), all("t")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	var firings []hearken.Firing
	for range n {
		firings = append(firings, <-fired)
	}
	cancel()
	require.NoError(t, <-done)
	assert.Empty(t, fired)
	assert.Len(t, byCommit(firings), n)
	assert.Zero(t, d.Health().Sensors[0].Actions[0].Pending)
}

// A bus that does not tell its floor keeps no version from being taken for one that
// runs.
func TestJoinsVersionRunsWhileTheFloorCannotBeHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(joinStore)
		day := func(a *hearken.Action) { a.Within = 24 * time.Hour }
		old := newScriptedDeploy(store, day, new(script))
		fresh := newScriptedDeploy(store, func(a *hearken.Action) { day(a); a.Version = "2" }, new(script))
		old.start(t)
		fresh.start(t)
		old.bus.mu.Lock()
		old.bus.floorErr = errBroken
		old.bus.mu.Unlock()
		old.bring(t, old.image, "i1", "abc")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.ErrorIs(t, old.Health().Sensors[0].LastError.Err, errBroken)
		assert.Empty(t, fresh.bus.publications())
		assert.NoError(t, old.end())
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Len(t, fresh.bus.publications(), 1, "no process runs it any more")
		assert.NoError(t, fresh.end())
	})
}

// silent is a store whose List does not answer for a while.
type silent struct {
	memory.Store
	until time.Time
}

func (s *silent) List(ctx context.Context, prefix string) iter.Seq2[bus.Entry, error] {
	if time.Now().Before(s.until) {
		<-ctx.Done()
	}
	return s.Store.List(ctx, prefix)
}

// A store that does not answer a sweep is waited for ten minutes at most, and said
// to be in trouble; what is due is then looked at again.
func TestJoinIsSweptAgainAfterAStoreThatDidNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &silent{until: time.Now().Add(3 * time.Hour)}
		d := newScriptedDeploy(new(joinStore), nil, new(script))
		d.Store = store
		d.start(t)
		d.bring(t, d.image, "i1", "abc")
		d.bus.setFloor(bus.Floor{Time: time.Now().Add(2 * time.Hour), Logs: map[string]uint64{"log": d.seq}})
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.NotNil(t, d.Health().Sensors[0].LastError)
		require.ErrorIs(t, d.Health().Sensors[0].LastError.Err, context.DeadlineExceeded)
		assert.Empty(t, d.bus.publications())
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		assert.Len(t, d.bus.publications(), 1, "it has expired")
		assert.NoError(t, d.end())
	})
}

func TestJoinIsSweptAgainAfterBusAndStoreWereAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(joinStore)
		d := newScriptedDeploy(store, nil, new(script))
		d.start(t)
		d.bring(t, d.image, "i1", "abc")
		away := func(err error, slow time.Duration) {
			d.bus.mu.Lock()
			d.bus.floorErr = err
			d.bus.mu.Unlock()
			store.tell(func(s *joinStore) { s.slow = slow })
		}
		away(errBroken, 1000*time.Hour)
		time.Sleep(time.Hour)
		away(nil, 0)
		d.bus.setFloor(bus.Floor{Time: time.Now().Add(2 * time.Hour), Logs: map[string]uint64{"log": d.seq}})
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		assert.Len(t, d.bus.publications(), 1, "it has expired")
		assert.NoError(t, d.end())
	})
}
