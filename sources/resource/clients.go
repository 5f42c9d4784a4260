package resource

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// clients makes them of the Config, for use until ctx ends.
func (s *Source) clients(ctx context.Context) (clients, error) {
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
		if c.mapper, err = discoveryMapper(ctx, s.Config, httpClient); err != nil {
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

// discoveryTime is how long the cluster may take for one request of a Mapper.
const discoveryTime = 30 * time.Second

// discoveryMapper returns a Mapper whose requests end with ctx: client-go's take
// none.
func discoveryMapper(ctx context.Context, c *rest.Config, httpClient *http.Client) (meta.RESTMapper, error) {
	transport := httpClient.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	bounded := *httpClient
	bounded.Timeout = discoveryTime
	bounded.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		asking, cancel := context.WithCancel(r.Context())
		stop := context.AfterFunc(ctx, cancel)
		resp, err := transport.RoundTrip(r.WithContext(asking)) //nolint:contextcheck // it is the request's, which ends with ctx too
		if err != nil {
			stop()
			cancel()
			return nil, err
		}
		resp.Body = &body{resp.Body, func() { stop(); cancel() }}
		return resp, nil
	})
	d, err := discovery.NewDiscoveryClientForConfigAndClient(c, &bounded)
	if err != nil {
		return nil, err
	}
	return restmapper.NewDeferredDiscoveryRESTMapper(discoverycache.NewMemCacheClient(d)), nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// body calls done when it is closed.
type body struct {
	io.ReadCloser
	done func()
}

func (b *body) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
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
	s.resetMapper(m)
	return fmt.Errorf("%w: %w", errNoMatch, err)
}

// resetMapper has m ask the cluster anew when it is asked next.
func (s *Source) resetMapper(m meta.RESTMapper) {
	s.reset = time.Now()
	meta.MaybeResetRESTMapper(m)
}

// mayBeMistaken says that the Mapper has known for so long what it knows that it
// may be asked again.
func (s *Source) mayBeMistaken() bool { return s.mapped() && time.Since(s.reset) >= resetEvery }

var namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"} //nolint:gochecknoglobals // a constant

// clusterID returns what tells one cluster from others. It is "" where that is not
// there or may not be read.
func clusterID(ctx context.Context, c dynamic.Interface) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, errNoAnswer)
	defer cancel()
	ns, err := c.Resource(namespaces).Get(ctx, "kube-system", metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("resource: get namespace kube-system, whose uid names the cluster: %w", orNoAnswer(ctx, err))
	default:
		return string(ns.GetUID()), nil
	}
}
