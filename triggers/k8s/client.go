package k8s

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hearken-go/hearken"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// Client reads and writes objects of any kind. It is used by pointer, may be
// shared by any number of triggers and used concurrently, and its fields must
// not be changed once it is used. Config is enough; Dynamic and Mapper together
// are too.
type Client struct {
	// Config says how to reach the API server. Its QPS and Burst bound all
	// requests of this Client together; zero is client-go's 5 a second.
	Config *rest.Config

	// Dynamic makes the requests. Nil: a client of Config's.
	Dynamic dynamic.Interface

	// Mapper knows the resource of a kind, and is called concurrently; a
	// controller-runtime manager has one. When it does not know a kind it is
	// reset, if it can be, at most every 10 seconds. Nil: the API server that
	// Config names is asked, once for each group and version, and again, at
	// most every 10 seconds, for a kind that was not there.
	Mapper meta.RESTMapper

	// Namespace is that of a namespaced object that names none. Empty: such an
	// object is refused.
	Namespace string

	once  sync.Once
	err   error // what Config has led to
	kinds *kinds
	api   dynamic.Interface
}

// Validate finds what is missing.
func (c *Client) Validate() error {
	if c.Config == nil && (c.Dynamic == nil || c.Mapper == nil) {
		return &hearken.ConfigError{Path: "Config", Msg: "is nil; set it, or both Dynamic and Mapper"}
	}
	return nil
}

// Resource returns where an object like o lives: its kind's resource, in its
// namespace. It is Permanent that o has no apiVersion or kind, or a namespace
// too many or too few; that no such kind is there passes, for its definition
// may come.
func (c *Client) Resource(ctx context.Context, o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	l, err := c.locate(ctx, o)
	return l.resource, err
}

// location is where an object lives.
type location struct {
	resource  dynamic.ResourceInterface
	namespace string // empty: in none
}

func (c *Client) locate(ctx context.Context, o *unstructured.Unstructured) (location, error) {
	gvk, err := kindOf(o)
	if err != nil {
		return location{}, hearken.Permanent(err)
	}
	if c.once.Do(c.open); c.err != nil {
		return location{}, hearken.Permanent(c.err)
	}
	k, err := c.kinds.of(ctx, gvk)
	if err != nil {
		return location{}, err
	}
	namespace := o.GetNamespace()
	switch {
	case !k.namespaced && namespace != "":
		return location{}, hearken.Permanent(fmt.Errorf("a %s has no namespace, but this one is given %q", gvk.Kind, namespace))
	case !k.namespaced:
		return location{resource: c.api.Resource(k.resource)}, nil
	case namespace == "":
		namespace = c.Namespace
	}
	if namespace == "" {
		return location{}, hearken.Permanent(fmt.Errorf("the %s names no namespace; set metadata.namespace, or the Client's Namespace", gvk.Kind))
	}
	return location{c.api.Resource(k.resource).Namespace(namespace), namespace}, nil
}

// forget forgets the kind of o when err says that it is not served.
func (c *Client) forget(o *unstructured.Unstructured, err error) {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return
	}
	c.once.Do(c.open) // it is open, or there was nothing to answer so
	if c.kinds == nil {
		return
	}
	if !names(status.Status()) {
		c.kinds.forget(o.GroupVersionKind())
	}
}

// kindOf returns what o says it is.
func kindOf(o *unstructured.Unstructured) (schema.GroupVersionKind, error) {
	if o == nil || o.Object == nil {
		return schema.GroupVersionKind{}, errors.New("there is no object")
	}
	version, _, err := unstructured.NestedString(o.Object, "apiVersion")
	if err != nil || version == "" {
		return schema.GroupVersionKind{}, fmt.Errorf("the object %q has no apiVersion, such as v1 or apps/v1", o.GetName())
	}
	gv, err := schema.ParseGroupVersion(version)
	if err != nil {
		return schema.GroupVersionKind{}, fmt.Errorf("the object's apiVersion %q is not group/version", version)
	}
	kind, _, err := unstructured.NestedString(o.Object, "kind")
	if err != nil || kind == "" {
		return schema.GroupVersionKind{}, fmt.Errorf("the object %q of %s has no kind", o.GetName(), version)
	}
	return gv.WithKind(kind), nil
}

func (c *Client) open() {
	if c.err = c.Validate(); c.err != nil {
		return
	}
	c.api = c.Dynamic
	ask := askMapper(c.Mapper)
	if c.Dynamic == nil || c.Mapper == nil {
		client, err := rest.HTTPClientFor(c.Config)
		if err != nil {
			c.err = fmt.Errorf("Config: %w", err)
			return
		}
		if c.Dynamic == nil {
			if c.api, c.err = dynamic.NewForConfigAndClient(c.Config, client); c.err != nil {
				return
			}
		}
		if c.Mapper == nil {
			found, err := discovery.NewDiscoveryClientForConfigAndClient(c.Config, client)
			if err != nil {
				c.err = fmt.Errorf("Config: %w", err)
				return
			}
			ask = askServer(found.RESTClient())
		}
	}
	c.kinds = newKinds(ask)
}
