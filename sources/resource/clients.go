package resource

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/discovery"
	discoverycache "k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// clients is what a Run asks the cluster with.
type clients struct {
	dynamic dynamic.Interface
	mapper  meta.RESTMapper
	leases  coordination.LeasesGetter // nil: the Lease brings its own, or there is none
	// closeIdle closes the connections that nobody uses any more.
	closeIdle func()
}

// clients makes them of the Config.
func (s *Source) clients() (clients, error) {
	c := clients{dynamic: s.Client, mapper: s.Mapper, closeIdle: func() {}}
	if s.Config == nil {
		return c, nil
	}
	httpClient, err := rest.HTTPClientFor(s.Config)
	if err != nil {
		return clients{}, err
	}
	c.closeIdle = func() { utilnet.CloseIdleConnectionsFor(httpClient.Transport) }
	if c.dynamic, err = dynamic.NewForConfigAndClient(s.Config, httpClient); err != nil {
		return clients{}, err
	}
	if c.mapper == nil {
		if c.mapper, err = discoveryMapper(s.Config, httpClient); err != nil {
			return clients{}, err
		}
	}
	if s.Lease != nil {
		if c.leases, err = coordination.NewForConfigAndClient(s.Config, httpClient); err != nil {
			return clients{}, err
		}
	}
	return c, nil
}

func discoveryMapper(c *rest.Config, httpClient *http.Client) (meta.RESTMapper, error) {
	d, err := discovery.NewDiscoveryClientForConfigAndClient(c, httpClient)
	if err != nil {
		return nil, err
	}
	return restmapper.NewDeferredDiscoveryRESTMapper(discoverycache.NewMemCacheClient(d)), nil
}

// resetEvery is how often the Mapper is reset at most. It asks for everything
// that the cluster has.
const resetEvery = 10 * time.Second

// resolve finds out what is watched.
func (s *Source) resolve(m meta.RESTMapper) (gvr schema.GroupVersionResource, gvk schema.GroupVersionKind, err error) {
	if !s.mapped() {
		return s.Resource, schema.GroupVersionKind{Group: s.Resource.Group, Version: s.Resource.Version}, nil
	}
	gvk = s.Kind
	if gvk.Kind == "" {
		if gvk, err = m.KindFor(s.Resource); err != nil {
			return gvr, gvk, s.noMatch(m, err)
		}
	}
	var versions []string
	if gvk.Version != "" {
		versions = append(versions, gvk.Version)
	}
	mapping, err := m.RESTMapping(gvk.GroupKind(), versions...)
	if err != nil {
		return gvr, gvk, s.noMatch(m, err)
	}
	if len(s.Namespaces) > 0 && mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return gvr, gvk, fmt.Errorf("resource: %s are not in namespaces; leave Source.Namespaces out", mapping.Resource.GroupResource())
	}
	return mapping.Resource, mapping.GroupVersionKind, nil
}

// errNoMatch says that the cluster does not have what is to be watched, yet.
var errNoMatch = errors.New("resource: the cluster knows no such kind (yet?)")

func (s *Source) noMatch(m meta.RESTMapper, err error) error {
	if !meta.IsNoMatchError(err) {
		return fmt.Errorf("resource: look for the resource: %w", err)
	}
	meta.MaybeResetRESTMapper(m)
	return fmt.Errorf("%w: %w", errNoMatch, err)
}

// clusterID returns what tells one cluster from others. It is "" where that is not
// there or may not be read.
func clusterID(ctx context.Context, c dynamic.Interface) (string, error) {
	ns, err := c.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).Get(ctx, "kube-system", metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("resource: get namespace kube-system, whose uid names the cluster: %w", err)
	default:
		return string(ns.GetUID()), nil
	}
}
