package resource_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestFilters plays one story to sources with different filters.
func TestFilters(t *testing.T) {
	began := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // as every bubble does
	for name, tt := range map[string]struct {
		set  func(*resource.Source)
		want []string
	}{
		"none": {nil, []string{
			"ADD shop/web 0", "ADD shop/db 5", "ADD dev/web 0", "UPDATE shop/web 7", "UPDATE shop/web 8", "DELETE shop/web 8", "DELETE dev/web 0",
		}},
		"namespaces": {func(s *resource.Source) { s.Namespaces = []string{"dev", "test"} }, []string{"ADD dev/web 0", "DELETE dev/web 0"}},
		"types":      {func(s *resource.Source) { s.Types = []resource.Type{resource.Update} }, []string{"UPDATE shop/web 7", "UPDATE shop/web 8"}},
		"two types": {func(s *resource.Source) { s.Types = []resource.Type{resource.Add, resource.Delete} }, []string{
			"ADD shop/web 0", "ADD shop/db 5", "ADD dev/web 0", "DELETE shop/web 8", "DELETE dev/web 0",
		}},
		"name prefix": {func(s *resource.Source) { s.NamePrefix = "d" }, []string{"ADD shop/db 5"}},
		"labels, where an object enters and leaves": {func(s *resource.Source) { s.Labels = "tier=front,!canary" }, []string{
			"ADD shop/web 7", "DELETE shop/web 7",
		}},
		"labels that compare": {func(s *resource.Source) { s.Labels = "weight>4,weight<6" }, []string{"ADD shop/db 5"}},
		"fields, event by event": {func(s *resource.Source) {
			s.Fields = []resource.Field{{Path: "data.n", Operator: resource.NotEqual, Values: []any{"0", "8"}}}
		}, []string{"ADD shop/db 5", "UPDATE shop/web 7"}},
		"created by": {func(s *resource.Source) { s.CreatedBy = began.Add(time.Minute) }, []string{"ADD shop/web 0", "UPDATE shop/web 7", "UPDATE shop/web 8", "DELETE shop/web 8"}},
		"all at once": {func(s *resource.Source) {
			s.Namespaces, s.Types, s.NamePrefix, s.Labels = []string{"shop"}, []resource.Type{resource.Add}, "w", "tier in (front, back)"
			s.Fields = []resource.Field{{Path: "data.n", Values: []any{"7"}}}
		}, []string{"ADD shop/web 7"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, tt.set, func(t *testing.T, r *rig) {
				r.start()
				n := func(v string) func(*unstructured.Unstructured) { return with("data.n", v) }
				var got []string
				for _, happen := range []func(){
					func() { r.cluster.create("shop/web") },
					func() { time.Sleep(2 * time.Minute); r.cluster.create("shop/db", n("5"), labelled("weight", "5")) },
					func() { r.cluster.create("dev/web") },
					func() { r.cluster.update("shop/web", n("7"), labelled("tier", "front")) },
					func() { r.cluster.update("shop/web", n("8"), labelled("tier", "front", "canary", "yes")) },
					func() { r.cluster.delete("shop/web") },
					func() { r.cluster.delete("dev/web") },
				} {
					happen()
					got = append(got, r.news()...)
				}
				assert.Equal(t, tt.want, got)
				r.stop()
			})
		})
	}
}

func TestIDsNameWhatHappened(t *testing.T) {
	for name, tt := range map[string]struct {
		labels string
		want   []string
	}{
		"without a selection": {"", []string{"uid-1/ADD", "uid-1/UPDATE/102", "uid-1/UPDATE/103", "uid-1/UPDATE/104", "uid-1/DELETE"}},
		"with one, that may be entered again": {"app=shop", []string{
			"uid-1/ADD/101", "uid-1/UPDATE/102", "uid-1/DELETE/103", "uid-1/ADD/104", "uid-1/DELETE/105",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(s *resource.Source) { s.Labels = tt.labels }, func(t *testing.T, r *rig) {
				r.start()
				r.cluster.create("shop/a", labelled("app", "shop"))
				r.cluster.update("shop/a")
				r.cluster.update("shop/a", labelled("app", "other"))
				r.cluster.update("shop/a", labelled("app", "shop"))
				r.cluster.delete("shop/a")
				r.news()
				assert.Equal(t, tt.want, ids(r.rec.Events()))
				r.stop()
			})
		})
	}
}

func TestDataIsThatOfArgoEvents(t *testing.T) {
	bubble(t, func(s *resource.Source) {
		s.OldBody = true
		s.Metadata = map[string]string{"team": "a"}
	}, func(t *testing.T, r *rig) {
		r.start()
		created := time.Now()
		r.cluster.create("shop/a", with("data.html", "<b>&</b>"))
		r.news()
		time.Sleep(time.Minute)
		r.cluster.update("shop/a", with("data.n", "1"))
		r.news()
		time.Sleep(time.Minute)
		r.cluster.delete("shop/a")
		r.news()
		events := r.rec.Events()
		require.Len(t, events, 3)
		object := func(version, n string) string {
			return `{"apiVersion":"v1","data":{"html":"<b>&</b>","n":"` + n + `"},"kind":"ConfigMap","metadata":{"creationTimestamp":"2000-01-01T00:00:00Z","name":"a","namespace":"shop","resourceVersion":"` + version + `","uid":"uid-1"}}`
		}
		tail := `"group":"","version":"v1","resource":"configmaps","metadata":{"team":"a"}}`
		assert.Equal(t, `{"type":"ADD","body":`+object("101", "0")+`,`+tail, string(events[0].Data()))
		assert.Equal(t, `{"type":"UPDATE","body":`+object("102", "1")+`,"oldBody":`+object("101", "0")+`,`+tail, string(events[1].Data()))
		assert.Equal(t, `{"type":"DELETE","body":`+object("103", "1")+`,`+tail, string(events[2].Data()))
		assert.True(t, events[0].Time().Equal(created), "ADD is when it was created")
		assert.True(t, events[1].Time().Equal(created.Add(time.Minute)), "UPDATE is when somebody says to have written it")
		assert.True(t, events[2].Time().IsZero(), "DELETE is when it is seen, which the pipeline stamps")
		r.stop()
	})
}

func TestOldBodyIsNullUntilItIsKnown(t *testing.T) {
	bubble(t, func(s *resource.Source) { s.OldBody = true }, func(t *testing.T, r *rig) {
		r.start()
		r.cluster.create("shop/a")
		r.news()
		r.stop()

		next := r.successor(func(s *resource.Source) { s.OldBody = true })
		next.start()
		r.cluster.update("shop/a", with("data.n", "1"))
		next.news()
		r.cluster.update("shop/a", with("data.n", "2"))
		next.news()
		events := next.rec.Events()
		require.Len(t, events, 2)
		assert.JSONEq(t, "null", string(data(t, events[0]).OldBody))
		assert.Contains(t, string(data(t, events[1]).OldBody), `"n":"1"`)
		next.stop()
	})
}

func TestSecretsAreHidden(t *testing.T) {
	for _, shown := range []bool{false, true} {
		t.Run(fmt.Sprintf("shown: %v", shown), func(t *testing.T) {
			bubble(t, func(s *resource.Source) {
				s.Resource = secrets
				s.Secrets = shown
				s.OldBody = true
			}, func(t *testing.T, r *rig) {
				r.start()
				applied := "kubectl.kubernetes.io/last-applied-configuration"
				secret := func() *unstructured.Unstructured {
					return object("shop/key", with("data", map[string]any{"key": "aHVudGVyMg=="}), with("stringData", map[string]any{"key": "hunter2"}),
						with("metadata.annotations", map[string]any{applied: `{"stringData":{"key":"hunter2"}}`, "team": "a"}))
				}
				r.cluster.createIn(secrets, secret())
				r.news()
				events := r.rec.Events()
				require.Len(t, events, 1)
				text := string(events[0].Data())
				d := data(t, events[0])
				assert.Equal(t, "a", d.Body.Metadata.Annotations["team"])
				if shown {
					assert.Equal(t, "aHVudGVyMg==", d.Body.Data["key"])
					assert.Contains(t, text, "hunter2")
				} else {
					assert.Equal(t, map[string]string{"key": "***"}, d.Body.Data)
					assert.Equal(t, map[string]string{"key": "***"}, d.Body.StringData)
					assert.Equal(t, "***", d.Body.Metadata.Annotations[applied])
					assert.NotContains(t, text, "hunter2")
					assert.NotContains(t, text, "aHVudGVyMg")
				}
				assert.NotContains(t, r.log.String(), "hunter2")
				r.stop()
			})
		})
	}
}

func TestOnlySecretsAreHidden(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.start()
		r.cluster.create("shop/a", with("data.key", "visible"))
		r.news()
		assert.Equal(t, "visible", data(t, r.rec.Events()[0]).Body.Data["key"])
		r.stop()
	})
}

func TestWhatIsTooLargeGoesWithLess(t *testing.T) {
	big := strings.Repeat("x", 1000)
	bubble(t, func(s *resource.Source) { s.OldBody = true }, func(t *testing.T, r *rig) {
		var limit atomic.Int64
		limit.Store(10_000)
		r.rec.Then = func(_ context.Context, e hearken.Event) error {
			if len(e.Data()) > int(limit.Load()) {
				return hearken.Permanent(fmt.Errorf("%w: %d bytes", bus.ErrRejected, len(e.Data())))
			}
			return nil
		}
		r.start()
		r.cluster.create("shop/a", with("data.big", big))
		require.Equal(t, []string{"ADD shop/a 0"}, r.news())

		limit.Store(1500)
		r.cluster.update("shop/a", with("data.n", "1"))
		require.Equal(t, []string{"UPDATE shop/a 1"}, r.news())
		assert.JSONEq(t, "null", string(data(t, r.rec.Events()[1]).OldBody), "it goes without oldBody")
		assert.Zero(t, r.source.Report().Counters["truncated"])

		limit.Store(500)
		r.cluster.update("shop/a", with("data.n", "2"))
		require.Equal(t, []string{"UPDATE shop/a truncated"}, r.news())
		d := data(t, r.rec.Events()[2])
		assert.Equal(t, "103", d.Body.Metadata.ResourceVersion)
		assert.Equal(t, "ConfigMap", d.Body.Kind)
		assert.Equal(t, uint64(1), r.source.Report().Counters["truncated"])
		assert.Equal(t, "uid-1/UPDATE/103", r.rec.Events()[2].ID())

		limit.Store(300)
		r.cluster.update("shop/a", with("metadata.annotations", map[string]any{"big": big}))
		require.Equal(t, []string{"UPDATE shop/a truncated"}, r.news(), "with large metadata it has what names it")
		d = data(t, r.rec.Events()[3])
		assert.Equal(t, "uid-1", d.Body.Metadata.UID)
		assert.Equal(t, "104", d.Body.Metadata.ResourceVersion)
		assert.Equal(t, "ConfigMap", d.Body.Kind)
		assert.Empty(t, d.Body.Metadata.Annotations)
		assert.Equal(t, uint64(2), r.source.Report().Counters["truncated"])

		limit.Store(10)
		r.cluster.update("shop/a", with("data.n", "3"))
		require.Empty(t, r.news())
		assert.Equal(t, uint64(1), r.source.Report().Counters["refused"])
		assert.Contains(t, r.log.String(), "given up")

		limit.Store(10_000)
		r.cluster.update("shop/a", with("data.n", "4"))
		require.Equal(t, []string{"UPDATE shop/a 4"}, r.news(), "it goes on")
		r.stop()
	})
}

// TestAFullBusHoldsTheWatch has a bus with no room for a minute, and a thousand
// changes meanwhile: what waits is what the lanes hold, and nothing is lost.
func TestAFullBusHoldsTheWatch(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		var full atomic.Bool
		full.Store(true)
		r.rec.Then = func(context.Context, hearken.Event) error {
			if full.Load() {
				return fmt.Errorf("test: %w", bus.ErrFull)
			}
			return nil
		}
		r.start()
		for i := range 1000 {
			r.cluster.create(fmt.Sprintf("shop/o%d", i))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Empty(t, r.rec.Events())
		assert.LessOrEqual(t, r.cluster.delivered(), 8+1, "the watch is read no further")
		attempted := map[string]bool{}
		for _, id := range ids(r.rec.Attempts()) {
			attempted[id] = true
		}
		assert.LessOrEqual(t, len(attempted), 8, "the same events are emitted again")

		full.Store(false)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		got := map[string]bool{}
		for _, id := range ids(r.rec.Events()) {
			assert.False(t, got[id], id)
			got[id] = true
		}
		assert.Len(t, got, 1000)
		r.stop()
	})
}

// TestWhatIsNotWantedIsNotReadWithoutEnd has one event that waits for room, and
// many others of which nobody wants any.
func TestWhatIsNotWantedIsNotReadWithoutEnd(t *testing.T) {
	for name, set := range map[string]func(*resource.Source){
		"by name": func(s *resource.Source) { s.NamePrefix = "wanted" },
		"by type": func(s *resource.Source) { s.Types = []resource.Type{resource.Add} },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, set, func(t *testing.T, r *rig) {
				var full atomic.Bool
				r.cluster.create("shop/other")
				r.rec.Then = func(context.Context, hearken.Event) error {
					if full.Load() {
						return fmt.Errorf("test: %w", bus.ErrFull)
					}
					return nil
				}
				r.start()
				r.news()
				full.Store(true)
				before := r.cluster.delivered()
				r.cluster.create("shop/wanted")
				for range 3000 {
					r.cluster.update("shop/other")
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				assert.LessOrEqual(t, r.cluster.delivered()-before, 1001)
				full.Store(false)
				assert.Equal(t, []string{"ADD shop/wanted 0"}, r.await())
				time.Sleep(time.Second)
				synctest.Wait()
				assert.Equal(t, 3001, r.cluster.delivered()-before, "then it goes on")
				r.stop()
			})
		})
	}
}

func TestEventsOfOneObjectKeepTheirOrder(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.rec.Then = func(_ context.Context, e hearken.Event) error {
			time.Sleep(time.Duration(len(e.Data())%7) * time.Millisecond)
			return nil
		}
		r.start()
		for o := range 20 {
			r.cluster.create(fmt.Sprintf("shop/o%d", o))
		}
		for n := range 10 {
			for o := range 20 {
				r.cluster.update(fmt.Sprintf("shop/o%d", o), with("data.n", fmt.Sprint(n)))
			}
		}
		time.Sleep(10 * time.Second)
		r.stop()
		last := map[string]string{}
		for _, e := range r.rec.Events() {
			d := data(t, e)
			version := fmt.Sprintf("%06s", d.Body.Metadata.ResourceVersion)
			assert.Greater(t, version, last[d.Body.Metadata.UID])
			last[d.Body.Metadata.UID] = version
		}
		assert.Len(t, last, 20)
		assert.Len(t, r.rec.Events(), 20*11)
	})
}

func TestEventsAreValidJSON(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.start()
		r.cluster.create("shop/a", with("data.odd", "\u2028\x00<\"\\\xff"), with("spec", map[string]any{
			"int": int64(1 << 53), "float": 1.5, "list": []any{nil, true, map[string]any{}},
		}))
		r.news()
		require.Len(t, r.rec.Events(), 1)
		assert.True(t, json.Valid(r.rec.Events()[0].Data()))
		assert.Contains(t, string(r.rec.Events()[0].Data()), `"int":9007199254740992`)
		r.stop()
	})
}
