//go:build kubernetes

package resource_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/internal/kubetest"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

var (
	namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	pods       = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	crds       = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
)

// kube is a real cluster.
type kube struct {
	*kubetest.Cluster
	admin dynamic.Interface
}

func startKube(t *testing.T, c kubetest.Config) *kube {
	t.Helper()
	cluster, err := kubetest.Start(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(cluster.Stop)
	version, err := cluster.Version(t.Context())
	require.NoError(t, err)
	t.Log("kube-apiserver", version)
	k := &kube{Cluster: cluster}
	k.admin, err = dynamic.NewForConfig(k.config("admin"))
	require.NoError(t, err)
	return k
}

func (k *kube) config(user string) *rest.Config {
	return &rest.Config{Host: k.URL(), BearerToken: k.Token(user), TLSClientConfig: rest.TLSClientConfig{CAFile: k.CAFile()}, QPS: -1}
}

// create creates an object from JSON, or from what marshals to it.
func (k *kube) create(t testing.TB, gvr schema.GroupVersionResource, namespace string, v any) *unstructured.Unstructured {
	t.Helper()
	o, err := k.tryCreate(t.Context(), gvr, namespace, v)
	require.NoError(t, err)
	return o
}

func (k *kube) tryCreate(ctx context.Context, gvr schema.GroupVersionResource, namespace string, v any) (*unstructured.Unstructured, error) {
	text, err := json.Marshal(v)
	if raw, ok := v.(string); ok {
		text = []byte(raw)
	}
	if err != nil {
		return nil, err
	}
	o := &unstructured.Unstructured{}
	if err := json.Unmarshal(text, &o.Object); err != nil {
		return nil, err
	}
	return k.admin.Resource(gvr).Namespace(namespace).Create(ctx, o, metav1.CreateOptions{})
}

// patch merges JSON into an object.
func (k *kube) patch(t testing.TB, gvr schema.GroupVersionResource, namespace, name, text string) *unstructured.Unstructured {
	t.Helper()
	o, err := k.admin.Resource(gvr).Namespace(namespace).Patch(t.Context(), name, types.MergePatchType, []byte(text), metav1.PatchOptions{})
	require.NoError(t, err)
	return o
}

func (k *kube) delete(t testing.TB, gvr schema.GroupVersionResource, namespace, name string) {
	t.Helper()
	require.NoError(t, k.admin.Resource(gvr).Namespace(namespace).Delete(t.Context(), name, metav1.DeleteOptions{}))
}

func (k *kube) namespace(t testing.TB, name string) string {
	t.Helper()
	k.create(t, namespaces, "", `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"`+name+`"}}`)
	return name
}

// thing is an object of a simple kind whose annotation n says which state it is in.
func thing(kind, name, n string, labels ...string) map[string]any {
	m := map[string]any{}
	for _, l := range labels {
		k, v, _ := strings.Cut(l, "=")
		m[k] = v
	}
	return map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{
		"name": name, "labels": m, "annotations": map[string]any{"n": n},
	}}
}

// taps tells of the requests of a client.
type taps struct {
	http.RoundTripper
	t *tapped
}

type tapped struct {
	mu      sync.Mutex
	watches int
	listed  time.Time // when the first list was answered
	changed chan struct{}
}

func (t taps) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.RoundTripper.RoundTrip(r)
	if err == nil && res.StatusCode == http.StatusOK {
		t.t.mu.Lock()
		defer t.t.mu.Unlock()
		switch q := r.URL.Query(); {
		case q.Get("watch") != "":
			t.t.watches++
		case q.Get("limit") != "" && t.t.listed.IsZero():
			t.t.listed = time.Now()
		}
		close(t.t.changed)
		t.t.changed = make(chan struct{})
	}
	return res, err
}

// process is a source on a real cluster, and what it emits.
type process struct {
	t      *testing.T
	kube   *kube
	source *resource.Source
	rec    *sourcetest.Recorder
	out    hearken.Output
	log    *log
	taps   *tapped
	cancel context.CancelFunc
	ended  chan error
}

func (k *kube) process(t *testing.T, store bus.Store, set func(*resource.Source)) *process {
	t.Helper()
	p := &process{t: t, kube: k, log: &log{}, taps: &tapped{changed: make(chan struct{})}}
	p.source = &resource.Source{Config: k.config("admin"), Resource: configMaps}
	set(p.source)
	if p.source.Config != nil {
		p.source.Config.WrapTransport = func(rt http.RoundTripper) http.RoundTripper { return taps{rt, p.taps} }
	}
	p.rec = &sourcetest.Recorder{Store: store, Logger: p.log.logger()}
	p.out = p.rec.Output()
	require.NoError(t, p.source.Validate())
	return p
}

// forgetful has the recorder remember nothing, where memory is measured.
func forgetful(p *process) {
	p.out.Emit = p.rec.Then
}

// start runs the source until the test ends or stop is called.
func (p *process) start() *process {
	ctx, cancel := context.WithCancel(p.t.Context())
	p.cancel, p.ended = cancel, make(chan error, 1)
	go func() { p.ended <- p.source.Run(ctx, p.out) }()
	p.t.Cleanup(func() { p.stop() })
	return p
}

// watching waits until n watches are open.
func (p *process) watching(n int) *process {
	p.t.Helper()
	late := time.After(patience)
	for {
		p.taps.mu.Lock()
		watches, changed := p.taps.watches, p.taps.changed
		p.taps.mu.Unlock()
		if watches >= n {
			return p
		}
		select {
		case <-changed:
		case <-late:
			require.FailNow(p.t, "the source does not watch", "%v\n%s", p.source.Report().Trouble, p.log)
		}
	}
}

func (p *process) stop() {
	p.cancel()
	if err, ok := <-p.ended; ok {
		assert.NoError(p.t, err)
		close(p.ended)
	}
}

// expect waits for as many events as want, and a little for more than that, and
// compares them in the order in which they came, or any.
func (p *process) expect(inOrder bool, want ...string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	_, err := p.rec.Wait(ctx, len(want))
	if err != nil {
		p.t.Log(p.log)
	}
	assert.NoError(p.t, err)
	more, cancel := context.WithTimeout(p.t.Context(), 300*time.Millisecond)
	defer cancel()
	events, _ := p.rec.Wait(more, len(want)+1)
	var got []string
	for _, e := range events {
		got = append(got, sketch(p.t, e))
	}
	if inOrder {
		assert.Equal(p.t, want, got)
	} else {
		assert.ElementsMatch(p.t, want, got)
	}
}

// sketch is "TYPE name n", and what else is remarkable.
func sketch(t *testing.T, e hearken.Event) string {
	d := data(t, e)
	line := d.Type + " " + d.Body.Metadata.Name
	if n := d.Body.Metadata.Annotations["n"]; n != "" {
		line += " " + n
	}
	if d.Partial {
		line += " partial"
	}
	return line
}

func TestKubernetes(t *testing.T) {
	t.Parallel()
	k := startKube(t, kubetest.Config{Users: []string{"watcher"}})
	t.Run("parallel", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *kube){
			"every type with every filter":     testFilters,
			"every operator of labels":         testLabelOperators,
			"two replicas make one event each": testReplicas,
			"missing rights":                   testRights,
			"a CRD that is installed later":    testLateCRD,
			"another selector":                 testSelector,
			"one of two holds the lease":       testLease,
			"secrets and old bodies":           testSecrets,
			"pages":                            testPages,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, k)
			})
		}
	})
}

func testFilters(t *testing.T, k *kube) {
	everything := []string{
		"ADD web 0", "ADD db 5", "ADD web 0", "UPDATE web 7", "UPDATE web 8", "DELETE web 8", "DELETE web 0",
	}
	for i, tt := range []struct {
		name    string
		kind    string
		watches int
		set     func(s *resource.Source, shop, dev string)
		want    []string
	}{
		{"none, in all namespaces", "ServiceAccount", 1, func(*resource.Source, string, string) {}, everything},
		{"namespaces", "ConfigMap", 1, func(s *resource.Source, _, dev string) { s.Namespaces = []string{dev} }, []string{"ADD web 0", "DELETE web 0"}},
		{"two namespaces", "ConfigMap", 2, func(s *resource.Source, shop, dev string) { s.Namespaces = []string{shop, dev} }, everything},
		{"ADD", "ConfigMap", 1, func(s *resource.Source, shop, _ string) {
			s.Namespaces, s.Types = []string{shop}, []resource.Type{resource.Add}
		}, []string{"ADD web 0", "ADD db 5"}},
		{"UPDATE", "ConfigMap", 1, func(s *resource.Source, shop, _ string) {
			s.Namespaces, s.Types = []string{shop}, []resource.Type{resource.Update}
		}, []string{"UPDATE web 7", "UPDATE web 8"}},
		{"DELETE", "ConfigMap", 1, func(s *resource.Source, shop, _ string) {
			s.Namespaces, s.Types = []string{shop}, []resource.Type{resource.Delete}
		}, []string{"DELETE web 8"}},
		{"name prefix", "ConfigMap", 1, func(s *resource.Source, shop, _ string) {
			s.Namespaces, s.NamePrefix = []string{shop}, "w"
		}, []string{"ADD web 0", "UPDATE web 7", "UPDATE web 8", "DELETE web 8"}},
		{"labels", "ConfigMap", 1, func(s *resource.Source, shop, _ string) {
			s.Namespaces, s.Labels = []string{shop}, "tier=front,!canary"
		}, []string{"ADD web 7", "DELETE web 7"}},
		{"fields", "ConfigMap", 1, func(s *resource.Source, shop, _ string) {
			s.Namespaces = []string{shop}
			s.Fields = []resource.Field{{Path: "metadata.annotations.n", Values: []any{"7", "8"}}}
		}, []string{"UPDATE web 7", "UPDATE web 8", "DELETE web 8"}},
		{"created by, long ago", "ConfigMap", 1, func(s *resource.Source, shop, _ string) {
			s.Namespaces, s.CreatedBy = []string{shop}, time.Now().Add(-time.Hour)
		}, nil},
		{"created by, to come", "ConfigMap", 1, func(s *resource.Source, shop, _ string) {
			s.Namespaces, s.CreatedBy = []string{shop}, time.Now().Add(time.Hour)
		}, []string{"ADD web 0", "ADD db 5", "UPDATE web 7", "UPDATE web 8", "DELETE web 8"}},
		{"all at once", "ConfigMap", 1, func(s *resource.Source, shop, _ string) {
			s.Namespaces, s.Types, s.NamePrefix, s.Labels = []string{shop}, []resource.Type{resource.Add}, "w", "tier in (front, back)"
			s.Fields = []resource.Field{{Path: "metadata.annotations.n", Values: []any{"7"}}}
		}, []string{"ADD web 7"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			shop, dev := k.namespace(t, fmt.Sprintf("shop-%d", i)), k.namespace(t, fmt.Sprintf("dev-%d", i))
			gvr := configMaps
			if tt.kind == "ServiceAccount" { // of which nobody else has any
				gvr = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
			}
			p := k.process(t, &memory.Store{}, func(s *resource.Source) {
				s.Resource = gvr
				tt.set(s, shop, dev)
			}).start().watching(tt.watches)
			k.create(t, gvr, shop, thing(tt.kind, "web", "0"))
			k.create(t, gvr, shop, thing(tt.kind, "db", "5"))
			k.create(t, gvr, dev, thing(tt.kind, "web", "0"))
			k.patch(t, gvr, shop, "web", `{"metadata":{"labels":{"tier":"front"},"annotations":{"n":"7"}}}`)
			k.patch(t, gvr, shop, "web", `{"metadata":{"labels":{"canary":"yes"},"annotations":{"n":"8"}}}`)
			k.delete(t, gvr, shop, "web")
			k.delete(t, gvr, dev, "web")
			p.expect(false, tt.want...) // objects have no order among them
		})
	}
}

func testLabelOperators(t *testing.T, k *kube) {
	ns := k.namespace(t, "operators")
	createLabelled(t, k, ns, "before")
	type running struct {
		p    *process
		want []string
	}
	var all []running
	for selector, want := range map[string][]string{
		"tier=front":            {"front"},
		"tier==front":           {"front"},
		"tier!=front":           {"back", "none"},
		"tier":                  {"front", "back"},
		"!tier":                 {"none"},
		"tier in (front, back)": {"front", "back"},
		"tier notin (front)":    {"back", "none"},
		"weight>4":              {"back"},
		"weight<4":              {"front"},
	} {
		p := k.process(t, &memory.Store{}, func(s *resource.Source) { s.Namespaces, s.Labels = []string{ns}, selector })
		all = append(all, running{p.start().watching(1), want})
	}
	createLabelled(t, k, ns, "after")
	for _, r := range all {
		var want []string
		for _, name := range r.want {
			want = append(want, "ADD before-"+name, "ADD after-"+name)
		}
		r.p.expect(false, want...)
	}
}

// createLabelled makes objects for label operators to tell apart.
func createLabelled(t *testing.T, k *kube, ns, when string) {
	t.Helper()
	k.create(t, configMaps, ns, thing("ConfigMap", when+"-front", "", "tier=front", "weight=3"))
	k.create(t, configMaps, ns, thing("ConfigMap", when+"-back", "", "tier=back", "weight=5"))
	k.create(t, configMaps, ns, thing("ConfigMap", when+"-none", ""))
}

// counter is a trigger that counts the events that it is fired for.
type counter struct {
	mu    sync.Mutex
	seen  map[string]int
	total int
}

func (c *counter) Fire(_ context.Context, f hearken.Firing) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range f.Events {
		c.seen[e.ID()]++
		c.total++
	}
	return nil
}

func (c *counter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// testReplicas has two pipelines over one bus with a dedupe window, and one Store.
func testReplicas(t *testing.T, k *kube) {
	ns := k.namespace(t, "replicas")
	b := &memory.Bus{DedupeWindow: 10 * time.Minute}
	fired := &counter{seen: map[string]int{}}
	logged := &log{}
	const objects = 60
	for i := range objects / 2 {
		k.create(t, configMaps, ns, thing("ConfigMap", fmt.Sprintf("o%d", i), "0"))
	}
	for replica := range 2 {
		es := &hearken.EventSource{Name: "shop", Event: "changes", Source: &resource.Source{
			Config: k.config("admin"), Resource: configMaps, Namespaces: []string{ns},
		}}
		p := &hearken.Pipeline{Name: "replicas", Bus: b, Logger: logged.logger(), EventSources: []*hearken.EventSource{es}, Sensors: []hearken.Sensor{{
			Name: "count", Actions: []hearken.Action{{When: &hearken.Dependency{EventSource: es}, Trigger: fired}},
		}}}
		runPipeline(t, p)
		require.Eventually(t, func() bool { return p.Health().EventSources[0].Emitted == objects/2 }, patience, 10*time.Millisecond, "replica %d", replica)
	}
	for i := objects / 2; i < objects; i++ {
		k.create(t, configMaps, ns, thing("ConfigMap", fmt.Sprintf("o%d", i), "0"))
	}
	for i := range objects {
		k.patch(t, configMaps, ns, fmt.Sprintf("o%d", i), `{"metadata":{"annotations":{"n":"1"}}}`)
		k.delete(t, configMaps, ns, fmt.Sprintf("o%d", i))
	}
	require.Eventually(t, func() bool { return fired.count() >= 3*objects }, patience, 10*time.Millisecond)
	fired.mu.Lock()
	defer fired.mu.Unlock()
	assert.Len(t, fired.seen, 3*objects)
	for id, n := range fired.seen {
		assert.Equal(t, 1, n, id)
	}
}

func runPipeline(t *testing.T, p *hearken.Pipeline) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	require.Eventually(t, func() bool { return p.Health().Ready }, patience, 10*time.Millisecond)
}

func testRights(t *testing.T, k *kube) {
	ns := k.namespace(t, "rights")
	k.create(t, configMaps, ns, thing("ConfigMap", "a", "0"))
	fired := &counter{seen: map[string]int{}}
	es := &hearken.EventSource{Name: "shop", Event: "changes", Source: &resource.Source{
		Config: k.config("watcher"), Resource: configMaps, Namespaces: []string{ns},
	}}
	logged := &log{}
	p := &hearken.Pipeline{Name: "rights", Bus: &memory.Bus{}, Logger: logged.logger(), EventSources: []*hearken.EventSource{es}, Sensors: []hearken.Sensor{{
		Name: "count", Actions: []hearken.Action{{When: &hearken.Dependency{EventSource: es}, Trigger: fired}},
	}}}
	runPipeline(t, p)
	var trouble *hearken.LastError
	require.Eventually(t, func() bool {
		trouble = p.Health().EventSources[0].Trouble
		return trouble != nil
	}, patience, 10*time.Millisecond)
	t.Log(trouble)
	for _, says := range []string{"list", "configmaps", ns, "watcher"} {
		assert.ErrorContains(t, trouble.Err, says)
	}
	rbac := schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"}
	role := k.create(t, rbac, ns, `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"r"},"rules":[{"apiGroups":[""],"resources":["configmaps"],"verbs":["list"]}]}`)
	rbac.Resource = "rolebindings"
	k.create(t, rbac, ns, `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"r"},
		"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"`+role.GetName()+`"},"subjects":[{"kind":"User","name":"watcher"}]}`)
	require.Eventually(t, func() bool { return fired.count() == 1 }, patience, 10*time.Millisecond, "it may list now")
	require.Eventually(t, func() bool {
		trouble := p.Health().EventSources[0].Trouble
		return trouble != nil && strings.Contains(trouble.Err.Error(), "no right to watch")
	}, patience, 10*time.Millisecond)
	rbac.Resource = "roles"
	k.patch(t, rbac, ns, "r", `{"rules":[{"apiGroups":[""],"resources":["configmaps"],"verbs":["list","watch"]}]}`)
	k.create(t, configMaps, ns, thing("ConfigMap", "b", "0"))
	require.Eventually(t, func() bool { return fired.count() == 2 && p.Health().EventSources[0].Trouble == nil }, patience, 10*time.Millisecond, logged)
	assert.True(t, p.Health().Ready)
	assert.Zero(t, p.Health().EventSources[0].Restarts, "the source dealt with it itself")
}

func testLateCRD(t *testing.T, k *kube) {
	widgets := schema.GroupVersionResource{Group: "shop.example.com", Version: "v1", Resource: "widgets"}
	byKind := k.process(t, &memory.Store{}, func(s *resource.Source) {
		s.Resource, s.Kind = schema.GroupVersionResource{}, schema.GroupVersionKind{Group: widgets.Group, Kind: "Widget"}
	}).start()
	byResource := k.process(t, &memory.Store{}, func(s *resource.Source) { s.Resource = widgets }).start()
	for _, p := range []*process{byKind, byResource} {
		require.Eventually(t, func() bool { return p.source.Report().Trouble != nil }, patience, 10*time.Millisecond)
		t.Log(p.source.Report().Trouble.Err)
	}
	k.create(t, crds, "", `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.shop.example.com"},
		"spec":{"group":"shop.example.com","scope":"Namespaced","names":{"plural":"widgets","singular":"widget","kind":"Widget"},
		"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`)
	installed := time.Now()
	require.Eventually(t, func() bool {
		_, err := k.tryCreate(t.Context(), widgets, "default", map[string]any{
			"apiVersion": "shop.example.com/v1", "kind": "Widget", "metadata": map[string]any{"name": "w", "annotations": map[string]any{"n": "0"}},
		})
		return err == nil
	}, patience, 50*time.Millisecond)
	byResource.expect(true, "ADD w 0")
	byKind.expect(true, "ADD w 0")
	t.Logf("found %v after the CRD was created", time.Since(installed).Round(time.Second))
	assert.Nil(t, byKind.source.Report().Trouble)
}

func testSelector(t *testing.T, k *kube) {
	ns := k.namespace(t, "selector")
	k.create(t, configMaps, ns, thing("ConfigMap", "a", "0", "app=a"))
	k.create(t, configMaps, ns, thing("ConfigMap", "b", "0", "app=b"))
	store := &memory.Store{}
	selecting := func(labels string) *process {
		return k.process(t, store, func(s *resource.Source) { s.Namespaces, s.Labels = []string{ns}, labels }).start().watching(1)
	}
	first := selecting("app=a")
	first.expect(true, "ADD a 0")
	first.stop()
	other := selecting("app in (a,b)")
	other.expect(false, "ADD a 0", "ADD b 0")
	assert.Contains(t, other.log.String(), "this is a first start")
	other.stop()
	k.patch(t, configMaps, ns, "a", `{"metadata":{"annotations":{"n":"1"}}}`)
	again := selecting("app=a")
	again.expect(true, "UPDATE a 1")
}

func testLease(t *testing.T, k *kube) {
	ns := k.namespace(t, "lease")
	store := &memory.Store{}
	replica := func(identity string) *process {
		return k.process(t, store, func(s *resource.Source) {
			s.Namespaces = []string{ns}
			s.Lease = &resource.Lease{Namespace: ns, Name: "changes", Identity: identity, Duration: 3 * time.Second}
		}).start()
	}
	first := replica("first").watching(1)
	second := replica("second")
	k.create(t, configMaps, ns, thing("ConfigMap", "a", "0"))
	first.expect(true, "ADD a 0")
	second.expect(true)
	first.stop()
	second.watching(1)
	k.patch(t, configMaps, ns, "a", `{"metadata":{"annotations":{"n":"1"}}}`)
	second.expect(true, "UPDATE a 1")
}

func testSecrets(t *testing.T, k *kube) {
	ns := k.namespace(t, "secrets")
	p := k.process(t, &memory.Store{}, func(s *resource.Source) {
		s.Resource, s.Namespaces, s.OldBody = secrets, []string{ns}, true
	}).start().watching(1)
	k.create(t, secrets, ns, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"hunter2"}},"stringData":{"key":"hunter2"}}`)
	k.patch(t, secrets, ns, "s", `{"stringData":{"key":"hunter3"}}`)
	p.expect(true, "ADD s", "UPDATE s")
	for _, e := range p.rec.Events() {
		assert.Equal(t, map[string]string{"key": "***"}, data(t, e).Body.Data)
		assert.Empty(t, data(t, e).Body.Metadata.ManagedFields)
		for _, secret := range []string{"hunter", "aHVudGVy"} {
			assert.False(t, bytes.Contains(e.Data(), []byte(secret)), "%s", e.Data())
		}
	}
	assert.Contains(t, string(data(t, p.rec.Events()[1]).OldBody), `"key":"***"`)
}

// testPages has more objects than a page.
func testPages(t *testing.T, k *kube) {
	ns := k.namespace(t, "pages")
	const objects = 1100
	createMany(t, k, ns, objects, func(i int) any { return thing("ConfigMap", fmt.Sprintf("o%d", i), "0") }, configMaps)
	p := k.process(t, &memory.Store{}, func(s *resource.Source) { s.Namespaces = []string{ns} }).start()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	events, err := p.rec.Wait(ctx, objects)
	require.NoError(t, err)
	distinct := map[string]bool{}
	for _, e := range events {
		distinct[e.ID()] = true
	}
	assert.Len(t, distinct, objects)
}

// createMany creates n objects, several at once.
func createMany(t testing.TB, k *kube, ns string, n int, what func(i int) any, gvr schema.GroupVersionResource) {
	t.Helper()
	var wg sync.WaitGroup
	next := make(chan int)
	errs := make(chan error, n)
	for range 8 {
		wg.Go(func() {
			for i := range next {
				if _, err := k.tryCreate(t.Context(), gvr, ns, what(i)); err != nil && !apierrors.IsAlreadyExists(err) {
					errs <- err
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	select {
	case err := <-errs:
		require.NoError(t, err)
	default:
	}
}
