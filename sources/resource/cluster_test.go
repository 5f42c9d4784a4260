package resource_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

var (
	configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	secrets    = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
)

// cluster plays the part of an API server that a source sees, in memory and
// without timers of its own: pages, resourceVersions, selections that objects
// enter and leave, watches that block while nobody reads, and compaction. The
// zero value is an empty cluster.
type cluster struct {
	mu        sync.Mutex
	version   int
	uids      int
	uid       string // of kube-system; "": it has none
	objects   map[string]*unstructured.Unstructured
	history   []change
	compacted int
	news      chan struct{} // closed and replaced at each change
	cut       chan struct{} // closed to end all watches
	fail      func(verb, resource, namespace string) error
	pageSize  int
	asked     []string      // what was listed and watched
	sent      int           // events that watches were rid of
	odd       []watch.Event // what each watch begins with
	bookmarks bool          // after each event that is not for a watch, as after a minute
}

type change struct {
	version  int
	resource string
	was, is  *unstructured.Unstructured // nil: it was, or is, not there
}

func key(gvr schema.GroupVersionResource, namespace, name string) string {
	return gvr.Resource + " " + namespace + "/" + name
}

// locked runs f, and wakes up the watches.
func (c *cluster) locked(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.objects == nil {
		c.objects = map[string]*unstructured.Unstructured{}
		c.news, c.cut = make(chan struct{}), make(chan struct{})
		c.version = 100
	}
	f()
	close(c.news)
	c.news = make(chan struct{})
}

// object is what tests make: name is "namespace/name".
func object(name string, set ...func(*unstructured.Unstructured)) *unstructured.Unstructured {
	ns, name, _ := strings.Cut(name, "/")
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"n": "0"}}}
	o.SetNamespace(ns)
	o.SetName(name)
	for _, set := range set {
		set(o)
	}
	return o
}

func labelled(kv ...string) func(*unstructured.Unstructured) {
	return func(o *unstructured.Unstructured) {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		o.SetLabels(m)
	}
}

// with sets a field, whose names are separated by dots.
func with(path string, value any) func(*unstructured.Unstructured) {
	return func(o *unstructured.Unstructured) {
		if err := unstructured.SetNestedField(o.Object, value, strings.Split(path, ".")...); err != nil {
			panic(err)
		}
	}
}

func managedAt(o *unstructured.Unstructured, manager string) {
	fields, _, _ := unstructured.NestedSlice(o.Object, "metadata", "managedFields")
	fields = append(fields[:min(len(fields), 1)], map[string]any{"manager": manager, "operation": "Update", "time": time.Now().UTC().Format(time.RFC3339)})
	with("metadata.managedFields", fields)(o)
}

func (c *cluster) createIn(gvr schema.GroupVersionResource, o *unstructured.Unstructured) {
	c.locked(func() {
		c.version++
		c.uids++
		o.SetUID(types.UID("uid-" + strconv.Itoa(c.uids)))
		o.SetResourceVersion(strconv.Itoa(c.version))
		o.SetCreationTimestamp(metav1.Time{Time: time.Now()})
		managedAt(o, "creator")
		c.objects[key(gvr, o.GetNamespace(), o.GetName())] = o
		c.history = append(c.history, change{c.version, gvr.Resource, nil, o})
	})
}

func (c *cluster) create(name string, set ...func(*unstructured.Unstructured)) {
	c.createIn(configMaps, object(name, set...))
}

// update changes an object; without changes only its version.
func (c *cluster) update(name string, set ...func(*unstructured.Unstructured)) {
	c.locked(func() {
		c.version++
		ns, n, _ := strings.Cut(name, "/")
		was := c.objects[key(configMaps, ns, n)]
		o := was.DeepCopy()
		for _, set := range set {
			set(o)
		}
		managedAt(o, "updater")
		o.SetResourceVersion(strconv.Itoa(c.version))
		c.objects[key(configMaps, ns, n)] = o
		c.history = append(c.history, change{c.version, configMaps.Resource, was, o})
	})
}

func (c *cluster) delete(name string) {
	c.locked(func() {
		c.version++
		ns, n, _ := strings.Cut(name, "/")
		was := c.objects[key(configMaps, ns, n)]
		delete(c.objects, key(configMaps, ns, n))
		c.history = append(c.history, change{c.version, configMaps.Resource, was, nil})
	})
}

// compact forgets the history, and ends all watches.
func (c *cluster) compact() {
	c.locked(func() { c.compacted, c.history = c.version, nil })
	c.restart()
}

// restart ends all watches.
func (c *cluster) restart() {
	c.locked(func() {
		close(c.cut)
		c.cut = make(chan struct{})
	})
}

// refuse has requests fail as f says.
func (c *cluster) refuse(f func(verb, resource, namespace string) error) {
	c.locked(func() { c.fail = f })
}

func (c *cluster) requests() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}

func (c *cluster) delivered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent
}

// Resource implements dynamic.Interface.
func (c *cluster) Resource(gvr schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	return resourceClient{cluster: c, gvr: gvr}
}

type resourceClient struct {
	dynamic.ResourceInterface // what a source does not use
	cluster                   *cluster
	gvr                       schema.GroupVersionResource
	namespace                 string
}

func (r resourceClient) Namespace(ns string) dynamic.ResourceInterface {
	r.namespace = ns
	return r
}

func (r resourceClient) begin(ctx context.Context, verb, detail string) error {
	var err error
	r.cluster.locked(func() {
		r.cluster.asked = append(r.cluster.asked, strings.TrimSpace(verb+" "+r.gvr.Resource+" "+r.namespace+detail))
		if r.cluster.fail != nil {
			err = r.cluster.fail(verb, r.gvr.Resource, r.namespace)
		}
	})
	if errors.Is(err, errHangs) {
		<-ctx.Done()
	}
	if err == nil || errors.Is(err, errHangs) {
		err = ctx.Err()
	}
	return err
}

// errHangs has a request wait for its context.
var errHangs = errors.New("hangs")

func (r resourceClient) Get(ctx context.Context, name string, _ metav1.GetOptions, _ ...string) (*unstructured.Unstructured, error) {
	if err := r.begin(ctx, "get", ""); err != nil {
		return nil, err
	}
	if r.gvr.Resource != "namespaces" || name != "kube-system" || r.cluster.uid == "" {
		return nil, apierrors.NewNotFound(r.gvr.GroupResource(), name)
	}
	return object("/kube-system", func(o *unstructured.Unstructured) { o.SetUID(types.UID(r.cluster.uid)) }), nil
}

func (r resourceClient) in(o *unstructured.Unstructured) bool {
	return r.namespace == "" || o.GetNamespace() == r.namespace
}

func (r resourceClient) List(ctx context.Context, opts metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	if err := r.begin(ctx, "list", ""); err != nil {
		return nil, err
	}
	sel, err := labels.Parse(opts.LabelSelector)
	if err != nil {
		return nil, err
	}
	c := r.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	// A token is "version|the last key": as with etcd, later pages show what is
	// as old as the first, here as far as tests need it.
	version, after, _ := strings.Cut(opts.Continue, "|")
	if version == "" {
		version = strconv.Itoa(c.version)
	} else if v, err := strconv.Atoi(version); err != nil || v < c.compacted {
		return nil, apierrors.NewResourceExpired("the continue token is too old")
	}
	list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMapList"}}
	list.SetResourceVersion(version)
	limit := int(opts.Limit)
	if c.pageSize > 0 {
		limit = min(limit, c.pageSize)
	}
	keys := make([]string, 0, len(c.objects))
	for k, o := range c.objects {
		if strings.HasPrefix(k, r.gvr.Resource+" ") && r.in(o) && sel.Matches(labels.Set(o.GetLabels())) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		switch {
		case k <= after:
		case len(list.Items) == limit:
			list.SetContinue(version + "|" + key(r.gvr, list.Items[limit-1].GetNamespace(), list.Items[limit-1].GetName()))
			return list, nil
		default:
			list.Items = append(list.Items, *c.objects[k].DeepCopy())
		}
	}
	return list, nil
}

func (r resourceClient) Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	if err := r.begin(ctx, "watch", " from "+opts.ResourceVersion); err != nil {
		return nil, err
	}
	sel, err := labels.Parse(opts.LabelSelector)
	if err != nil {
		return nil, err
	}
	from, err := strconv.Atoi(opts.ResourceVersion)
	if err != nil {
		return nil, err
	}
	w := &clusterWatch{resourceClient: r, sel: sel, from: from, out: make(chan watch.Event), stop: make(chan struct{})}
	r.cluster.mu.Lock()
	w.cut, w.odd = r.cluster.cut, r.cluster.odd
	r.cluster.mu.Unlock()
	go w.run(ctx)
	return w, nil
}

type clusterWatch struct {
	resourceClient
	sel       labels.Selector
	from      int
	out       chan watch.Event
	cut, stop chan struct{}
	odd       []watch.Event
	stopped   sync.Once
}

func (w *clusterWatch) ResultChan() <-chan watch.Event { return w.out }

func (w *clusterWatch) Stop() { w.stopped.Do(func() { close(w.stop) }) }

func (w *clusterWatch) run(ctx context.Context) {
	defer close(w.out)
	for {
		events, news := w.pending()
		events, w.odd = append(slices.Clone(w.odd), events...), nil
		for _, e := range events {
			select {
			case w.out <- e:
				w.cluster.mu.Lock()
				w.cluster.sent++
				w.cluster.mu.Unlock()
			case <-w.cut:
				return
			case <-w.stop:
				return
			case <-ctx.Done():
				return
			}
			if e.Type == watch.Error {
				return
			}
		}
		select {
		case <-news:
		case <-w.cut:
			return
		case <-w.stop:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (w *clusterWatch) pending() ([]watch.Event, chan struct{}) {
	c := w.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.from < c.compacted {
		status := apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d (%d)", w.from, c.compacted)).Status()
		return []watch.Event{{Type: watch.Error, Object: &status}}, c.news
	}
	var events []watch.Event
	for _, ch := range c.history {
		if ch.version > w.from {
			if e, ok := w.event(ch); ok {
				events = append(events, e)
			}
		}
	}
	w.from = max(w.from, c.version)
	return events, c.news
}

func (w *clusterWatch) event(ch change) (watch.Event, bool) {
	selected := func(o *unstructured.Unstructured) bool {
		return o != nil && ch.resource == w.gvr.Resource && w.in(o) && w.sel.Matches(labels.Set(o.GetLabels()))
	}
	was, is := selected(ch.was), selected(ch.is)
	switch {
	case is && !was:
		return watch.Event{Type: watch.Added, Object: ch.is.DeepCopy()}, true
	case is:
		return watch.Event{Type: watch.Modified, Object: ch.is.DeepCopy()}, true
	case was:
		o := ch.was.DeepCopy()
		o.SetResourceVersion(strconv.Itoa(ch.version))
		return watch.Event{Type: watch.Deleted, Object: o}, true
	case w.cluster.bookmarks:
		o := &unstructured.Unstructured{Object: map[string]any{}}
		o.SetResourceVersion(strconv.Itoa(ch.version))
		return watch.Event{Type: watch.Bookmark, Object: o}, true
	default:
		return watch.Event{}, false
	}
}
