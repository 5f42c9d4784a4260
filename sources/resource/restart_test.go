package resource_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestFirstStart(t *testing.T) {
	for name, tt := range map[string]struct {
		after bool
		want  []string
	}{
		"emits what is there": {false, []string{"ADD shop/a 1", "ADD shop/b 0"}},
		"AfterStart does not": {true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(s *resource.Source) { s.AfterStart = tt.after }, func(t *testing.T, r *rig) {
				r.cluster.create("shop/a")
				r.cluster.update("shop/a", with("data.n", "1"))
				r.cluster.create("shop/b")
				r.start()
				assert.ElementsMatch(t, tt.want, r.news())
				assert.Contains(t, r.log.String(), "this is a first start")
				r.cluster.update("shop/b", with("data.n", "2"))
				assert.Equal(t, []string{"UPDATE shop/b 2"}, r.news())
				r.cluster.delete("shop/a")
				assert.Equal(t, []string{"DELETE shop/a 1"}, r.news())
				r.stop()

				next := r.successor(func(s *resource.Source) { s.AfterStart = tt.after })
				next.start()
				assert.Empty(t, next.news(), "nothing has happened since")
				next.stop()
			})
		})
	}
}

// TestAFirstListThatIsBrokenOff has what happens to objects that it has remembered
// already be an event, though the first list is not at its end.
func TestAFirstListThatIsBrokenOff(t *testing.T) {
	afterStart := func(s *resource.Source) { s.AfterStart = true }
	for name, restarts := range map[string]bool{"and made again": false, "and made by the next process": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, afterStart, func(t *testing.T, r *rig) {
				r.cluster.pageSize = 2
				for _, name := range []string{"a", "b", "c"} {
					r.cluster.create("shop/" + name)
				}
				lists := 0
				r.cluster.refuse(func(verb, _, _ string) error {
					if verb != "list" {
						return nil
					}
					if lists++; lists > 1 {
						return apiAway()
					}
					return nil
				})
				r.start()
				r.cluster.update("shop/a", with("data.n", "1"))
				r.cluster.delete("shop/b")
				next := r
				if restarts {
					r.stop()
					next = r.successor(afterStart)
				}
				r.cluster.refuse(nil)
				if restarts {
					next.start()
				}
				assert.ElementsMatch(t, []string{"UPDATE shop/a 1", "DELETE shop/b partial"}, next.await())
				next.stop()
			})
		})
	}
}

// happenWhileDown has one object of each fate.
func happenWhileDown(c *cluster) {
	c.update("shop/updated", with("data.n", "1"))
	c.update("shop/updated", with("data.n", "2"))
	c.delete("shop/deleted")
	c.create("shop/created")
	c.create("shop/passed")
	c.delete("shop/passed")
}

func prepared(r *rig) {
	for _, name := range []string{"kept", "updated", "deleted"} {
		r.cluster.create("shop/" + name)
	}
	r.start()
	require.Len(r.t, r.news(), 3)
	r.stop()
}

func TestRestartGoesOnWhereItStopped(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		prepared(r)
		happenWhileDown(r.cluster)
		next := r.successor(nil)
		next.start()
		assert.ElementsMatch(t, []string{
			"UPDATE shop/updated 1", "UPDATE shop/updated 2", "DELETE shop/deleted 0", "ADD shop/created 0", "ADD shop/passed 0", "DELETE shop/passed 0",
		}, next.news())
		assert.Zero(t, next.source.Report().Counters["relists"])
		next.stop()
	})
}

func TestRestartAfterCompactionListsAndCompares(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		prepared(r)
		happenWhileDown(r.cluster)
		r.cluster.compact()
		next := r.successor(nil)
		next.start()
		assert.ElementsMatch(t, []string{"UPDATE shop/updated 2", "DELETE shop/deleted partial", "ADD shop/created 0"}, next.await())
		counters := next.source.Report().Counters
		assert.Equal(t, uint64(1), counters["relists"])
		assert.Equal(t, uint64(1), counters["partial"])
		for _, e := range next.rec.Events() {
			if d := data(t, e); d.Partial {
				assert.Equal(t, "ConfigMap", kindOr(d, "ConfigMap"))
				assert.Equal(t, "v1", d.Body.APIVersion)
				assert.Equal(t, "uid-3", d.Body.Metadata.UID)
				assert.Equal(t, "uid-3/DELETE", e.ID())
			}
		}
		r.cluster.update("shop/kept", with("data.n", "1"))
		assert.Equal(t, []string{"UPDATE shop/kept 1"}, next.news(), "it watches from the list on")
		next.stop()
	})
}

func kindOr(d eventData, kind string) string {
	if d.Body.Kind == "" {
		return kind
	}
	return d.Body.Kind
}

// TestAChangeThatAnEarlierADDMayHide has a process die after it emitted an ADD and
// before the Store knew: the bus drops the successor's ADD as a repetition, so
// what the object has become needs an event of its own.
func TestAChangeThatAnEarlierADDMayHide(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		away := &switchableStore{Store: r.rec.Store}
		r.rec.Store = away
		r.start()
		away.off.Store(true)
		r.cluster.create("shop/a")
		require.Equal(t, []string{"ADD shop/a 0"}, r.news())
		r.stop()
		away.off.Store(false)
		time.Sleep(time.Second)
		r.cluster.update("shop/a", with("data.n", "1"))
		r.cluster.create("shop/b")
		r.cluster.create("shop/c")
		r.cluster.locked(func() { // as whoever asks the API server to can have it
			unstructured.RemoveNestedField(r.cluster.objects[key(configMaps, "shop", "c")].Object, "metadata", "managedFields")
		})
		r.cluster.compact()

		next := r.successor(nil)
		next.start()
		assert.ElementsMatch(t, []string{"ADD shop/a 1", "UPDATE shop/a 1", "ADD shop/b 0", "ADD shop/c 0", "UPDATE shop/c 0"}, next.await())
		next.stop()
	})
}

func TestRelistWhileRunning(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.cluster.pageSize = 2
		for i := range 7 {
			r.cluster.create(fmt.Sprintf("shop/o%d", i))
		}
		r.start()
		require.Len(t, r.news(), 7)
		away := apiAway
		r.cluster.refuse(func(string, string, string) error { return away() })
		r.cluster.restart()
		time.Sleep(time.Minute)
		trouble := r.source.Report().Trouble
		require.NotNil(t, trouble)
		assert.ErrorContains(t, trouble.Err, "connection refused")
		assert.GreaterOrEqual(t, time.Since(trouble.Time), 50*time.Second, "it says since when")
		r.cluster.update("shop/o3", with("data.n", "1"))
		r.cluster.delete("shop/o4")
		r.cluster.create("shop/o9")
		r.cluster.compact()
		r.cluster.refuse(nil)
		assert.ElementsMatch(t, []string{"UPDATE shop/o3 1", "DELETE shop/o4 partial", "ADD shop/o9 0"}, r.await())
		assert.Nil(t, r.source.Report().Trouble)
		assert.Contains(t, r.log.String(), "trouble is over")
		r.stop()
	})
}

// TestTheListsTokenExpires has a bus so slow that a page's token is too old: the
// list begins again, and what was emitted is not emitted again.
func TestTheListsTokenExpires(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.cluster.pageSize = 2
		for i := range 6 {
			r.cluster.create(fmt.Sprintf("shop/o%d", i))
		}
		r.expireLists(func(n int) bool { return n == 2 })
		r.start()
		assert.Len(t, r.await(), 6)
		r.stop()
	})
}

func TestAnotherSelectionIsAFirstStart(t *testing.T) {
	bubble(t, func(s *resource.Source) { s.Labels = "app=a" }, func(t *testing.T, r *rig) {
		r.cluster.create("shop/a", labelled("app", "a"))
		r.cluster.create("shop/b", labelled("app", "b"))
		r.start()
		require.Equal(t, []string{"ADD shop/a 0"}, r.news())
		r.stop()

		other := r.successor(func(s *resource.Source) { s.Labels = "app in (a,b)" })
		other.start()
		assert.ElementsMatch(t, []string{"ADD shop/a 0", "ADD shop/b 0"}, other.news())
		assert.Contains(t, other.log.String(), "this is a first start")
		assert.Contains(t, other.log.String(), "other_state=true")
		other.stop()

		r.cluster.update("shop/a", with("data.n", "1"))
		back := r.successor(func(s *resource.Source) { s.Labels = "app==a" }) // the same, said otherwise
		back.start()
		assert.Equal(t, []string{"UPDATE shop/a 1"}, back.news(), "a deploy that is rolled back goes on where it was")
		back.stop()
	})
}

func TestAnotherClusterIsAFirstStart(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.cluster.create("shop/a")
		r.start()
		require.Len(t, r.news(), 1)
		r.stop()
		r.cluster.uid = "cluster-2"
		next := r.successor(nil)
		next.start()
		assert.Equal(t, []string{"ADD shop/a 0"}, next.news())
		next.stop()
	})
}

func TestStateOfLongAgoIsRemoved(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.cluster.create("shop/a")
		r.start()
		r.news()
		r.stop()
		time.Sleep(8 * 24 * time.Hour)
		next := r.successor(func(s *resource.Source) { s.NamePrefix = "a" })
		next.start()
		next.stop()
		heads := 0
		for e, err := range r.rec.Store.List(t.Context(), "v1/") {
			require.NoError(t, err)
			if strings.HasPrefix(e.Key, "v1/head/") {
				heads++
			}
		}
		assert.Equal(t, 1, heads)
	})
}

// TestAClusterThatWasSetBack has its backup restored: resourceVersions are lower
// than those known, and a watch from there on would be silent for long.
func TestAClusterThatWasSetBack(t *testing.T) {
	for name, running := range map[string]bool{"before a start": false, "while it runs": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, r *rig) {
				for i := range 5 {
					r.cluster.create(fmt.Sprintf("shop/o%d", i))
				}
				r.start()
				require.Len(t, r.news(), 5)
				next := r
				if running {
					r.cluster.refuse(func(string, string, string) error { return apiAway() })
					setBack(r.cluster)
					r.cluster.restart()
					time.Sleep(time.Second)
					r.cluster.refuse(nil)
				} else {
					r.stop()
					setBack(r.cluster)
					next = r.successor(nil)
					next.start()
				}
				assert.Equal(t, []string{"ADD shop/o1 0"}, next.await())
				assert.Contains(t, next.log.String(), "the cluster is older")
				r.cluster.update("shop/o1", with("data.n", "1"))
				assert.Equal(t, []string{"UPDATE shop/o1 1"}, next.await())
				next.stop()

				r.cluster.update("shop/o1", with("data.n", "2"))
				last := r.successor(nil)
				last.start()
				assert.Equal(t, []string{"UPDATE shop/o1 2"}, last.news(), "the new state is kept")
				last.stop()
			})
		})
	}
}

// setBack restores a backup of when nothing was there but shop/o1.
func setBack(c *cluster) {
	c.locked(func() {
		c.version, c.history, c.compacted = 10, nil, 0
		clear(c.objects)
	})
	c.create("shop/o1")
}

// TestAClusterThatWasSetBackUnnoticed was away while a full bus had the source read
// nothing: all that it sees is a watch that has ended.
func TestAClusterThatWasSetBackUnnoticed(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.cluster.create("shop/a")
		r.start()
		require.Len(t, r.news(), 1)
		var full atomic.Bool
		full.Store(true)
		r.rec.Then = func(context.Context, hearken.Event) error {
			if full.Load() {
				return fmt.Errorf("test: %w", bus.ErrFull)
			}
			return nil
		}
		for i := range 30 {
			r.cluster.create(fmt.Sprintf("shop/b%d", i))
		}
		time.Sleep(time.Minute)
		setBack(r.cluster)
		r.cluster.restart()
		time.Sleep(time.Minute)
		full.Store(false)
		time.Sleep(time.Minute)
		assert.Contains(t, r.news(), "ADD shop/o1 0")
		r.stop()
	})
}

// TestSeveralNamespacesThatWereSetBack has both find out at once.
func TestSeveralNamespacesThatWereSetBack(t *testing.T) {
	bubble(t, func(s *resource.Source) { s.Namespaces = []string{"shop", "dev"} }, func(t *testing.T, r *rig) {
		r.rec.Store = nil
		r.cluster.create("shop/a")
		r.cluster.create("dev/a")
		r.start()
		require.Len(t, r.news(), 2)
		r.stop()
		setBack(r.cluster)
		r.start()
		assert.Equal(t, []string{"ADD shop/o1 0"}, r.await())
		r.stop()
	})
}

// TestNothingIsKeptOfAClusterThatWasSetBack by any of two processes: neither by the
// one that finds out, nor by the other, which goes on until it hears of it.
func TestNothingIsKeptOfAClusterThatWasSetBack(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		for i := range 20 {
			r.cluster.create(fmt.Sprintf("shop/o%d", i))
		}
		other := r.successor(nil)
		other.start()
		r.start()
		require.Len(t, r.news(), 20)
		r.cluster.refuse(func(string, string, string) error { return apiAway() })
		setBack(r.cluster)
		r.cluster.restart()
		time.Sleep(time.Second)
		r.cluster.refuse(nil)
		assert.Equal(t, []string{"ADD shop/o1 0"}, r.await())
		time.Sleep(time.Minute)
		r.stop()
		other.stop()
		var kept []string
		for e, err := range r.rec.Store.List(t.Context(), "v1/known/") {
			require.NoError(t, err)
			kept = append(kept, string(e.Value))
		}
		require.Len(t, kept, 1)
		assert.Contains(t, kept[0], `"shop/o1"`)
	})
}

// TestWithoutAStore lasts within a process, over restarts of the source by the
// pipeline.
func TestWithoutAStore(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.rec.Store = nil
		r.cluster.create("shop/a")
		r.start()
		require.Len(t, r.news(), 1)
		assert.Contains(t, r.log.String(), "has no Store")
		r.stop()
		r.cluster.update("shop/a", with("data.n", "1"))
		r.start()
		assert.Equal(t, []string{"UPDATE shop/a 1"}, r.news())
		r.stop()
		assert.Equal(t, 1, strings.Count(r.log.String(), "has no Store"), "it is said once")

		next := r.successor(nil)
		next.start()
		assert.Equal(t, []string{"ADD shop/a 1"}, next.news(), "another process begins as at a first start")
		next.stop()
	})
}

func TestAKilledProcessRepeatsIDs(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		away := &switchableStore{Store: r.rec.Store}
		r.rec.Store = away
		r.start()
		r.cluster.create("shop/a")
		r.news()
		time.Sleep(10 * time.Second) // it is flushed
		away.off.Store(true)
		r.cluster.update("shop/a", with("data.n", "1"))
		r.cluster.create("shop/b")
		r.news()
		time.Sleep(10 * time.Second)
		require.NotNil(t, r.source.Report().Trouble)
		require.ErrorIs(t, r.source.Report().Trouble.Err, errAway)
		r.stop() // as if killed: nothing of it is kept
		assert.Contains(t, r.log.String(), "the Store was not told the last")
		before := ids(r.rec.Events())
		away.off.Store(false)

		next := r.successor(nil)
		next.start()
		assert.Len(t, next.news(), 2)
		assert.ElementsMatch(t, before[1:], ids(next.rec.Events()))
		next.stop()
	})
}

// TestReplicasMakeOneEventEach has two processes over one bus and one Store.
func TestReplicasMakeOneEventEach(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		b := &memory.Bus{DedupeWindow: 10 * time.Minute}
		topic := bus.Topic{EventSource: "shop", Event: "changes"}
		sub, err := b.Subscribe(t.Context(), bus.Group{Name: "g", Topics: []bus.Topic{topic}, InFlight: 10_000})
		require.NoError(t, err)
		publish := func(ctx context.Context, e hearken.Event) error {
			e = e.Clone()
			e.SetSource("shop")
			return b.Publish(ctx, topic, e)
		}
		for i := range 50 {
			r.cluster.create(fmt.Sprintf("shop/o%d", i))
		}
		other := r.successor(nil)
		r.rec.Then, other.rec.Then = publish, publish
		r.start()
		other.start()
		for i := range 50 {
			r.cluster.update(fmt.Sprintf("shop/o%d", i), with("data.n", "1"))
			if i == 20 {
				other.stop()
			}
			if i == 30 {
				other = other.successor(nil)
				other.rec.Then = publish
				other.start()
			}
			if i%2 == 0 {
				r.cluster.delete(fmt.Sprintf("shop/o%d", i))
			}
		}
		synctest.Wait()
		time.Sleep(time.Minute)
		r.stop()
		other.stop()

		got := map[string]int{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for {
			d, err := sub.Receive(ctx)
			if err != nil {
				break
			}
			got[r.line(d.Event)]++
			require.NoError(t, d.Ack(t.Context()))
		}
		assert.Len(t, got, 50+50+25)
		for line, n := range got {
			assert.Equal(t, 1, n, line)
		}
		require.NoError(t, sub.Close(t.Context()))
	})
}

// TestAnEndBetweenAnADDAndItsUPDATE has the bus away just between the two that an
// object makes which may have been added before: neither the change nor, where it
// happens next, the deletion is lost.
func TestAnEndBetweenAnADDAndItsUPDATE(t *testing.T) {
	for name, tt := range map[string]struct {
		next func(*cluster)
		want []string
	}{
		"still there": {func(*cluster) {}, []string{"UPDATE shop/a 1"}},
		"changed":     {func(c *cluster) { c.update("shop/a", with("data.n", "2")) }, []string{"UPDATE shop/a 2"}},
		"deleted":     {func(c *cluster) { c.delete("shop/a") }, []string{"DELETE shop/a partial"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, r *rig) {
				r.start()
				r.cluster.create("shop/other")
				require.Len(t, r.news(), 1)
				r.stop()
				r.cluster.create("shop/a")
				time.Sleep(time.Second)
				r.cluster.update("shop/a", with("data.n", "1"))
				r.cluster.compact()

				next := r.successor(nil)
				next.rec.Then = func(_ context.Context, e hearken.Event) error {
					if d, err := parse(e); err != nil || d.Type != "ADD" {
						return fmt.Errorf("test: %w", bus.ErrFull)
					}
					return nil
				}
				next.start()
				require.Equal(t, []string{"ADD shop/a 1"}, next.await())
				next.stop()
				tt.next(r.cluster)
				last := r.successor(nil)
				last.start()
				assert.Equal(t, tt.want, last.await())
				last.stop()
				after := r.successor(nil)
				after.start()
				assert.Empty(t, after.news())
				after.stop()
			})
		})
	}
}
