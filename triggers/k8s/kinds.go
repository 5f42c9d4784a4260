package k8s

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

const (
	// lookAgain is how long a kind that is not there is not looked for.
	lookAgain = 10 * time.Second
	// forgetAfter is how long it is known that it was not there.
	forgetAfter = time.Hour
)

// kind is how the API serves a kind.
type kind struct {
	resource   schema.GroupVersionResource
	namespaced bool
}

// asker finds the kinds of a group and version, want among them if it is there.
// again says that the answer has been no before, or has turned out to be wrong.
type asker func(ctx context.Context, want schema.GroupVersionKind, again bool) (map[schema.GroupVersionKind]kind, error)

// kinds remembers what the API serves. client-go's own mapper reads everything
// that the API has to offer for the first kind asked for, fails when one
// aggregated API is away, and does not end with a context.
type kinds struct {
	ask  asker
	turn chan struct{} // held by whoever asks

	mu    sync.Mutex
	known map[schema.GroupVersionKind]kind
	asked map[schema.GroupVersionKind]time.Time // and not found
}

func newKinds(ask asker) *kinds {
	return &kinds{
		ask:   ask,
		turn:  make(chan struct{}, 1),
		known: make(map[schema.GroupVersionKind]kind),
		asked: make(map[schema.GroupVersionKind]time.Time),
	}
}

func (k *kinds) of(ctx context.Context, want schema.GroupVersionKind) (kind, error) {
	if found, _, ok := k.recall(want); ok {
		return found, nil
	}
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return kind{}, ctx.Err()
	}
	found, asked, ok := k.recall(want)
	if ok {
		return found, nil
	}
	if asked.IsZero() || time.Since(asked) >= lookAgain {
		all, err := k.ask(ctx, want, !asked.IsZero())
		if err != nil {
			return kind{}, fmt.Errorf("look for kind %s of %s: %w", want.Kind, want.GroupVersion(), classify(ctx, err))
		}
		if found, ok := k.learn(want, all); ok {
			return found, nil
		}
	}
	missing := &meta.NoKindMatchError{GroupKind: want.GroupKind(), SearchedVersions: []string{want.Version}}
	return kind{}, fmt.Errorf("the API server has no such kind, or not yet: %w", missing)
}

func (k *kinds) recall(want schema.GroupVersionKind) (found kind, asked time.Time, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	found, ok = k.known[want]
	return found, k.asked[want], ok
}

func (k *kinds) learn(want schema.GroupVersionKind, all map[schema.GroupVersionKind]kind) (kind, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for gvk, one := range all {
		k.known[gvk] = one
		delete(k.asked, gvk)
	}
	found, ok := k.known[want]
	if !ok {
		// A name that comes of events is not kept for long.
		maps.DeleteFunc(k.asked, func(_ schema.GroupVersionKind, at time.Time) bool { return time.Since(at) > forgetAfter })
		k.asked[want] = time.Now()
	}
	return found, ok
}

// forget has a kind looked for again, when it turns out to be served no more: its
// definition may be replaced by one of another scope or resource.
func (k *kinds) forget(gvk schema.GroupVersionKind) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.known, gvk)
	k.asked[gvk] = time.Now().Add(-lookAgain)
}

// askServer asks the API for one group and version.
func askServer(client rest.Interface) asker {
	return func(ctx context.Context, want schema.GroupVersionKind, _ bool) (map[schema.GroupVersionKind]kind, error) {
		gv := want.GroupVersion()
		path := "/apis/" + gv.String()
		if gv.Group == "" {
			path = "/api/" + gv.Version
		}
		list := &metav1.APIResourceList{}
		err := client.Get().AbsPath(path).Do(ctx).Into(list)
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		all := make(map[schema.GroupVersionKind]kind)
		for _, r := range list.APIResources {
			if strings.Contains(r.Name, "/") { // a subresource
				continue
			}
			all[gv.WithKind(r.Kind)] = kind{gv.WithResource(r.Name), r.Namespaced}
		}
		return all, nil
	}
}

// askMapper asks a mapper, which may remember answers itself: it is reset at most
// every lookAgain, since it asks for all that the API has to offer then.
func askMapper(m meta.RESTMapper) asker {
	var reset time.Time
	return func(_ context.Context, want schema.GroupVersionKind, again bool) (map[schema.GroupVersionKind]kind, error) {
		if again && time.Since(reset) >= lookAgain {
			meta.MaybeResetRESTMapper(m)
			reset = time.Now()
		}
		mapping, err := m.RESTMapping(want.GroupKind(), want.Version)
		if meta.IsNoMatchError(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		namespaced := mapping.Scope.Name() == meta.RESTScopeNameNamespace
		return map[schema.GroupVersionKind]kind{want: {mapping.Resource, namespaced}}, nil
	}
}
