//go:build kubernetes

package k8s_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestServerCreate(t *testing.T) {
	t.Parallel()
	c := admin(t)
	trigger := &k8s.Trigger{Client: c, Object: &k8s.Manifest{
		Text: "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: hello-}",
		Params: []params.Param{
			{Dest: "data.name", Value: params.Data(push, "name")},
			{Dest: "data.replicas", Value: params.Data(push, "replicas").AsText()},
		},
	}}
	f := firing(t, "1")
	f.Pipeline = "ci"
	for range 3 {
		fires(t, trigger, f)
	}
	fires(t, trigger, firing(t, "2"))
	all := list(t, c, bare("v1", "ConfigMap", ""))
	require.Len(t, all, 2)
	o := get(t, c, bare("v1", "ConfigMap", k8s.Name("hello-", f, 0, 0)))
	require.NotNil(t, o)
	assert.Equal(t, map[string]any{"name": "web", "replicas": "3"}, o.Object["data"])
	assert.True(t, k8s.MadeBy(o, f))
	assert.Equal(t, k8s.LabelValue("1"), o.GetLabels()[k8s.EventLabel("push")])
	assert.Equal(t, "hearken/ci", o.GetManagedFields()[0].Manager)

	fixedName := &k8s.Trigger{Client: c, Object: fixed(bare("v1", "ConfigMap", o.GetName()))}
	fails(t, fixedName, firing(t, "3"), true, "create ConfigMap "+c.Namespace+"/"+o.GetName(), "made by another firing, "+f.ID)
	fixedName.Operation = k8s.CreateIfAbsent
	fires(t, fixedName, firing(t, "3"))
}

func TestServerCreateOfAnyKind(t *testing.T) {
	t.Parallel()
	c := admin(t)
	group := installWidgets(t, c)
	for _, o := range []*unstructured.Unstructured{
		object("v1", "Namespace", "", c.Namespace+"-more"),
		parse(t, "{apiVersion: "+group+"/v1, kind: Widget, metadata: {name: w}, spec: {size: 3}}"),
		parse(t, `{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}`),
		parse(t, `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: `+c.Namespace+`}, rules: []}`),
	} {
		fires(t, &k8s.Trigger{Client: c, Object: fixed(o)}, firing(t, "1"))
		assert.NotNil(t, get(t, c, o), o.GetKind())
	}
}

// The answer to a create is lost, as by a crash: the firing that comes again
// finds what it has made.
func TestServerCreateAfterCrash(t *testing.T) {
	t.Parallel()
	c := admin(t)
	l := &lossy{RoundTripper: c.Config.Transport, lose: "POST"}
	cfg := *c.Config
	cfg.Transport = l
	trigger := &k8s.Trigger{
		Client: &k8s.Client{Config: &cfg, Namespace: c.Namespace},
		Object: &k8s.Manifest{Text: "{apiVersion: v1, kind: ConfigMap, metadata: {generateName: a-}}"},
	}
	f := firing(t, "1")
	fails(t, trigger, f, false, "the answer 201 was lost")
	l.lose = ""
	fires(t, trigger, f)
	// Another process, after a restart.
	fires(t, &k8s.Trigger{Client: c, Object: trigger.Object}, f)
	assert.Len(t, list(t, c, bare("v1", "ConfigMap", "")), 1)
}

func TestServerCreateWhileDeleted(t *testing.T) {
	t.Parallel()
	c := admin(t)
	o := bare("v1", "ConfigMap", "a")
	held := o.DeepCopy()
	held.SetFinalizers([]string{"example.com/hold"})
	k8s.Mark(held, firing(t, "1"))
	put(t, c, held)
	fires(t, &k8s.Trigger{Client: c, Object: fixed(o), Operation: k8s.Delete}, firing(t, "0"))
	trigger := &k8s.Trigger{Client: c, Object: fixed(o)}
	fails(t, trigger, firing(t, "1"), false, "one of this name is being deleted")
	fires(t, &k8s.Trigger{Client: c, Object: fixed(o), Operation: k8s.MergePatch, Patch: text(`{"metadata":{"finalizers":null}}`)}, firing(t, "0"))
	fires(t, trigger, firing(t, "1"))
}

func TestServerUpdate(t *testing.T) {
	t.Parallel()
	c := admin(t)
	o := bare("v1", "ConfigMap", "a")
	put(t, c, o)
	trigger := &k8s.Trigger{
		Client: c, Object: fixed(o), Operation: k8s.Update,
		Change: func(f hearken.Firing, o *unstructured.Unstructured) error {
			n, _, err := unstructured.NestedString(o.Object, "data", "n")
			if err != nil {
				return err
			}
			count, _ := strconv.Atoi("0" + n)
			return unstructured.SetNestedField(o.Object, strconv.Itoa(count+1), "data", "n")
		},
	}
	var wg sync.WaitGroup
	for i := range 20 {
		f := firing(t, fmt.Sprint(i))
		wg.Go(func() { assert.NoError(t, trigger.Fire(t.Context(), f)) })
	}
	wg.Wait()
	there := get(t, c, o)
	assert.Equal(t, "20", there.Object["data"].(map[string]any)["n"], "of concurrent changes none is lost")

	f := firing(t, "once more")
	for range 2 {
		fires(t, trigger, f)
	}
	there = get(t, c, o)
	assert.Equal(t, "21", there.Object["data"].(map[string]any)["n"], "the same firing changes once")

	stale := o.DeepCopy()
	stale.SetResourceVersion("1")
	fails(t, &k8s.Trigger{Client: c, Object: fixed(stale), Operation: k8s.Update, Change: trigger.Change}, f, false)
	fails(t, &k8s.Trigger{Client: c, Object: fixed(stale), Operation: k8s.Update, Change: trigger.Change}, firing(t, "x"), true, "it has changed")
	fails(t, &k8s.Trigger{Client: c, Object: fixed(bare("v1", "ConfigMap", "b")), Operation: k8s.Update, Change: trigger.Change}, f, true, `"b" not found`)
}

func TestServerSubresources(t *testing.T) {
	t.Parallel()
	c := admin(t)
	o := parse(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web:1}, {name: log, image: log:1}]}
`)
	put(t, c, o)
	name := fixed(bare("apps/v1", "Deployment", "web"))
	fires(t, &k8s.Trigger{
		Client: c, Object: name, Operation: k8s.Update, Subresource: "scale",
		Change: func(f hearken.Firing, o *unstructured.Unstructured) error {
			e, err := f.Event(push)
			if err != nil {
				return err
			}
			n, err := params.Data(push, "replicas").Payload(hearken.Firing{Events: map[string]hearken.Event{"push": e}})
			if err != nil {
				return err
			}
			replicas, err := strconv.ParseInt(string(n), 10, 64)
			if err != nil {
				return err
			}
			return unstructured.SetNestedField(o.Object, replicas, "spec", "replicas")
		},
	}, firing(t, "1"))
	fires(t, &k8s.Trigger{Client: c, Object: name, Operation: k8s.MergePatch, Subresource: "status", Patch: text(`{"status":{"replicas":7}}`)}, firing(t, "1"))
	fires(t, &k8s.Trigger{
		Client: c, Object: name, Operation: k8s.StrategicMergePatch,
		Patch: text(`{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"web:2"}]}}}}`),
	}, firing(t, "1"))

	there := get(t, c, o)
	replicas, _, err := unstructured.NestedInt64(there.Object, "spec", "replicas")
	require.NoError(t, err)
	assert.EqualValues(t, 3, replicas)
	seen, _, err := unstructured.NestedInt64(there.Object, "status", "replicas")
	require.NoError(t, err)
	assert.EqualValues(t, 7, seen)
	containers, _, err := unstructured.NestedSlice(there.Object, "spec", "template", "spec", "containers")
	require.NoError(t, err)
	require.Len(t, containers, 2, "a strategic merge patch merges the list by name")
	assert.Equal(t, "web:2", containers[0].(map[string]any)["image"])
}

func TestServerMerge(t *testing.T) {
	t.Parallel()
	c := admin(t)
	o := parse(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {by: me}}, data: {b: "2"}}`)
	trigger := &k8s.Trigger{Client: c, Object: fixed(o), Operation: k8s.Merge}
	fires(t, trigger, firing(t, "1"))
	there := get(t, c, o)
	require.True(t, k8s.MadeBy(there, firing(t, "1")))

	fires(t, &k8s.Trigger{Client: c, Object: fixed(bare("v1", "ConfigMap", "a")), Operation: k8s.MergePatch, Patch: text(`{"data":{"a":"1","b":"1"}}`)}, firing(t, "2"))
	fires(t, trigger, firing(t, "3"))
	there = get(t, c, o)
	assert.Equal(t, map[string]any{"a": "1", "b": "2"}, there.Object["data"])
	assert.Equal(t, "me", there.GetLabels()["by"])
	assert.Equal(t, firing(t, "3").ID, there.GetAnnotations()[k8s.ChangeAnnotation])
	fires(t, trigger, firing(t, "4"))
	assert.Equal(t, there.GetResourceVersion(), get(t, c, o).GetResourceVersion(), "nothing to change is nothing written")
}

func TestServerPatches(t *testing.T) {
	t.Parallel()
	c := admin(t)
	group := installWidgets(t, c)
	name := bare("v1", "ConfigMap", "a")
	put(t, c, parse(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {a: "1"}}`))
	put(t, c, bare(group+"/v1", "Widget", "w"))
	patch := func(op k8s.Operation, o *unstructured.Unstructured, body string) *k8s.Trigger {
		return &k8s.Trigger{Client: c, Object: fixed(o), Operation: op, Patch: text(body)}
	}
	value := func() any { return get(t, c, name).Object["data"].(map[string]any)["a"] }

	fires(t, patch(k8s.JSONPatch, name, `[{"op":"test","path":"/data/a","value":"1"},{"op":"replace","path":"/data/a","value":"2"}]`), firing(t, "1"))
	assert.Equal(t, "2", value())
	fails(t, patch(k8s.JSONPatch, name, `[{"op":"test","path":"/data/a","value":"1"},{"op":"replace","path":"/data/a","value":"3"}]`), firing(t, "1"),
		true, "patch ConfigMap "+c.Namespace+"/a: ", "a test in the patch does not hold, or a path of it is not there")
	fails(t, patch(k8s.JSONPatch, name, `[{"op":"sing"}]`), firing(t, "1"), true)
	fails(t, patch(k8s.MergePatch, name, `{"data":[1]}`), firing(t, "1"), true)
	fails(t, patch(k8s.MergePatch, name, `{`), firing(t, "1"), true)
	fails(t, patch(k8s.MergePatch, bare("v1", "ConfigMap", "b"), `{}`), firing(t, "1"), true, `"b" not found`)

	there := get(t, c, name)
	guarded := name.DeepCopy()
	guarded.SetResourceVersion(there.GetResourceVersion())
	guarded.SetUID(there.GetUID())
	fires(t, patch(k8s.MergePatch, guarded, `{"data":{"a":"4"}}`), firing(t, "1"))
	assert.Equal(t, "4", value())
	for _, op := range []k8s.Operation{k8s.MergePatch, k8s.StrategicMergePatch} {
		fails(t, patch(op, guarded, `{"data":{"a":"5"}}`), firing(t, "1"), true, "the object has been modified")
	}
	fails(t, patch(k8s.JSONPatch, guarded, `[{"op":"replace","path":"/data/a","value":"5"}]`), firing(t, "1"), true)
	other := name.DeepCopy()
	other.SetUID("another")
	fails(t, patch(k8s.MergePatch, other, `{"data":{"a":"5"}}`), firing(t, "1"), true, "metadata.uid")
	assert.Equal(t, "4", value())
	other.SetUID(there.GetUID())
	fires(t, patch(k8s.JSONPatch, other, `[{"op":"replace","path":"/data/a","value":"6"}]`), firing(t, "1"))
	assert.Equal(t, "6", value())

	whole := parse(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {b: "7"}}`)
	fires(t, &k8s.Trigger{Client: c, Object: fixed(whole), Operation: k8s.MergePatch}, firing(t, "1"))
	assert.Equal(t, map[string]any{"a": "6", "b": "7"}, get(t, c, name).Object["data"])

	widget := bare(group+"/v1", "Widget", "w")
	fires(t, patch(k8s.MergePatch, widget, `{"spec":{"size":1}}`), firing(t, "1"))
	fails(t, patch(k8s.StrategicMergePatch, widget, `{"spec":{"size":2}}`), firing(t, "1"), true, "unknown format")
}

func TestServerApply(t *testing.T) {
	t.Parallel()
	c := admin(t)
	apply := func(manager, value string, force bool) *k8s.Trigger {
		o := parse(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}`)
		o.Object["data"] = map[string]any{manager[:1]: "1", "shared": value, "more": value}
		return &k8s.Trigger{Client: c, Object: fixed(o), Operation: k8s.Apply, FieldManager: manager, Force: force}
	}
	fires(t, apply("kubectl", "1", false), firing(t, "1"))
	mine := apply("m", "2", false)
	mine.FieldManager = ""
	fails(t, mine, firing(t, "2"), true, "apply ConfigMap "+c.Namespace+"/a: others manage ",
		`.data.shared (conflict with "kubectl"`, `.data.more (conflict with "kubectl"`, "Force would take it from them")
	mine.Force = true
	fires(t, mine, firing(t, "2"))
	fires(t, mine, firing(t, "2"))
	there := get(t, c, bare("v1", "ConfigMap", "a"))
	assert.Equal(t, map[string]any{"k": "1", "m": "1", "shared": "2", "more": "2"}, there.Object["data"])
	var managers []string
	for _, m := range there.GetManagedFields() {
		managers = append(managers, m.Manager+" "+string(m.Operation))
	}
	assert.ElementsMatch(t, []string{"kubectl Apply", "hearken/pipeline Apply"}, managers)

	stale := there.DeepCopy()
	stale.SetResourceVersion("1")
	stale.SetManagedFields(nil)
	fails(t, &k8s.Trigger{Client: c, Object: fixed(stale), Operation: k8s.Apply, Force: true}, firing(t, "3"), true, "the object has been modified")
}

func TestServerDelete(t *testing.T) {
	t.Parallel()
	c := admin(t)
	name := bare("v1", "ConfigMap", "a")
	fires(t, &k8s.Trigger{Client: c, Object: fixed(name), Operation: k8s.Delete}, firing(t, "1"))

	there := put(t, c, name)
	guarded := name.DeepCopy()
	guarded.SetUID("another")
	fires(t, &k8s.Trigger{Client: c, Object: fixed(guarded), Operation: k8s.Delete}, firing(t, "1"))
	require.NotNil(t, get(t, c, name), "one of another uid is not the one meant")

	guarded.SetUID(there.GetUID())
	guarded.SetResourceVersion("1")
	fails(t, &k8s.Trigger{Client: c, Object: fixed(guarded), Operation: k8s.Delete}, firing(t, "1"), true, "ResourceVersion")
	require.NotNil(t, get(t, c, name))

	guarded.SetResourceVersion(there.GetResourceVersion())
	fires(t, &k8s.Trigger{Client: c, Object: fixed(guarded), Operation: k8s.Delete}, firing(t, "1"))
	require.Nil(t, get(t, c, name))

	put(t, c, name)
	fires(t, &k8s.Trigger{Client: c, Object: fixed(name), Operation: k8s.Delete, Propagation: metav1.DeletePropagationForeground}, firing(t, "1"))
	there = get(t, c, name)
	require.NotNil(t, there, "what it owns goes first, and the collector does not run here")
	assert.Contains(t, there.GetFinalizers(), "foregroundDeletion")
	fires(t, &k8s.Trigger{Client: c, Object: fixed(name), Operation: k8s.Delete}, firing(t, "2"))

	absent := object("v1", "ConfigMap", "no-such-namespace", "a")
	fires(t, &k8s.Trigger{Client: c, Object: fixed(absent), Operation: k8s.Delete}, firing(t, "1"))
}

func TestServerOwners(t *testing.T) {
	t.Parallel()
	c, elsewhere := admin(t), admin(t)
	owned := func(owner *unstructured.Unstructured) *k8s.Trigger {
		o := bare("v1", "ConfigMap", strings.ToLower(owner.GetKind())+"-"+owner.GetName())
		owner = owner.DeepCopy()
		owner.SetNamespace("") // as an event's text may have it
		require.NoError(t, k8s.Own(o, owner, true))
		return &k8s.Trigger{Client: c, Object: fixed(o)}
	}
	fires(t, owned(put(t, c, bare("v1", "Secret", "here"))), firing(t, "1"))
	fires(t, owned(get(t, c, object("v1", "Namespace", "", c.Namespace))), firing(t, "1"))
	fails(t, owned(put(t, elsewhere, bare("v1", "Secret", "there"))), firing(t, "1"), true,
		"owner Secret "+c.Namespace+"/there: it is not there, and no owner can be in another namespace")
	assert.Len(t, list(t, c, bare("v1", "ConfigMap", "")), 2)
}

// A definition is replaced by one of another scope: whoever uses the Client finds
// that out.
func TestServerKindOfAnotherScope(t *testing.T) {
	t.Parallel()
	c := admin(t)
	group := installWidgets(t, c)
	o := parse(t, "{apiVersion: "+group+"/v1, kind: Widget, metadata: {name: w}}")
	put(t, c, o)
	crd := bare("apiextensions.k8s.io/v1", "CustomResourceDefinition", "widgets."+group)
	fires(t, &k8s.Trigger{Client: c, Object: fixed(crd), Operation: k8s.Delete}, firing(t, "1"))
	require.Eventually(t, func() bool { return get(t, c, crd) == nil }, patience, 20*time.Millisecond)
	defineWidgets(t, c, group, "Cluster", anything)
	require.Eventually(t, func() bool {
		r, err := c.Resource(t.Context(), o)
		if err != nil {
			return false // it was looked for in between
		}
		_, err = r.Create(t.Context(), o, metav1.CreateOptions{})
		return err == nil
	}, time.Minute, 100*time.Millisecond)
}
