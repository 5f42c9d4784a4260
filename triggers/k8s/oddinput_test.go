package k8s_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
)

// What unstructured takes for no labels at all must not cost the others.
func TestLabelsThatAreNoTexts(t *testing.T) {
	for name, tt := range map[string]struct {
		metadata map[string]any
		says     string
	}{
		"a number":    {map[string]any{"labels": map[string]any{"app": "web", "n": 3}}, `metadata.labels["n"] is no string`},
		"null":        {map[string]any{"annotations": map[string]any{"app": "web", "n": nil}}, `metadata.annotations["n"] is no string`},
		"no map":      {map[string]any{"labels": []any{"app"}}, "metadata.labels is no object"},
		"no map, too": {map[string]any{"annotations": "app"}, "metadata.annotations is no object"},
	} {
		for _, op := range []k8s.Operation{k8s.Create, k8s.CreateIfAbsent, k8s.Merge, k8s.Update} {
			t.Run(name+" "+op.String(), func(t *testing.T) {
				s := kubefake.New(t, configMaps)
				there := configMap("a")
				there.SetLabels(map[string]string{"kept": "yes"})
				there.SetAnnotations(map[string]string{"kept": "yes"})
				s.Put(pathA, there.Object)
				before := s.Object(pathA)
				put := func(o *unstructured.Unstructured) {
					for field, v := range tt.metadata {
						o.Object["metadata"].(map[string]any)[field] = v
					}
				}
				o := configMap("a")
				trigger := &k8s.Trigger{Client: client(t, s), Operation: op}
				if op == k8s.Update {
					trigger.Change = func(_ hearken.Firing, o *unstructured.Unstructured) error { put(o); return nil }
				} else {
					put(o)
				}
				trigger.Object = fixed(o)
				err := trigger.Fire(t.Context(), firing(t, "1"))
				require.ErrorContains(t, err, tt.says)
				assert.True(t, hearken.IsPermanent(err))
				assert.Equal(t, before, s.Object(pathA))
			})
		}
	}
}

// A null label of a merge patch removes one.
func TestMergePatchByObjectRemovesLabels(t *testing.T) {
	s := kubefake.New(t, configMaps)
	there := configMap("a")
	there.SetLabels(map[string]string{"kept": "yes", "gone": "soon"})
	s.Put(pathA, there.Object)
	over := configMap("a")
	over.Object["metadata"].(map[string]any)["labels"] = map[string]any{"gone": nil}
	trigger := &k8s.Trigger{Client: client(t, s), Operation: k8s.MergePatch, Object: fixed(over)}
	require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))
	assert.Equal(t, map[string]any{"kept": "yes"}, s.Object(pathA)["metadata"].(map[string]any)["labels"])
}

// A function may well build the object anew, and so without its version.
func TestUpdateByAnObjectWithoutVersion(t *testing.T) {
	s := kubefake.New(t, configMaps)
	s.Put(pathA, counter())
	change := func(f hearken.Firing, o *unstructured.Unstructured) error {
		if err := count(f, o); err != nil {
			return err
		}
		fresh := configMap("a")
		fresh.Object["data"] = o.Object["data"]
		*o = *fresh
		return nil
	}
	trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(configMap("a")), Operation: k8s.Update, Change: change}
	var wg sync.WaitGroup
	for i := range 20 {
		f := firing(t, strings.Repeat("x", i+1))
		wg.Go(func() { assert.NoError(t, trigger.Fire(t.Context(), f)) })
	}
	wg.Wait()
	assert.EqualValues(t, 20, s.Object(pathA)["data"].(map[string]any)["n"])
}

// A kind that is served no more answers as a name that is not there does, but
// for the details: nothing is known of the object then.
func TestNotServedIsNotAbsent(t *testing.T) {
	owned := configMap("a")
	require.NoError(t, k8s.Own(owned, ownerIn("default", "u"), false))
	for name, trigger := range map[string]k8s.Trigger{
		"delete": {Object: fixed(configMap("a")), Operation: k8s.Delete},
		"owner":  {Object: fixed(owned)},
	} {
		t.Run(name, func(t *testing.T) {
			s := kubefake.New(t, configMaps, widgets)
			s.Put(pathA, configMap("a").Object)
			s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/api/v1" || r.URL.Path == "/apis/example.com/v1" {
					return false
				}
				http.Error(w, "404 page not found", http.StatusNotFound)
				return true
			})
			trigger.Client = client(t, s)
			err := trigger.Fire(t.Context(), firing(t, "1"))
			require.Error(t, err)
			assert.False(t, hearken.IsPermanent(err), err)
			s.Answer(nil)
			if trigger.Operation == k8s.Delete {
				require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))
				assert.Nil(t, s.Object(pathA))
			}
		})
	}
}

// What comes of an event goes into URLs.
func TestWaysOut(t *testing.T) {
	s := kubefake.New(t, configMaps)
	c := client(t, s)
	for says, o := range map[string]*unstructured.Unstructured{
		`the object's apiVersion "../.." is not group/version`:  object("../..", "ConfigMap", "default", "a"),
		`the object's apiVersion "a/v1?x" is not group/version`: object("a/v1?x", "ConfigMap", "default", "a"),
		`the object's apiVersion ".." is not group/version`:     object("..", "ConfigMap", "default", "a"),
		`the object's apiVersion "/v1/" is not group/version`:   object("/v1/", "ConfigMap", "default", "a"),
		`metadata.namespace "../../kube-system": `:              object("v1", "ConfigMap", "../../kube-system", "a"),
		`metadata.namespace "default?x=": `:                     object("v1", "ConfigMap", "default?x=", "a"),
		`metadata.name "../secrets/a": may not contain '/'`:     object("v1", "ConfigMap", "default", "../secrets/a"),
		`metadata.name "..": may not be '..'`:                   object("v1", "ConfigMap", "default", ".."),
		`metadata.name "a%2f..": may not contain '/' or '%'`:    object("v1", "ConfigMap", "default", "a%2f.."),
	} {
		_, err := c.Resource(t.Context(), o)
		require.ErrorContains(t, err, says)
		assert.True(t, hearken.IsPermanent(err))
		k8s.Mark(o, firing(t, "1"))
		_, err = c.CreateOnce(t.Context(), o)
		require.ErrorContains(t, err, says)
		_, err = c.Wait(t.Context(), o, phase)
		require.ErrorContains(t, err, says)
	}
	assert.Empty(t, s.Requests())
}

func TestNoClient(t *testing.T) {
	var c *k8s.Client
	_, err := c.Resource(t.Context(), configMap("a"))
	require.EqualError(t, err, "there is no Client")
	assert.True(t, hearken.IsPermanent(err))
}

func TestClientMistakes(t *testing.T) {
	for says, c := range map[string]*k8s.Client{
		"Config: is nil; set it, or both Dynamic and Mapper":         {},
		`Config.Host: host must be a URL or a host:port pair: "a/b"`: {Config: &rest.Config{Host: "a/b"}},
		"Config: unable to load root certificates":                   {Config: &rest.Config{TLSClientConfig: rest.TLSClientConfig{CAData: []byte("x")}}},
		"Config: open /nowhere/ca.crt":                               {Config: &rest.Config{TLSClientConfig: rest.TLSClientConfig{CAFile: "/nowhere/ca.crt"}}},
		`Namespace: "../x" is none: `:                                {Config: &rest.Config{}, Namespace: "../x"},
	} {
		require.ErrorContains(t, c.Validate(), says)
	}
	require.NoError(t, (&k8s.Client{Config: &rest.Config{}, Namespace: "ci"}).Validate())
}

// An owner in another namespace is refused wherever it stands.
func TestOwnersInPatches(t *testing.T) {
	refs := `[{"apiVersion":"example.com/v1","kind":"Widget","name":"x","uid":"v"}]`
	for name, tt := range map[string]struct {
		op    k8s.Operation
		patch string
	}{
		"merge":        {k8s.MergePatch, `{"metadata":{"ownerReferences":` + refs + `}}`},
		"strategic":    {k8s.StrategicMergePatch, `{"metadata":{"ownerReferences":` + refs + `}}`},
		"JSON":         {k8s.JSONPatch, `[{"op":"add","path":"/metadata/ownerReferences","value":` + refs + `}]`},
		"JSON, one":    {k8s.JSONPatch, `[{"op":"add","path":"/metadata/ownerReferences/-","value":` + refs[1:len(refs)-1] + `}]`},
		"JSON, around": {k8s.JSONPatch, `[{"op":"replace","path":"/metadata","value":{"ownerReferences":` + refs + `}}]`},
	} {
		t.Run(name, func(t *testing.T) {
			s := kubefake.New(t, configMaps, widgets)
			s.Put(pathA, configMap("a").Object)
			s.Put("/apis/example.com/v1/namespaces/other/widgets/x", ownerIn("other", "v").Object)
			got := sent(s)
			trigger := &k8s.Trigger{
				Client: client(t, s), Object: fixed(configMap("a")), Operation: tt.op,
				Patch: hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return []byte(tt.patch), nil }),
			}
			err := trigger.Fire(t.Context(), firing(t, "1"))
			require.ErrorContains(t, err, "owner Widget default/x: it is not there, and no owner can be in another namespace")
			assert.True(t, hearken.IsPermanent(err))
			_, body := got()
			assert.Empty(t, body)
			s.Put("/apis/example.com/v1/namespaces/default/widgets/x", ownerIn("default", "v").Object)
			require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))
			_, body = got()
			assert.JSONEq(t, tt.patch, body)
		})
	}
}

// To take an owner away it does not have to be there.
func TestOwnersTakenAwayByPatches(t *testing.T) {
	for name, tt := range map[string]struct {
		op    k8s.Operation
		patch string
	}{
		"strategic": {k8s.StrategicMergePatch, `{"metadata":{"ownerReferences":[{"$patch":"delete","uid":"v"}]}}`},
		"changed":   {k8s.StrategicMergePatch, `{"metadata":{"ownerReferences":[{"uid":"v","blockOwnerDeletion":false}]}}`},
		"merge":     {k8s.MergePatch, `{"metadata":{"ownerReferences":null}}`},
		"JSON": {k8s.JSONPatch, `[{"op":"test","path":"/metadata/ownerReferences/0","value":{"apiVersion":"v1","kind":"Pod","name":"x","uid":"v"}},
			{"op":"remove","path":"/metadata/ownerReferences/0"},{"op":"add","path":"/metadata/ownerReferences/0/controller","value":true}]`},
		"no patch": {k8s.JSONPatch, `[1, {"op":2,"path":3}, null`},
	} {
		t.Run(name, func(t *testing.T) {
			s := kubefake.New(t, configMaps)
			s.Put(pathA, configMap("a").Object)
			got := sent(s)
			trigger := &k8s.Trigger{
				Client: client(t, s), Object: fixed(configMap("a")), Operation: tt.op,
				Patch: hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return []byte(tt.patch), nil }),
			}
			require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))
			_, body := got()
			assert.Equal(t, tt.patch, body)
		})
	}
}

// Many firings share a Client while the definition of a kind comes and goes: each
// acts once in the end.
func TestKindThatComesAndGoes(t *testing.T) {
	s := kubefake.New(t, configMaps, widgets)
	c := client(t, s)
	var asked atomic.Int64
	s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		// Of three questions for an object one finds the kind gone.
		if !strings.HasPrefix(r.URL.Path, "/apis/example.com/v1/") || asked.Add(1)%3 != 0 {
			return false
		}
		http.Error(w, "404 page not found", http.StatusNotFound)
		return true
	})
	var wg sync.WaitGroup
	for i := range 30 {
		f := firing(t, strings.Repeat("x", i+1))
		o := object("example.com/v1", "Widget", "default", "")
		o.SetGenerateName("w-")
		trigger := &k8s.Trigger{Client: c, Object: fixed(o)}
		wg.Go(func() {
			for range 100 {
				err := trigger.Fire(t.Context(), f)
				if err == nil {
					return
				}
				assert.False(t, hearken.IsPermanent(err), err)
			}
			t.Error("it never came about")
		})
	}
	wg.Wait()
	assert.Len(t, s.Objects(), 30)
}
