package k8s_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// fixed is the payload of an object that is the same in each firing.
func fixed(o *unstructured.Unstructured) hearken.Payload {
	return hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return json.Marshal(o.Object) })
}

const template = `
apiVersion: v1
kind: ConfigMap
metadata:
  generateName: hello-
  namespace: default
data:
  greeting: hello
`

func manifest() *k8s.Manifest {
	return &k8s.Manifest{Text: template, Params: []params.Param{{Dest: "data.name", Value: params.Data(push, "name")}}}
}

func TestCreate(t *testing.T) {
	s := kubefake.New(t, configMaps)
	trigger := &k8s.Trigger{Client: client(t, s), Object: manifest()}
	f := firing(t, "1")
	for range 2 {
		require.NoError(t, trigger.Fire(t.Context(), f))
	}
	require.NoError(t, trigger.Fire(t.Context(), firing(t, "2")))
	assert.Len(t, s.Objects(), 2, "one for each firing")
	o := s.Object("/api/v1/namespaces/default/configmaps/" + k8s.Name("hello-", f, 0, 0))
	require.NotNil(t, o)
	assert.Equal(t, map[string]any{"greeting": "hello", "name": "web"}, o["data"])
	assert.True(t, k8s.MadeBy(&unstructured.Unstructured{Object: o}, f))
	assert.Contains(t, s.Requests(), "POST /api/v1/namespaces/default/configmaps?fieldManager=hearken%2Fpipeline&fieldValidation=Strict")
}

func TestCreateIfAbsent(t *testing.T) {
	s := kubefake.New(t, configMaps)
	trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(configMap("a")), Operation: k8s.CreateIfAbsent}
	require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))
	require.NoError(t, trigger.Fire(t.Context(), firing(t, "2")))
	o := &unstructured.Unstructured{Object: s.Object(pathA)}
	assert.True(t, k8s.MadeBy(o, firing(t, "1")))

	trigger.Operation = k8s.Create
	err := trigger.Fire(t.Context(), firing(t, "2"))
	require.ErrorContains(t, err, "create ConfigMap default/a: one of this name was made by another firing")
}

// count adds one to what stands at data.n.
func count(_ hearken.Firing, o *unstructured.Unstructured) error {
	n, _, err := unstructured.NestedFloat64(o.Object, "data", "n")
	if err != nil {
		m, _, err := unstructured.NestedInt64(o.Object, "data", "n")
		if err != nil {
			return err
		}
		n = float64(m)
	}
	return unstructured.SetNestedField(o.Object, int64(n)+1, "data", "n")
}

func counter() map[string]any {
	o := configMap("a").Object
	o["data"] = map[string]any{"n": int64(0)}
	return o
}

func TestUpdateAppliesAllOfMany(t *testing.T) {
	s := kubefake.New(t, configMaps)
	s.Put(pathA, counter())
	trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(configMap("a")), Operation: k8s.Update, Change: count}
	var wg sync.WaitGroup
	for i := range 20 {
		f := firing(t, strings.Repeat("x", i+1))
		wg.Go(func() { assert.NoError(t, trigger.Fire(t.Context(), f)) })
	}
	wg.Wait()
	assert.EqualValues(t, 20, s.Object(pathA)["data"].(map[string]any)["n"])
}

// Many that change the same object go by turns once they have met: without that
// the last would still be at it when their attempts end. Some panic in their turn.
func TestUpdateByTurns(t *testing.T) {
	s := kubefake.New(t, configMaps)
	s.Put(pathA, counter())
	var met sync.Map
	trigger := &k8s.Trigger{
		Client: client(t, s), Object: fixed(configMap("a")), Operation: k8s.Update,
		Change: func(f hearken.Firing, o *unstructured.Unstructured) error {
			if _, again := met.LoadOrStore(f.ID, true); again && f.Attempt == 2 {
				panic("a bug of somebody's")
			}
			return count(f, o)
		},
	}
	const many = 100
	var done atomic.Int64
	var wg sync.WaitGroup
	for i := range many {
		f := firing(t, strings.Repeat("x", i+1))
		f.Attempt = 1 + i%2
		wg.Go(func() {
			defer func() { assert.True(t, recover() == nil || f.Attempt == 2) }()
			assert.NoError(t, trigger.Fire(t.Context(), f))
			done.Add(1)
		})
	}
	wg.Wait()
	assert.GreaterOrEqual(t, done.Load(), int64(many/2))
	assert.EqualValues(t, done.Load(), s.Object(pathA)["data"].(map[string]any)["n"])
	assert.Less(t, len(s.Requests()), 6*many)
}

// One whose attempt ends before its turn comes is tried again, and takes no turn
// from others.
func TestUpdateWhoseTurnDoesNotCome(t *testing.T) {
	s := kubefake.New(t, configMaps)
	s.Put(pathA, counter())
	holds, release := make(chan struct{}), make(chan struct{})
	held := sync.OnceFunc(func() { close(holds) })
	var calls sync.Map
	trigger := &k8s.Trigger{
		Client: client(t, s), Object: fixed(configMap("a")), Operation: k8s.Update,
		Change: func(f hearken.Firing, o *unstructured.Unstructured) error {
			switch n, _ := calls.LoadOrStore(f.ID, new(atomic.Int64)); {
			case n.(*atomic.Int64).Add(1) == 1:
				s.Put(pathA, counter()) // somebody else is quicker
			case f.Attempt == 1:
				held()
				<-release
			}
			return count(f, o)
		},
	}
	first, second := firing(t, "first"), firing(t, "second")
	first.Attempt, second.Attempt = 1, 2
	done := make(chan error)
	go func() { done <- trigger.Fire(t.Context(), first) }()
	<-holds
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := trigger.Fire(ctx, second)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "others of this process change it too")
	assert.False(t, hearken.IsPermanent(err))
	assert.Equal(t, 1, trigger.Client.Turns())
	close(release)
	require.NoError(t, <-done)
	assert.Zero(t, trigger.Client.Turns())
	require.NoError(t, trigger.Fire(t.Context(), second))
	assert.EqualValues(t, 2, s.Object(pathA)["data"].(map[string]any)["n"])
}

func TestUpdateOnce(t *testing.T) {
	s := kubefake.New(t, configMaps)
	s.Put(pathA, counter())
	trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(configMap("a")), Operation: k8s.Update, Change: count}
	for range 3 {
		require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))
	}
	o := s.Object(pathA)
	assert.EqualValues(t, 1, o["data"].(map[string]any)["n"], "the same firing changes once")
	assert.Equal(t, firing(t, "1").ID, (&unstructured.Unstructured{Object: o}).GetAnnotations()[k8s.ChangeAnnotation])
}

func TestUpdateOfNothing(t *testing.T) {
	s := kubefake.New(t, configMaps)
	s.Put(pathA, counter())
	trigger := &k8s.Trigger{
		Client: client(t, s), Object: fixed(configMap("a")), Operation: k8s.Update,
		Change: func(hearken.Firing, *unstructured.Unstructured) error { return nil },
	}
	before := s.Object(pathA)
	require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))
	assert.Equal(t, before, s.Object(pathA))
}

func TestUpdateRefused(t *testing.T) {
	rename := func(_ hearken.Firing, o *unstructured.Unstructured) error { o.SetName("b"); return nil }
	guarded := configMap("a")
	guarded.SetResourceVersion("1")
	other := configMap("a")
	other.SetUID("another")
	for name, tt := range map[string]struct {
		object *unstructured.Unstructured
		change func(hearken.Firing, *unstructured.Unstructured) error
		says   string
		retry  bool
	}{
		"absent":       {configMap("b"), count, `update ConfigMap default/b: configmaps "b" not found`, false},
		"renamed":      {configMap("a"), rename, "update ConfigMap default/a: the change made it another object, ConfigMap default/b", false},
		"has changed":  {guarded, count, "update ConfigMap default/a: it has changed: resourceVersion is 101, not 1", false},
		"another":      {other, count, "update ConfigMap default/a: the one that is there has uid uid-101, not another", false},
		"its function": {configMap("a"), func(hearken.Firing, *unstructured.Unstructured) error { return errors.New("no") }, "update ConfigMap default/a: no", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := kubefake.New(t, configMaps)
			s.Put(pathA, counter())
			trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(tt.object), Operation: k8s.Update, Change: tt.change}
			err := trigger.Fire(t.Context(), firing(t, "1"))
			require.EqualError(t, err, tt.says)
			assert.Equal(t, !tt.retry, hearken.IsPermanent(err))
			assert.EqualValues(t, 0, s.Object(pathA)["data"].(map[string]any)["n"])
		})
	}
}

func TestMerge(t *testing.T) {
	s := kubefake.New(t, configMaps)
	over := configMap("a")
	over.Object["data"] = map[string]any{"b": map[string]any{"x": "new"}, "list": []any{"c"}}
	trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(over), Operation: k8s.Merge}

	require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))
	assert.True(t, k8s.MadeBy(&unstructured.Unstructured{Object: s.Object(pathA)}, firing(t, "1")), "an absent one is created")

	there := configMap("a").Object
	there["data"] = map[string]any{"a": "kept", "b": map[string]any{"x": "old", "y": "kept"}, "list": []any{"a", "b"}}
	s.Put(pathA, there)
	require.NoError(t, trigger.Fire(t.Context(), firing(t, "2")))
	assert.Equal(t, map[string]any{
		"a": "kept", "b": map[string]any{"x": "new", "y": "kept"}, "list": []any{"c"},
	}, s.Object(pathA)["data"])

	before := s.Object(pathA)
	require.NoError(t, trigger.Fire(t.Context(), firing(t, "3")))
	assert.Equal(t, before, s.Object(pathA), "nothing to change is nothing written")

	gone := over.DeepCopy()
	gone.SetUID("another")
	s.Put(pathA, nil)
	trigger.Object = fixed(gone)
	require.Error(t, trigger.Fire(t.Context(), firing(t, "4")))
	assert.Nil(t, s.Object(pathA), "one with a uid is not created anew")
}

// TestTypedObjects writes what Go types have in JSON: in each metadata a
// creationTimestamp of null, which is no field of a template whose definition does
// not say so.
func TestTypedObjects(t *testing.T) {
	o := templated("v1", "ConfigMap")
	o.SetNamespace("default")
	become := func(_ hearken.Firing, there *unstructured.Unstructured) error {
		there.Object["spec"] = o.Object["spec"]
		return nil
	}
	for op, there := range map[k8s.Operation]map[string]any{
		k8s.Create: nil, k8s.CreateIfAbsent: nil, k8s.Merge: nil, k8s.Update: configMap("a").Object,
	} {
		s := kubefake.New(t, configMaps)
		s.Put(pathA, there)
		trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(o), Operation: op}
		if op == k8s.Update {
			trigger.Change = become
		}
		require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))
		none := map[string]any{"metadata": map[string]any{}}
		assert.Equal(t, map[string]any{"template": none, "claims": []any{none}}, s.Object(pathA)["spec"], "%v", op)
	}
}

// TestUpdateOfUnsetTimes changes nothing of an object that has some, as those of
// the API server's own kinds do.
func TestUpdateOfUnsetTimes(t *testing.T) {
	s := kubefake.New(t, configMaps)
	s.Put(pathA, templated("v1", "ConfigMap").Object)
	before := s.Object(pathA)
	same := func(hearken.Firing, *unstructured.Unstructured) error { return nil }
	trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(configMap("a")), Operation: k8s.Update, Change: same}
	require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))
	assert.Equal(t, before, s.Object(pathA))
}

// What was changed since is not undone by the firing that made the object, when it
// comes again.
func TestMergeThatCreatedComesAgain(t *testing.T) {
	s := kubefake.New(t, configMaps)
	over := configMap("a")
	over.Object["data"] = map[string]any{"replicas": "3"}
	trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(over), Operation: k8s.Merge}
	require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))

	scaled := s.Object(pathA)
	scaled["data"] = map[string]any{"replicas": "5"}
	s.Put(pathA, scaled)
	require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))
	assert.Equal(t, map[string]any{"replicas": "5"}, s.Object(pathA)["data"])
	require.NoError(t, trigger.Fire(t.Context(), firing(t, "2")))
	assert.Equal(t, map[string]any{"replicas": "3"}, s.Object(pathA)["data"])
}

func TestDelete(t *testing.T) {
	for name, tt := range map[string]struct {
		there, gone bool
		uid, rv     string
		says        string
	}{
		"there":           {there: true, gone: true},
		"absent":          {gone: true},
		"the one meant":   {there: true, uid: "uid-101", gone: true},
		"another":         {there: true, uid: "another"},
		"absent, by name": {uid: "another", gone: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := kubefake.New(t, configMaps)
			if tt.there {
				s.Put(pathA, configMap("a").Object)
			}
			o := configMap("a")
			if tt.uid != "" {
				o.Object["metadata"].(map[string]any)["uid"] = tt.uid
			}
			trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(o), Operation: k8s.Delete}
			require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))
			assert.Equal(t, tt.gone, s.Object(pathA) == nil)
		})
	}
}

// sent answers patches as if they had been applied, and returns what they were.
func sent(s *kubefake.Server) func() (contentType, body string) {
	var mu sync.Mutex
	var contentType, body string
	s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPatch {
			return false
		}
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		contentType, body = r.Header.Get("Content-Type"), string(text)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}`))
		return true
	})
	return func() (string, string) {
		mu.Lock()
		defer mu.Unlock()
		return contentType, body
	}
}

func TestPatches(t *testing.T) {
	guarded := configMap("a")
	guarded.SetUID("u")
	whole := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"default"}}`
	by := func(text string) hearken.Payload {
		return hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return []byte(text), nil })
	}
	for name, tt := range map[string]struct {
		op         k8s.Operation
		object     *unstructured.Unstructured
		patch      hearken.Payload
		typ, sends string
	}{
		"merge by object":     {k8s.MergePatch, configMap("a"), nil, "application/merge-patch+json", whole},
		"merge":               {k8s.MergePatch, configMap("a"), by(`{"data":{"a":null}}`), "application/merge-patch+json", `{"data":{"a":null}}`},
		"merge, guarded":      {k8s.MergePatch, guarded, by(`{"data":{"a":null}}`), "application/merge-patch+json", `{"data":{"a":null},"metadata":{"uid":"u"}}`},
		"strategic":           {k8s.StrategicMergePatch, configMap("a"), by(`{"data":{}}`), "application/strategic-merge-patch+json", `{"data":{}}`},
		"strategic by object": {k8s.StrategicMergePatch, configMap("a"), nil, "application/strategic-merge-patch+json", whole},
		"json":                {k8s.JSONPatch, configMap("a"), by(`[{"op":"remove","path":"/data"}]`), "application/json-patch+json", `[{"op":"remove","path":"/data"}]`},
		"json, guarded": {
			k8s.JSONPatch, guarded, by(`[{"op":"remove","path":"/data"}]`), "application/json-patch+json",
			`[{"op":"test","path":"/metadata/uid","value":"u"},{"op":"remove","path":"/data"}]`,
		},
		"apply": {k8s.Apply, configMap("a"), nil, "application/apply-patch+yaml", whole},
	} {
		t.Run(name, func(t *testing.T) {
			s := kubefake.New(t, configMaps)
			got := sent(s)
			trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(tt.object), Operation: tt.op, Patch: tt.patch, Subresource: "status"}
			require.NoError(t, trigger.Validate())
			require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))
			typ, body := got()
			assert.Equal(t, tt.typ, typ)
			assert.JSONEq(t, tt.sends, body)
			last := s.Requests()[len(s.Requests())-1]
			assert.True(t, strings.HasPrefix(last, "PATCH "+pathA+"/status?"), last)
			assert.Contains(t, last, "fieldManager=hearken%2Fpipeline")
		})
	}
}

func TestPatchThatIsNone(t *testing.T) {
	guarded := configMap("a")
	guarded.SetUID("u")
	for name, tt := range map[string]struct {
		op    k8s.Operation
		patch string
	}{
		"merge patch of no object": {k8s.MergePatch, `[1]`},
		"merge patch null":         {k8s.MergePatch, `null`},
		"merge patch metadata":     {k8s.MergePatch, `{"metadata":1}`},
		"json patch of no list":    {k8s.JSONPatch, `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := kubefake.New(t, configMaps)
			trigger := &k8s.Trigger{
				Client: client(t, s), Object: fixed(guarded), Operation: tt.op,
				Patch: hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return []byte(tt.patch), nil }),
			}
			err := trigger.Fire(t.Context(), firing(t, "1"))
			require.ErrorContains(t, err, "patch ConfigMap default/a: patch: ")
			assert.True(t, hearken.IsPermanent(err))
		})
	}
}

func TestFieldManager(t *testing.T) {
	s := kubefake.New(t, configMaps)
	sent(s)
	f := firing(t, "1")
	trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(configMap("a")), Operation: k8s.Apply}
	for pipeline, want := range map[string]string{
		"":                       "fieldManager=hearken&",
		"ci":                     "fieldManager=hearken%2Fci&",
		"a\u200bb":               "fieldManager=hearken%2Fa-b&",
		strings.Repeat("x", 200): "fieldManager=hearken%2F" + strings.Repeat("x", 120) + "&",
	} {
		f.Pipeline = pipeline
		require.NoError(t, trigger.Fire(t.Context(), f))
		last := s.Requests()[len(s.Requests())-1]
		assert.Contains(t, last, want)
	}
	trigger.FieldManager = "me"
	require.NoError(t, trigger.Fire(t.Context(), f))
	assert.Contains(t, s.Requests()[len(s.Requests())-1], "fieldManager=me&force=false")
}

func TestObjectsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		object, says string
	}{
		"no JSON":             {`{`, "create: the object is no JSON object"},
		"a list":              {`[]`, "create: the object is no JSON object"},
		"null":                {`null`, "create an object: there is no object"},
		"no apiVersion":       {`{"kind":"ConfigMap","metadata":{"name":"a"}}`, `create ConfigMap a: the object "a" has no apiVersion`},
		"apiVersion a number": {`{"apiVersion":1,"kind":"ConfigMap","metadata":{"name":"a"}}`, "has no apiVersion"},
		"no kind":             {`{"apiVersion":"v1","metadata":{"name":"a"}}`, `create object a: the object "a" of v1 has no kind`},
		"no metadata":         {`{"apiVersion":"v1","kind":"ConfigMap"}`, "the object has no metadata"},
		"no name":             {`{"apiVersion":"v1","kind":"ConfigMap","metadata":{}}`, "the object has neither a name nor a generateName"},
		"a name of number":    {`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":1}}`, "metadata.name is no string"},
		"a way out":           {`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"../../secrets/a"}}`, `metadata.name "../../secrets/a": may not contain '/'`},
		"two dots":            {`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":".."}}`, "may not be '..'"},
		"a namespace's":       {`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"../x"}}`, `metadata.namespace "../x"`},
		"no namespace":        {`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}`, "create ConfigMap a: the ConfigMap names no namespace"},
		"a resourceVersion":   {`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"x","resourceVersion":"1"}}`, "create ConfigMap x/a: an object to create has no resourceVersion"},
	} {
		t.Run(name, func(t *testing.T) {
			s := kubefake.New(t, configMaps)
			trigger := &k8s.Trigger{Client: client(t, s), Object: hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return []byte(tt.object), nil })}
			err := trigger.Fire(t.Context(), firing(t, "1"))
			require.ErrorContains(t, err, tt.says)
			assert.True(t, hearken.IsPermanent(err))
			assert.Empty(t, s.Objects())
		})
	}
}

func TestObjectThatNamesNone(t *testing.T) {
	s := kubefake.New(t, configMaps)
	trigger := &k8s.Trigger{Client: client(t, s), Object: manifest(), Operation: k8s.Delete}
	err := trigger.Fire(t.Context(), firing(t, "1"))
	require.EqualError(t, err, "delete ConfigMap default/hello-*: the object has no name, which would say which one is meant")
}

func TestDefaultNamespaceIsSaid(t *testing.T) {
	s := kubefake.New(t, configMaps)
	c := client(t, s)
	c.Namespace = "apps"
	trigger := &k8s.Trigger{Client: c, Object: fixed(object("v1", "ConfigMap", "", "a")), Operation: k8s.Update, Change: count}
	err := trigger.Fire(t.Context(), firing(t, "1"))
	require.EqualError(t, err, `update ConfigMap apps/a: configmaps "a" not found`)
}

func TestParameterThatIsNotThere(t *testing.T) {
	s := kubefake.New(t, configMaps)
	trigger := &k8s.Trigger{Client: client(t, s), Object: &k8s.Manifest{
		Text: template, Params: []params.Param{{Dest: "data.ref", Value: params.Data(push, "body.ref")}},
	}}
	err := trigger.Fire(t.Context(), firing(t, "1"))
	require.ErrorContains(t, err, "create: object: ")
	require.ErrorContains(t, err, "body.ref")
	assert.True(t, hearken.IsPermanent(err))
	assert.Empty(t, s.Requests())
}

func TestUnknownKind(t *testing.T) {
	s := kubefake.New(t, configMaps)
	trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(object("example.com/v1", "Widget", "default", "a"))}
	err := trigger.Fire(t.Context(), firing(t, "1"))
	require.EqualError(t, err, `create Widget default/a: the API server has no such kind, or not yet: no matches for kind "Widget" in version "example.com/v1"`)
	assert.False(t, hearken.IsPermanent(err))
}
