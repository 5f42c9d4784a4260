package resource_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
)

func TestResourceVersionsAreNumbers(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"1", "1", 0},
		{"9", "10", -1},
		{"10", "9", 1},
		{"18446744073709551616", "18446744073709551615", 1},
		{"007", "7", 0},
		{"abc", "abd", 1}, // what is no number is newer
		{"", "1", 1},
		{"x", "x", 0},
	} {
		assert.Equal(t, tt.want, resource.CompareVersions(tt.a, tt.b), "%s, %s", tt.a, tt.b)
	}
}

func TestThePositionIsReachedInOrder(t *testing.T) {
	tr := resource.NewTracker()
	require.NoError(t, tr.Wait(t.Context()))
	begin := func(version string) func() {
		finish, err := tr.Begin(t.Context(), version)
		require.NoError(t, err)
		return finish
	}
	a, b, c := begin("1"), begin("2"), begin("")
	b()
	assert.Empty(t, tr.Reached, "the first holds it back")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, tr.Wait(ended), context.Canceled)
	a()
	assert.Equal(t, []string{"2"}, tr.Reached)
	waited := make(chan error)
	go func() { waited <- tr.Wait(t.Context()) }()
	c()
	require.NoError(t, <-waited)
	assert.Equal(t, []string{"2"}, tr.Reached, "a step without a version reaches none")
}

func entryOf(i, version int) (types.UID, resource.Entry) {
	return types.UID(fmt.Sprintf("0b1c2d3e-0000-4000-8000-%012d", i)),
		resource.Entry{Name: fmt.Sprintf("some-namespace/some-deployment-%d-abcde", i), Version: strconv.Itoa(version)}
}

// TestManyObjectsAreKeptInSmallValues has 12,000, of which no value may be larger
// than 64 KB, whoever writes first, and whatever two processes write at once.
func TestManyObjectsAreKeptInSmallValues(t *testing.T) {
	const objects = 12_000
	store := &memory.Store{}
	l := &log{}
	want := map[types.UID]resource.Entry{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 2 {
		a := resource.NewArchive(store, "id", l.logger())
		_, _, err := a.Load(t.Context())
		require.NoError(t, err)
		wg.Go(func() {
			for _, size := range []int{objects, 100, 100, 100} {
				batch := map[types.UID]resource.Entry{}
				first := rand.N(objects)
				for i := range size {
					uid, e := entryOf((first+i)%objects, 1+rand.N(1000))
					batch[uid] = e
				}
				assert.NoError(t, a.Save(t.Context(), batch, map[string]string{"": "5"}))
				mu.Lock()
				for uid, e := range batch {
					if old, ok := want[uid]; !ok || resource.CompareVersions(e.Version, old.Version) > 0 {
						want[uid] = e
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	known, positions, err := resource.NewArchive(store, "id", l.logger()).Load(t.Context())
	require.NoError(t, err)
	assert.Equal(t, want, known, "the newest of each")
	assert.Equal(t, map[string]string{"": "5"}, positions)
	values := 0
	for e, err := range store.List(t.Context(), "") {
		require.NoError(t, err)
		values++
		require.LessOrEqual(t, len(e.Value), resource.MaxShard)
	}
	assert.Greater(t, values, 100)
	assert.Less(t, values, 400)
	assert.Empty(t, l.String())
}

func TestMergingGoesForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory.Store{}
		ahead, behind := resource.NewArchive(store, "id", nil), resource.NewArchive(store, "id", nil)
		save := func(a *resource.Archive, version string, gone bool, position string) {
			e := resource.Entry{Name: "ns/a", Version: version}
			if gone {
				e.Gone = time.Now().Unix()
			}
			require.NoError(t, a.Save(t.Context(), map[types.UID]resource.Entry{"u": e}, map[string]string{"": position, "only" + position: position}))
		}
		load := func() (resource.Entry, map[string]string) {
			known, positions, err := ahead.Load(t.Context())
			require.NoError(t, err)
			return known["u"], positions
		}
		save(ahead, "10", true, "12")
		save(behind, "9", false, "9")
		e, positions := load()
		assert.Equal(t, "10", e.Version)
		assert.NotZero(t, e.Gone, "what lags does not bring a deleted object back")
		assert.Equal(t, map[string]string{"": "12", "only12": "12", "only9": "9"}, positions)
		save(behind, "10", false, "9")
		e, _ = load()
		assert.NotZero(t, e.Gone, "nor where the deletion has the version that the object had")

		time.Sleep(resource.MarkerLife + time.Second)
		require.NoError(t, behind.Save(t.Context(), map[types.UID]resource.Entry{"u": e}, nil))
		e, _ = load()
		assert.Zero(t, e, "a marker has its time")
	})
}

func TestWhatCannotBeReadIsKeptAside(t *testing.T) {
	for name, damage := range map[string]func(key string) bool{
		"the head":   func(key string) bool { return key[:8] == "v1/head/" },
		"the shards": func(key string) bool { return key[:9] == "v1/known/" },
		"all":        func(string) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, r *rig) {
				for i := range 30 {
					r.cluster.create(fmt.Sprintf("shop/o%d", i))
				}
				r.start()
				require.Len(t, r.news(), 30)
				r.stop()
				damaged := map[string]bool{}
				for e, err := range r.rec.Store.List(t.Context(), "v1/") {
					require.NoError(t, err)
					if damage(e.Key) {
						damaged[e.Key] = true
						require.NoError(t, r.rec.Store.Update(t.Context(), e.Key, func([]byte) ([]byte, error) { return []byte("{damaged"), nil }))
					}
				}
				require.NotEmpty(t, damaged)
				next := r.successor(nil)
				next.start()
				r.cluster.update("shop/o1", with("data.n", "1"))
				next.await()
				time.Sleep(10 * time.Second)
				next.stop()
				assert.Contains(t, next.log.String(), "cannot be read")
				aside := 0
				for e, err := range r.rec.Store.List(t.Context(), "unreadable/") {
					require.NoError(t, err)
					assert.Equal(t, "{damaged", string(e.Value))
					aside++
				}
				assert.Positive(t, aside)

				last := r.successor(nil)
				last.start()
				assert.Empty(t, last.news(), "it has become well")
				last.stop()
			})
		})
	}
}
