package resource_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
)

// TestDeletedObjectsAreForgottenWithoutAStore has many objects come and go, as
// Pods do.
func TestDeletedObjectsAreForgottenWithoutAStore(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.rec.Store = nil
		r.start()
		r.cluster.create("shop/stays")
		for i := range 100 {
			r.cluster.create(fmt.Sprintf("shop/o%d", i))
			r.cluster.delete(fmt.Sprintf("shop/o%d", i))
		}
		require.Len(t, r.news(), 201)
		assert.Equal(t, 101, r.source.Known())
		time.Sleep(resource.MarkerLife + 2*time.Minute)
		synctest.Wait()
		assert.Equal(t, 1, r.source.Known())
		assert.Zero(t, r.source.Dirty(), "nobody is to be told of them")
		r.stop()
	})
}

// slowStore takes its time for each update.
type slowStore struct {
	bus.Store
	each    time.Duration
	updates atomic.Int64
}

func (s *slowStore) Update(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
	select {
	case <-time.After(s.each):
	case <-ctx.Done():
		return ctx.Err()
	}
	s.updates.Add(1)
	return s.Store.Update(ctx, key, f)
}

// TestASlowStoreIsToldAllInTheEnd has one that takes minutes for all objects of a
// list, which is longer than a process may take to end.
func TestASlowStoreIsToldAllInTheEnd(t *testing.T) {
	for name, stopped := range map[string]bool{"while it runs": false, "over processes that end": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, r *rig) {
				slow := &slowStore{Store: r.rec.Store, each: 2 * time.Second}
				r.rec.Store = slow
				for i := range 200 { // in 16 shards
					r.cluster.create(fmt.Sprintf("shop/o%d", i))
				}
				r.start()
				require.Len(t, r.await(), 200)
				if stopped {
					r.stop()
					known := 0
					for e, err := range slow.List(t.Context(), "v1/known/") {
						require.NoError(t, err)
						known += strings.Count(string(e.Value), `"shop/o`)
					}
					assert.Greater(t, known, 10, "some of it is told within the time there is")
					assert.Less(t, known, 200)
					return
				}
				time.Sleep(2 * time.Minute)
				before := slow.updates.Load()
				time.Sleep(time.Minute)
				assert.Equal(t, before, slow.updates.Load(), "nothing is told twice")
				assert.Nil(t, r.source.Report().Trouble)
				r.stop()
				next := newRig(t, r.cluster, slow.Store, nil)
				next.start()
				assert.Empty(t, next.news(), "all is known")
				next.stop()
			})
		})
	}
}

// hangingStore does not answer.
type hangingStore struct {
	bus.Store
	hangs map[string]bool
}

func (s *hangingStore) Get(ctx context.Context, key string) ([]byte, error) {
	if s.hangs["get"] {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Store.Get(ctx, key)
}

func (s *hangingStore) Update(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
	if s.hangs["update"] {
		<-ctx.Done()
		return ctx.Err()
	}
	return s.Store.Update(ctx, key, f)
}

func (s *hangingStore) List(ctx context.Context, prefix string) iter.Seq2[bus.Entry, error] {
	if !s.hangs["list"] {
		return s.Store.List(ctx, prefix)
	}
	return func(yield func(bus.Entry, error) bool) {
		<-ctx.Done()
		yield(bus.Entry{}, ctx.Err())
	}
}

func TestAStoreThatHangsIsInTrouble(t *testing.T) {
	for _, what := range []string{"get", "update", "list"} {
		t.Run(what, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, r *rig) {
				r.rec.Store = &hangingStore{r.rec.Store, map[string]bool{what: true}}
				r.start()
				time.Sleep(time.Minute)
				trouble := r.source.Report().Trouble
				require.NotNil(t, trouble)
				assert.ErrorContains(t, trouble.Err, "load what is known")
				require.ErrorIs(t, trouble.Err, context.DeadlineExceeded)
				r.stop()
			})
		})
	}
}

// TestValuesOfAnotherKind has the Store hold JSON that is not of the source.
func TestValuesOfAnotherKind(t *testing.T) {
	for _, value := range []string{`{"saved":5}`, `{"saved":"yesterday"}`, `{"epoch":"one"}`, `{"positions":[]}`, `[]`, `"v2"`, ``, "null", `{"known":[],"split":1}`, `{"later":true}`} {
		t.Run(value, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, r *rig) {
				r.cluster.create("shop/a")
				r.start()
				require.Len(t, r.news(), 1)
				r.stop()
				for e, err := range r.rec.Store.List(t.Context(), "v1/") {
					require.NoError(t, err)
					require.NoError(t, r.rec.Store.Update(t.Context(), e.Key, func([]byte) ([]byte, error) { return []byte(value), nil }))
				}
				next := r.successor(nil)
				next.start()
				assert.Equal(t, []string{"ADD shop/a 0"}, next.await())
				assert.Nil(t, next.source.Report().Trouble)
				next.stop()
				last := r.successor(nil)
				last.start()
				assert.Empty(t, last.news())
				last.stop()
			})
		})
	}
}

// TestAClockThatIsSetRight has deleted an object by a clock that was a year ahead.
func TestAClockThatIsSetRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory.Store{}
		a := resource.NewArchive(store, "id", nil)
		ahead := time.Now().AddDate(1, 0, 0).Unix()
		require.NoError(t, a.Save(t.Context(), map[types.UID]resource.Entry{"u": {Name: "shop/a", Version: "1", Gone: ahead}}, map[string]string{"": "1"}))
		known, _, err := a.Load(t.Context())
		require.NoError(t, err)
		assert.Empty(t, known, "it is not kept for a year")
	})
}

// partlyAway is a Store that fails for one shard, and counts the updates of others.
type partlyAway struct {
	bus.Store
	fails atomic.Bool

	mu      sync.Mutex
	updates map[string]int
}

func (s *partlyAway) Update(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
	if s.fails.Load() && strings.HasPrefix(key, "v1/known/") && strings.HasSuffix(key, "/0") {
		return errAway
	}
	s.mu.Lock()
	s.updates[key]++
	s.mu.Unlock()
	return s.Store.Update(ctx, key, f)
}

// TestAStoreThatFailsPartly is told the rest, and once, and what failed when it
// works again.
func TestAStoreThatFailsPartly(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		partly := &partlyAway{Store: r.rec.Store, updates: map[string]int{}}
		partly.fails.Store(true)
		r.rec.Store = partly
		for i := range 200 { // in 16 shards
			r.cluster.create(fmt.Sprintf("shop/o%d", i))
		}
		r.start()
		require.Len(t, r.await(), 200)
		time.Sleep(10 * time.Minute)
		require.NotNil(t, r.source.Report().Trouble)
		told := 0
		partly.mu.Lock()
		for key, n := range partly.updates {
			if strings.HasPrefix(key, "v1/known/") {
				told++
				assert.LessOrEqual(t, n, 2, "%s is told again", key)
			}
		}
		partly.mu.Unlock()
		assert.Equal(t, 15, told)
		partly.fails.Store(false)
		time.Sleep(10 * time.Second)
		assert.Nil(t, r.source.Report().Trouble)
		next := r.successor(nil)
		r.stop()
		next.start()
		assert.Empty(t, next.news(), "all is known")
		next.stop()
	})
}

// pausing is a Store whose list of two waits before the second.
type pausing struct {
	bus.Store
	pause time.Duration
}

func (s pausing) List(ctx context.Context, _ string) iter.Seq2[bus.Entry, error] {
	return func(yield func(bus.Entry, error) bool) {
		if !yield(bus.Entry{Key: "a"}, ctx.Err()) {
			return
		}
		select {
		case <-time.After(s.pause):
		case <-ctx.Done():
		}
		yield(bus.Entry{Key: "b"}, ctx.Err())
	}
}

// TestAListIsBoundedByEntry has the time of who reads it not count.
func TestAListIsBoundedByEntry(t *testing.T) {
	for name, tt := range map[string]struct {
		pause, reads time.Duration
		want         error
	}{
		"slow reader":                  {reads: time.Hour},
		"slow reader and a slow store": {pause: resource.StoreTimeout - 1, reads: time.Hour},
		"hangs":                        {pause: time.Hour, want: context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, read := time.Now(), 0
				var last error
				for _, err := range resource.Bounded(pausing{pause: tt.pause}).List(t.Context(), "") {
					if last = err; err == nil {
						read++
						time.Sleep(tt.reads)
					}
				}
				require.ErrorIs(t, last, tt.want)
				if tt.want == nil {
					assert.Equal(t, 2, read)
				} else {
					assert.Equal(t, resource.StoreTimeout, time.Since(began))
				}
			})
		})
	}
}

// TestStateOfOthersFromTheFuture is as old as that of long ago.
func TestStateOfOthersFromTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory.Store{}
		require.NoError(t, store.Update(t.Context(), "v1/head/other", func([]byte) ([]byte, error) {
			return fmt.Appendf(nil, `{"saved":%q}`, time.Now().AddDate(1, 0, 0).Format(time.RFC3339)), nil
		}))
		_, _, err := resource.NewArchive(store, "id", nil).Load(t.Context())
		require.NoError(t, err)
		value, err := store.Get(t.Context(), "v1/head/other")
		require.NoError(t, err)
		assert.Nil(t, value)
	})
}
