package resource_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func apiAway() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

func expired() error { return apierrors.NewResourceExpired("too old") }

// switchableStore is a Store that is away at times.
type switchableStore struct {
	bus.Store
	off atomic.Bool
}

func (s *switchableStore) Get(ctx context.Context, key string) ([]byte, error) {
	if s.off.Load() {
		return nil, errAway
	}
	return s.Store.Get(ctx, key)
}

func (s *switchableStore) Update(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
	if s.off.Load() {
		return errAway
	}
	return s.Store.Update(ctx, key, f)
}

func TestMissingRights(t *testing.T) {
	for _, verb := range []string{"list", "watch"} {
		t.Run(verb, func(t *testing.T) {
			bubble(t, func(s *resource.Source) { s.Namespaces = []string{"shop", "dev"} }, func(t *testing.T, r *rig) {
				r.cluster.create("dev/a")
				r.cluster.refuse(func(v, res, ns string) error {
					if v == verb && ns == "shop" {
						return apierrors.NewForbidden(schema.GroupResource{Resource: res}, "", errors.New("no RBAC policy matched"))
					}
					return nil
				})
				r.start()
				assert.Equal(t, []string{"ADD dev/a 0"}, r.news(), "the other namespace is watched")
				time.Sleep(time.Minute)
				trouble := r.source.Report().Trouble
				require.NotNil(t, trouble)
				for _, says := range []string{"no right to " + verb, "configmaps", `namespace "shop"`, "no RBAC policy matched"} {
					assert.ErrorContains(t, trouble.Err, says)
				}
				tries := strings.Count(strings.Join(r.cluster.requests(), ","), "list configmaps shop")
				assert.Greater(t, tries, 3, "it is tried again")
				assert.Less(t, tries, 60, "not all the time")
				assert.Equal(t, 1, strings.Count(r.log.String(), "level=WARN msg=\"resource source has trouble"), "it is said once")
				r.cluster.refuse(nil)
				r.cluster.create("shop/b")
				assert.Equal(t, []string{"ADD shop/b 0"}, r.await())
				assert.Nil(t, r.source.Report().Trouble)
				r.stop()
			})
		})
	}
}

func TestTwoTroublesAreBothShown(t *testing.T) {
	bubble(t, func(s *resource.Source) { s.Namespaces = []string{"shop", "dev"} }, func(t *testing.T, r *rig) {
		r.cluster.refuse(func(v, res, ns string) error {
			if v == "list" {
				return apierrors.NewForbidden(schema.GroupResource{Resource: res}, "", errors.New("not in "+ns))
			}
			return nil
		})
		r.start()
		err := r.source.Report().Trouble.Err
		assert.ErrorContains(t, err, "not in shop")
		assert.ErrorContains(t, err, "not in dev")
		r.stop()
		assert.Nil(t, r.source.Report().Trouble, "a source that does not run has none")
	})
}

func TestTheClustersIdentityMayBeSecret(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.cluster.refuse(func(v, res, _ string) error {
			if v == "get" {
				return apierrors.NewForbidden(schema.GroupResource{Resource: res}, "kube-system", errors.New("no"))
			}
			return nil
		})
		r.cluster.create("shop/a")
		r.start()
		assert.Equal(t, []string{"ADD shop/a 0"}, r.news())
		assert.Contains(t, r.log.String(), "may not get the namespace kube-system")
		r.stop()
	})
}

func TestAStoreThatIsAwayAtTheStartIsWaitedFor(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		away := &switchableStore{Store: r.rec.Store}
		away.off.Store(true)
		r.rec.Store = away
		r.cluster.create("shop/a")
		r.start()
		time.Sleep(time.Minute)
		assert.Empty(t, r.news(), "what was known is not known")
		require.ErrorIs(t, r.source.Report().Trouble.Err, errAway)
		away.off.Store(false)
		assert.Equal(t, []string{"ADD shop/a 0"}, r.await())
		r.stop()
	})
}

// mapper knows a kind once it is told of it.
type mapper struct {
	meta.RESTMapper // what a source does not use
	known           atomic.Bool
	resets          atomic.Int64
	scope           meta.RESTScope
}

func (m *mapper) Reset() { m.resets.Add(1) }

func (m *mapper) RESTMapping(gk schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	if !m.known.Load() || gk.Kind != "ConfigMap" {
		return nil, &meta.NoKindMatchError{GroupKind: gk, SearchedVersions: versions}
	}
	return &meta.RESTMapping{Resource: configMaps, GroupVersionKind: gk.WithVersion("v1"), Scope: m.scope}, nil
}

func (m *mapper) KindFor(r schema.GroupVersionResource) (schema.GroupVersionKind, error) {
	if !m.known.Load() {
		return schema.GroupVersionKind{}, &meta.NoResourceMatchError{PartialResource: r}
	}
	return schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, nil
}

func TestAKindThatComesLater(t *testing.T) {
	for name, set := range map[string]func(*resource.Source){
		"by kind":                     func(s *resource.Source) { s.Kind = schema.GroupVersionKind{Kind: "ConfigMap"} },
		"by kind with a version":      func(s *resource.Source) { s.Kind = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"} },
		"by resource without version": func(s *resource.Source) { s.Resource = schema.GroupVersionResource{Resource: "configmaps"} },
	} {
		t.Run(name, func(t *testing.T) {
			m := &mapper{scope: meta.RESTScopeNamespace}
			bubble(t, func(s *resource.Source) {
				s.Resource = schema.GroupVersionResource{}
				s.Mapper = m
				set(s)
			}, func(t *testing.T, r *rig) {
				r.start()
				time.Sleep(time.Minute)
				assert.ErrorContains(t, r.source.Report().Trouble.Err, "no such kind")
				assert.InDelta(t, 7, m.resets.Load(), 1, "every ten seconds")
				m.known.Store(true)
				r.cluster.create("shop/a")
				assert.Equal(t, []string{"ADD shop/a 0"}, r.await())
				assert.Nil(t, r.source.Report().Trouble)
				r.stop()
			})
		})
	}
}

func TestAResourceThatComesLater(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.cluster.refuse(func(v, res, _ string) error {
			if v == "list" {
				return apierrors.NewNotFound(schema.GroupResource{Resource: res}, "")
			}
			return nil
		})
		r.start()
		time.Sleep(time.Minute)
		assert.ErrorContains(t, r.source.Report().Trouble.Err, "is its CRD installed")
		r.cluster.refuse(nil)
		r.cluster.create("shop/a")
		assert.Equal(t, []string{"ADD shop/a 0"}, r.await())
		r.stop()
	})
}

// TestAVersionThatIsGone has a kind served in another version: it is looked up
// again.
func TestAVersionThatIsGone(t *testing.T) {
	m := &mapper{scope: meta.RESTScopeNamespace}
	m.known.Store(true)
	bubble(t, func(s *resource.Source) {
		s.Resource, s.Kind, s.Mapper = schema.GroupVersionResource{}, schema.GroupVersionKind{Kind: "ConfigMap"}, m
	}, func(t *testing.T, r *rig) {
		r.start()
		r.cluster.refuse(func(v, res, _ string) error {
			if v != "get" {
				return apierrors.NewNotFound(schema.GroupResource{Resource: res}, "")
			}
			return nil
		})
		r.cluster.restart()
		m.known.Store(false)
		time.Sleep(2 * time.Minute)
		assert.Positive(t, m.resets.Load(), "the mapper was asked again")
		m.known.Store(true)
		r.cluster.refuse(nil)
		r.cluster.create("shop/a")
		assert.Equal(t, []string{"ADD shop/a 0"}, r.await())
		r.stop()
	})
}

// cachingMapper asks what is served, which may be nothing, when it is asked first
// after a reset, as that of client-go does.
type cachingMapper struct {
	mapper
	served, cached atomic.Pointer[schema.GroupVersionResource]
	knows          atomic.Bool
}

func (m *cachingMapper) Reset() {
	m.mapper.Reset()
	m.knows.Store(false)
}

func (m *cachingMapper) RESTMapping(gk schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	if !m.knows.Swap(true) {
		m.cached.Store(m.served.Load())
	}
	gvr := m.cached.Load()
	if gvr == nil {
		return nil, &meta.NoKindMatchError{GroupKind: gk, SearchedVersions: versions}
	}
	return &meta.RESTMapping{Resource: *gvr, GroupVersionKind: gvr.GroupVersion().WithKind(gk.Kind), Scope: meta.RESTScopeNamespace}, nil
}

// TestAVersionThatIsGoneFromTheCluster and not from the mapper's memory.
func TestAVersionThatIsGoneFromTheCluster(t *testing.T) {
	m := &cachingMapper{}
	old := schema.GroupVersionResource{Version: "v1alpha1", Resource: "widgets"}
	m.knows.Store(true)
	m.cached.Store(&old)
	m.served.Store(&configMaps)
	bubble(t, func(s *resource.Source) {
		s.Resource, s.Kind, s.Mapper = schema.GroupVersionResource{}, schema.GroupVersionKind{Kind: "ConfigMap"}, m
	}, func(t *testing.T, r *rig) {
		served := false
		r.cluster.refuse(func(v, res, _ string) error {
			if v != "get" && (res == "widgets" || !served) {
				return apierrors.NewNotFound(schema.GroupResource{Resource: res}, "")
			}
			return nil
		})
		r.cluster.create("shop/a")
		r.start()
		time.Sleep(2 * time.Minute)
		assert.Positive(t, m.resets.Load())
		assert.LessOrEqual(t, m.resets.Load(), int64(12), "every ten seconds at most")
		assert.LessOrEqual(t, strings.Count(r.log.String(), "resource source watches"), 13, "and so is all else that is found out")
		r.cluster.locked(func() { served = true })
		assert.Equal(t, []string{"ADD shop/a 0"}, r.await())
		assert.Nil(t, r.source.Report().Trouble)
		r.stop()
	})
}

// TestAKindThatIsRemovedAndComesBack is asked for every ten seconds from the first
// on.
func TestAKindThatIsRemovedAndComesBack(t *testing.T) {
	m := &cachingMapper{}
	m.served.Store(&configMaps)
	bubble(t, func(s *resource.Source) {
		s.Resource, s.Kind, s.Mapper = schema.GroupVersionResource{}, schema.GroupVersionKind{Kind: "ConfigMap"}, m
	}, func(t *testing.T, r *rig) {
		r.cluster.refuse(func(v, res, _ string) error {
			if v != "get" && m.served.Load() == nil {
				return apierrors.NewNotFound(schema.GroupResource{Resource: res}, "")
			}
			return nil
		})
		r.start()
		m.served.Store(nil)
		r.cluster.restart()
		for m.resets.Load() == 0 {
			time.Sleep(100 * time.Millisecond)
		}
		m.served.Store(&configMaps)
		r.cluster.create("shop/a")
		time.Sleep(11 * time.Second)
		assert.Equal(t, []string{"ADD shop/a 0"}, r.news())
		r.stop()
	})
}

func TestNamespacesOfWhatIsInNone(t *testing.T) {
	m := &mapper{scope: meta.RESTScopeRoot}
	m.known.Store(true)
	bubble(t, func(s *resource.Source) {
		s.Resource, s.Kind, s.Mapper = schema.GroupVersionResource{}, schema.GroupVersionKind{Kind: "ConfigMap"}, m
		s.Namespaces = []string{"shop"}
	}, func(t *testing.T, r *rig) {
		r.start()
		assert.ErrorContains(t, r.source.Report().Trouble.Err, "not in namespaces")
		r.stop()
	})
}

func TestWatchesThatEndAtOnceAreNotOpenedAllTheTime(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.start()
		for range 600 {
			r.cluster.restart()
			time.Sleep(100 * time.Millisecond)
		}
		n := strings.Count(strings.Join(r.cluster.requests(), ","), "watch configmaps")
		assert.Less(t, n, 120, "in a minute")
		trouble := r.source.Report().Trouble
		require.NotNil(t, trouble)
		assert.ErrorContains(t, trouble.Err, "watch configmaps")
		assert.ErrorContains(t, trouble.Err, "ended at once")
		time.Sleep(time.Minute)
		assert.Nil(t, r.source.Report().Trouble, "one has stood")
		for range 2 {
			r.cluster.restart()
			time.Sleep(10 * time.Second)
			assert.Nil(t, r.source.Report().Trouble, "each ends sometime")
		}
		r.stop()
	})
}

func TestBookmarksMoveThePosition(t *testing.T) {
	bubble(t, func(s *resource.Source) { s.Labels = "app=a" }, func(t *testing.T, r *rig) {
		r.cluster.bookmarks = true
		r.start()
		for range 10 {
			r.cluster.create("shop/" + time.Now().Format("150405"))
			time.Sleep(time.Second)
		}
		r.stop()
		next := r.successor(func(s *resource.Source) { s.Labels = "app=a" })
		next.cluster.mu.Lock()
		next.cluster.asked = nil
		next.cluster.mu.Unlock()
		next.start()
		assert.Contains(t, next.cluster.requests(), "watch configmaps  from 110")
		next.stop()
	})
}

func TestWarnings(t *testing.T) {
	for name, tt := range map[string]struct {
		dedupe time.Duration
		lease  bool
		warns  bool
	}{
		"a bus that recognises what replicas publish": {dedupe: time.Minute},
		"a lease":       {lease: true},
		"neither":       {warns: true},
		"one is enough": {dedupe: time.Minute, lease: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(s *resource.Source) {
				if tt.lease {
					s.Lease = &resource.Lease{Namespace: "shop", Name: "l", Client: &leases{}}
				}
			}, func(t *testing.T, r *rig) {
				out := r.rec.Output()
				out.Dedupe = tt.dedupe
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- r.source.Run(ctx, out) }()
				synctest.Wait()
				assert.Equal(t, tt.warns, strings.Contains(r.log.String(), "replicas make an event each"), r.log)
				cancel()
				require.NoError(t, <-ended)
			})
		})
	}
}

func TestOneSourceRunsOnce(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.start()
		err := r.source.Run(t.Context(), r.rec.Output())
		require.ErrorContains(t, err, "runs already")
		assert.True(t, hearken.IsPermanent(err))
		r.stop()
	})
}
