package k8s

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/hearken-go/hearken"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
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
	turns turns // at updating an object
}

// Validate finds what is missing, and a Config or Namespace that is none. It reads
// the files that Config names.
func (c *Client) Validate() error {
	var m hearken.Mistakes
	switch {
	case c.Config != nil:
		if _, _, err := rest.DefaultServerURL(cmp.Or(c.Config.Host, "localhost"), c.Config.APIPath, schema.GroupVersion{}, true); err != nil {
			m.Add("Config.Host", "%v", err)
		}
		if _, err := rest.TLSConfigFor(c.Config); err != nil {
			m.Add("Config", "%v", err)
		}
	case c.Dynamic == nil || c.Mapper == nil:
		m.Add("Config", "is nil; set it, or both Dynamic and Mapper")
	}
	if c.Namespace != "" {
		if wrong := validation.IsDNS1123Label(c.Namespace); len(wrong) > 0 {
			m.Add("Namespace", "%q is none: %s", c.Namespace, strings.Join(wrong, "; "))
		}
	}
	return m.Err()
}

// Resource returns where an object like o lives: its kind's resource, in its
// namespace. Ask for it anew in each attempt, for the definition of a kind may be
// replaced. It is Permanent that o has no apiVersion or kind, a namespace too
// many or too few, or a name or namespace that would lead elsewhere; that no such
// kind is there passes, for its definition may come.
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
	if c == nil {
		return location{}, hearken.Permanent(errors.New("there is no Client"))
	}
	gvk, err := kindOf(o)
	if err != nil {
		return location{}, hearken.Permanent(err)
	}
	if err := checkPath(o); err != nil {
		return location{}, hearken.Permanent(err)
	}
	if c.once.Do(c.open); c.err != nil {
		return location{}, hearken.Permanent(c.err)
	}
	k, err := c.kinds.of(ctx, gvk)
	if err != nil {
		return location{}, err
	}
	forget := func() { c.kinds.forget(gvk) }
	namespace := o.GetNamespace()
	switch {
	case !k.namespaced && namespace != "":
		return location{}, hearken.Permanent(fmt.Errorf("a %s has no namespace, but this one is given %q", gvk.Kind, namespace))
	case !k.namespaced:
		return location{resource: &served{c.api.Resource(k.resource), forget}}, nil
	case namespace == "":
		namespace = c.Namespace
	}
	if namespace == "" {
		return location{}, hearken.Permanent(fmt.Errorf("the %s names no namespace; set metadata.namespace, or the Client's Namespace", gvk.Kind))
	}
	return location{&served{c.api.Resource(k.resource).Namespace(namespace), forget}, namespace}, nil
}

// kindOf returns what o says it is.
func kindOf(o *unstructured.Unstructured) (schema.GroupVersionKind, error) {
	if o == nil || o.Object == nil {
		return schema.GroupVersionKind{}, errors.New("there is no object")
	}
	gv, err := versionOf(o)
	if err != nil {
		return schema.GroupVersionKind{}, err
	}
	kind, _, err := unstructured.NestedString(o.Object, "kind")
	if err != nil || kind == "" {
		return schema.GroupVersionKind{}, fmt.Errorf("the object %q of %s has no kind", o.GetName(), gv)
	}
	return gv.WithKind(kind), nil
}

func versionOf(o *unstructured.Unstructured) (schema.GroupVersion, error) {
	version, _, err := unstructured.NestedString(o.Object, "apiVersion")
	if err != nil || version == "" {
		return schema.GroupVersion{}, fmt.Errorf("the object %q has no apiVersion, such as v1 or apps/v1", o.GetName())
	}
	gv, err := schema.ParseGroupVersion(version)
	if err != nil || !isPathOf(gv) {
		return schema.GroupVersion{}, fmt.Errorf("the object's apiVersion %q is not group/version", version)
	}
	return gv, nil
}

// isPathOf says that a group and version lead to no other place in the API.
func isPathOf(gv schema.GroupVersion) bool {
	return len(validation.IsDNS1123Label(gv.Version)) == 0 && (gv.Group == "" || len(validation.IsDNS1123Subdomain(gv.Group)) == 0)
}

// checkPath checks what goes into a URL, so that no name that comes from an event
// leads elsewhere.
func checkPath(o *unstructured.Unstructured) error { return first(wrongPath(o)) }

func first(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}

func wrongPath(o *unstructured.Unstructured) (errs []error) {
	if namespace := o.GetNamespace(); namespace != "" {
		if wrong := validation.IsDNS1123Label(namespace); len(wrong) > 0 {
			errs = append(errs, fmt.Errorf("metadata.namespace %q: %s", namespace, strings.Join(wrong, "; ")))
		}
	}
	switch name := o.GetName(); {
	case name == "." || name == "..":
		errs = append(errs, fmt.Errorf("metadata.name %q: may not be '%s'", name, name))
	case strings.ContainsAny(name, "/%"):
		errs = append(errs, fmt.Errorf("metadata.name %q: may not contain '/' or '%%'", name))
	}
	return errs
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
