package resource_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

func TestAClusterThatDoesNotAnswerIsInTrouble(t *testing.T) {
	for _, verb := range []string{"get", "list", "watch"} {
		t.Run(verb, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, r *rig) {
				r.cluster.create("shop/a")
				r.cluster.refuse(func(v, _, _ string) error {
					if v == verb {
						return errHangs
					}
					return nil
				})
				r.start()
				time.Sleep(2 * time.Minute)
				trouble := r.source.Report().Trouble
				require.NotNil(t, trouble)
				assert.ErrorContains(t, trouble.Err, "has not answered within 1m30s")
				r.cluster.refuse(nil)
				time.Sleep(2 * time.Minute)
				assert.Equal(t, []string{"ADD shop/a 0"}, r.await())
				assert.Nil(t, r.source.Report().Trouble)
				r.stop()
			})
		})
	}
}

// TestADiscoveryThatHangsEndsWithRun has a cluster that takes connections and says
// nothing: client-go's discovery takes no context.
func TestADiscoveryThatHangsEndsWithRun(t *testing.T) {
	asked := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	s := &resource.Source{Config: &rest.Config{Host: server.URL}, Kind: schema.GroupVersionKind{Group: "shop.example.com", Kind: "Widget"}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, (&sourcetest.Recorder{}).Output()) }()
	<-asked
	cancel()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		require.FailNow(t, "Run goes on")
	}
}

// TestADelayWithoutReason has a cluster ask to be left alone for an hour.
func TestADelayWithoutReason(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.cluster.refuse(func(v, _, _ string) error {
			if v == "list" {
				return apierrors.NewTooManyRequests("come back later", 3600)
			}
			return nil
		})
		r.start()
		r.cluster.create("shop/a")
		r.cluster.refuse(nil)
		time.Sleep(59 * time.Second)
		assert.Empty(t, r.news(), "it is left alone for a while")
		time.Sleep(2 * time.Second)
		assert.Equal(t, []string{"ADD shop/a 0"}, r.news())
		r.stop()
	})
}

// TestTokensThatAlwaysExpire has no list come to its second page.
func TestTokensThatAlwaysExpire(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.cluster.pageSize = 2
		for i := range 3 {
			r.cluster.create(fmt.Sprintf("shop/o%d", i))
		}
		lists := 0
		r.expireLists(func(n int) bool {
			lists = n
			return n%2 == 0
		})
		r.start()
		time.Sleep(time.Minute)
		assert.Len(t, r.news(), 2, "the first page, once")
		assert.Less(t, lists, 200, "it is not asked all the time")
		require.NotNil(t, r.source.Report().Trouble)
		r.cluster.refuse(nil)
		assert.Equal(t, []string{"ADD shop/o2 0"}, r.await())
		time.Sleep(10 * time.Second)
		assert.Nil(t, r.source.Report().Trouble)
		r.stop()
	})
}

func failure(code int32, reason metav1.StatusReason) watch.Event {
	return watch.Event{Type: watch.Error, Object: &metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: "odd"}}
}

func unstructuredOf(o map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: o}
}

// TestOddWatches have what no API server should send, each time that a watch is
// opened. The source survives it, says so, and goes on when it is over.
func TestOddWatches(t *testing.T) {
	for name, tt := range map[string]struct {
		odd  watch.Event
		says string // "": nothing is wrong
	}{
		"gone":                       {failure(410, metav1.StatusReasonGone), "odd"},
		"expired":                    {failure(410, metav1.StatusReasonExpired), "odd"},
		"internal error":             {failure(500, metav1.StatusReasonInternalError), "odd"},
		"a code that is none":        {failure(0, ""), "odd"},
		"a teapot":                   {failure(418, "Teapot"), "odd"},
		"too large a version":        {failure(504, metav1.StatusReasonTimeout), "odd"},
		"forbidden":                  {failure(403, metav1.StatusReasonForbidden), "no right to watch"},
		"an error that is an object": {watch.Event{Type: watch.Error, Object: unstructuredOf(map[string]any{"kind": "ConfigMap"})}, "unexpected object"},
		"an error of nothing":        {watch.Event{Type: watch.Error}, "unexpected object"},
		"nothing":                    {watch.Event{Type: watch.Added}, "got a <nil>"},
		"a type that is none":        {watch.Event{Type: "RENAMED", Object: unstructuredOf(map[string]any{"metadata": map[string]any{"uid": "u", "resourceVersion": "101"}})}, `type "RENAMED"`},
		"a bookmark of nothing":      {watch.Event{Type: watch.Bookmark, Object: unstructuredOf(map[string]any{})}, ""},
		"a bookmark without version": {watch.Event{Type: watch.Bookmark, Object: unstructuredOf(map[string]any{"metadata": nil})}, ""},
		"null metadata":              {watch.Event{Type: watch.Added, Object: unstructuredOf(map[string]any{"metadata": nil})}, "without a uid or resourceVersion"},
		"no uid":                     {watch.Event{Type: watch.Added, Object: unstructuredOf(map[string]any{"metadata": map[string]any{"name": "x", "resourceVersion": "101"}})}, "without a uid or resourceVersion"},
		"numbers for texts":          {watch.Event{Type: watch.Added, Object: unstructuredOf(map[string]any{"metadata": map[string]any{"uid": int64(1), "resourceVersion": int64(101)}})}, "without a uid or resourceVersion"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, r *rig) {
				r.cluster.create("shop/a")
				r.cluster.odd = []watch.Event{tt.odd}
				r.start()
				require.Equal(t, []string{"ADD shop/a 0"}, r.news())
				time.Sleep(time.Minute)
				trouble := r.source.Report().Trouble
				if tt.says == "" {
					assert.Nil(t, trouble)
				} else {
					require.NotNil(t, trouble)
					require.ErrorContains(t, trouble.Err, tt.says)
					assert.Less(t, len(r.cluster.requests()), 100, "it is not asked all the time")
					assert.NotContains(t, r.log.String(), "trouble is over")
					assert.Equal(t, 1, strings.Count(r.log.String(), "level=WARN msg=\"resource source has trouble"), r.log)
				}
				r.cluster.update("shop/a", with("data.n", "1"))
				r.cluster.locked(func() { r.cluster.odd = nil })
				assert.Equal(t, []string{"UPDATE shop/a 1"}, r.await())
				time.Sleep(10 * time.Second)
				assert.Nil(t, r.source.Report().Trouble)
				r.stop()
			})
		})
	}
}

// TestNullsInMetadata has a list with what an API server may leave empty.
func TestNullsInMetadata(t *testing.T) {
	null := func(o *unstructured.Unstructured) {
		for _, field := range []string{"labels", "annotations", "ownerReferences", "finalizers", "deletionTimestamp", "generation"} {
			o.Object["metadata"].(map[string]any)[field] = nil
		}
		o.Object["status"], o.Object["data"] = nil, nil
	}
	for name, set := range map[string]func(*resource.Source){
		"plain": nil,
		"all on": func(s *resource.Source) {
			s.OldBody, s.CreatedBy, s.Fields = true, time.Now().Add(time.Hour), []resource.Field{{Path: "status.phase", Operator: resource.Absent}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, set, func(t *testing.T, r *rig) {
				r.cluster.create("shop/a", null)
				r.cluster.createIn(secrets, object("shop/s", null))
				r.start()
				assert.Equal(t, []string{"ADD shop/a"}, r.news())
				r.cluster.update("shop/a", func(o *unstructured.Unstructured) {
					o.Object["metadata"].(map[string]any)["creationTimestamp"] = nil
				})
				assert.Equal(t, []string{"UPDATE shop/a"}, r.news())
				r.cluster.delete("shop/a")
				assert.Equal(t, []string{"DELETE shop/a"}, r.news())
				r.stop()
			})
		})
	}
}

// TestAListOfNamelessThings has one without uids, as some aggregated APIs serve:
// objects cannot be told apart.
func TestAListOfNamelessThings(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.cluster.create("shop/a")
		r.cluster.locked(func() { r.cluster.objects[key(configMaps, "shop", "a")].SetUID("") })
		r.start()
		time.Sleep(time.Minute)
		assert.Empty(t, r.news())
		require.NotNil(t, r.source.Report().Trouble)
		assert.ErrorContains(t, r.source.Report().Trouble.Err, "without a uid or resourceVersion")
		r.stop()
	})
}

func TestANamespaceThatDoesNotExist(t *testing.T) {
	bubble(t, func(s *resource.Source) { s.Namespaces = []string{"shpo"} }, func(t *testing.T, r *rig) {
		r.start()
		assert.Contains(t, r.log.String(), `does not exist, or not yet" namespace=shpo`)
		assert.Nil(t, r.source.Report().Trouble, "it may come")
		r.cluster.create("shpo/a")
		assert.Equal(t, []string{"ADD shpo/a 0"}, r.news())
		r.stop()
	})
}

// TestAClusterThatHidesItsIdentityForAWhile has a right missing at a restart, as an
// API server has all that has just begun: that is no other cluster.
func TestAClusterThatHidesItsIdentityForAWhile(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.cluster.create("shop/a")
		r.start()
		require.Equal(t, []string{"ADD shop/a 0"}, r.news())
		r.stop()
		r.cluster.refuse(func(v, res, _ string) error {
			if v == "get" {
				return apierrors.NewForbidden(schema.GroupResource{Resource: res}, "kube-system", errAway)
			}
			return nil
		})
		r.cluster.update("shop/a", with("data.n", "1"))
		next := r.successor(nil)
		next.start()
		assert.Equal(t, []string{"UPDATE shop/a 1"}, next.news(), "not all objects again")
		assert.Contains(t, next.log.String(), "taken_for=cluster-1")
		next.stop()
		r.cluster.refuse(nil)
		r.cluster.update("shop/a", with("data.n", "2"))
		last := r.successor(nil)
		last.start()
		assert.Equal(t, []string{"UPDATE shop/a 2"}, last.news())
		last.stop()
	})
}

// TestAFullBusAndTheEnd has Run end in time, however long there is no room, and the
// next process emit what waited.
func TestAFullBusAndTheEnd(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.rec.Then = func(context.Context, hearken.Event) error { return fmt.Errorf("test: %w", bus.ErrFull) }
		for i := range 30 {
			r.cluster.create(fmt.Sprintf("shop/o%d", i))
		}
		r.start()
		time.Sleep(time.Hour)
		began := time.Now()
		r.stop()
		assert.Less(t, time.Since(began), time.Second)
		next := r.successor(nil)
		next.start()
		assert.Len(t, next.news(), 30)
		next.stop()
	})
}

// TestALeaseLostWhileEmitting has the holder cut off while an emit waits: it is
// ended before another begins, and the other emits the same.
func TestALeaseLostWhileEmitting(t *testing.T) {
	l := &leases{}
	bubble(t, leased(l, "first"), func(t *testing.T, r *rig) {
		var endedAt time.Time
		r.rec.Then = func(ctx context.Context, _ hearken.Event) error {
			<-ctx.Done()
			endedAt = time.Now()
			return ctx.Err()
		}
		r.start()
		r.cluster.create("shop/a")
		synctest.Wait()
		cutOff := time.Now()
		l.refuse(apierrors.NewForbidden(leaseResource, "changes", errAway))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		require.False(t, endedAt.IsZero(), "the emit is ended")
		assert.Less(t, endedAt.Sub(cutOff), 15*time.Second, "before the lease expires")
		assert.Empty(t, r.rec.Events())

		l.refuse(nil)
		r.stop()
		second := r.successor(leased(l, "second"))
		second.start()
		assert.Equal(t, []string{"ADD shop/a 0"}, second.await())
		second.stop()
	})
}

// TestExpiriesThatAreFarApart are no trouble: each is made good by a list.
func TestExpiriesThatAreFarApart(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.cluster.create("shop/a")
		r.start()
		require.Equal(t, []string{"ADD shop/a 0"}, r.news())
		for i := range 4 {
			r.cluster.createIn(secrets, object(fmt.Sprintf("shop/s%d", i)))
			r.cluster.compact()
			time.Sleep(time.Hour)
		}
		assert.GreaterOrEqual(t, strings.Count(r.log.String(), "listing again"), 2)
		assert.NotContains(t, r.log.String(), "has trouble")
		assert.Nil(t, r.source.Report().Trouble)
		r.stop()
	})
}
