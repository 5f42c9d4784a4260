//go:build kubernetes

package resource_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/internal/kubetest"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestKubernetes(t *testing.T) {
	t.Parallel()
	k := startKube(t, kubetest.Config{Users: []string{"watcher"}})
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
		"a namespace that comes later":     testLateNamespace,
		"nodes in a namespace":             testScope,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, k)
		})
	}
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
	for range 2 {
		watcher := k.process(t, nil, func(s *resource.Source) { s.Namespaces = []string{ns} })
		es := &hearken.EventSource{Name: "shop", Event: "changes", Source: watcher.source}
		p := &hearken.Pipeline{Name: "replicas", Bus: b, Logger: logged.logger(), EventSources: []*hearken.EventSource{es}, Sensors: []hearken.Sensor{{
			Name: "count", Actions: []hearken.Action{{When: &hearken.Dependency{EventSource: es}, Trigger: fired}},
		}}}
		runPipeline(t, p)
		watcher.watching(1) // and may have found in the Store what the other has told
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
	byKind.well()
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
			s.Lease = &resource.Lease{Namespace: ns, Name: "changes", Identity: identity}
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

// testLateNamespace has a namespace named that does not exist, which the API server
// lists as an empty one.
func testLateNamespace(t *testing.T, k *kube) {
	p := k.process(t, &memory.Store{}, func(s *resource.Source) { s.Namespaces = []string{"to-come"} }).start().watching(1)
	assert.Contains(t, p.log.String(), `does not exist, or not yet" namespace=to-come`)
	ns := k.namespace(t, "to-come")
	k.create(t, configMaps, ns, thing("ConfigMap", "a", "0"))
	p.expect(true, "ADD a 0")
}

// testScope asks for what is in no namespace, in one.
func testScope(t *testing.T, k *kube) {
	p := k.process(t, &memory.Store{}, func(s *resource.Source) {
		s.Resource, s.Namespaces = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}, []string{"default"}
	}).start()
	require.Eventually(t, func() bool { return p.source.Report().Trouble != nil }, patience, 10*time.Millisecond)
	assert.ErrorContains(t, p.source.Report().Trouble.Err, "not one of the cluster rather than of namespaces")
}
