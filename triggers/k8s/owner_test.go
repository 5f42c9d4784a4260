package k8s_test

import (
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

func ownerIn(namespace string, uid types.UID) *unstructured.Unstructured {
	o := object("example.com/v1", "Widget", namespace, "w")
	o.SetUID(uid)
	return o
}

func TestOwn(t *testing.T) {
	o := configMap("a")
	require.NoError(t, k8s.Own(o, ownerIn("default", "u"), true))
	require.NoError(t, k8s.Own(o, ownerIn("", "v"), false), "an owner without a namespace")
	refs := o.GetOwnerReferences()
	require.Len(t, refs, 2)
	assert.True(t, *refs[0].Controller)
	assert.Nil(t, refs[1].Controller)
	assert.Equal(t, []string{"example.com/v1", "Widget", "w", "u"}, []string{refs[0].APIVersion, refs[0].Kind, refs[0].Name, string(refs[0].UID)})

	require.EqualError(t, k8s.Own(o, ownerIn("other", "u"), true), "Widget other/w cannot own ConfigMap default/a: it is in another namespace")
	require.EqualError(t, k8s.Own(o, ownerIn("default", ""), true), "an owner needs a name and a uid")
	require.ErrorContains(t, k8s.Own(o, object("", "Widget", "default", "w"), true), "owner: the object \"w\" has no apiVersion")
	assert.Len(t, o.GetOwnerReferences(), 2)
}

func TestOwnerIsThere(t *testing.T) {
	s := kubefake.New(t, configMaps, widgets, namespaces)
	s.Put("/apis/example.com/v1/namespaces/default/widgets/w", ownerIn("default", "u").Object)
	s.Put("/apis/example.com/v1/namespaces/other/widgets/x", ownerIn("other", "v").Object)
	s.Put("/api/v1/namespaces/n", object("v1", "Namespace", "", "n").Object)

	owned := func(o *unstructured.Unstructured, kind, name string, uid types.UID) *unstructured.Unstructured {
		version := "example.com/v1"
		if kind == "Namespace" {
			version = "v1"
		}
		by := object(version, kind, "", name)
		by.SetUID(uid)
		require.NoError(t, k8s.Own(o, by, false))
		return o
	}
	uidOfN := types.UID(s.Object("/api/v1/namespaces/n")["metadata"].(map[string]any)["uid"].(string))
	for name, tt := range map[string]struct {
		object *unstructured.Unstructured
		says   string
	}{
		"there":                  {owned(configMap("a"), "Widget", "w", "u"), ""},
		"there, in no namespace": {owned(configMap("b"), "Namespace", "n", uidOfN), ""},
		"in another namespace":   {owned(configMap("c"), "Widget", "x", "v"), "owner Widget default/x: it is not there, and no owner can be in another namespace"},
		"another":                {owned(configMap("d"), "Widget", "w", "old"), "owner Widget default/w: the one that is there has uid u, not old"},
		"of what has none":       {owned(object("v1", "Namespace", "", "e"), "Widget", "w", "u"), "owner Widget w: what lives in a namespace cannot own what does not"},
	} {
		for _, op := range []k8s.Operation{k8s.Create, k8s.Apply, k8s.MergePatch, k8s.Merge} {
			t.Run(name+" "+op.String(), func(t *testing.T) {
				trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(tt.object), Operation: op}
				err := trigger.Fire(t.Context(), firing(t, "1"))
				if tt.says != "" {
					require.ErrorContains(t, err, tt.says)
					assert.True(t, hearken.IsPermanent(err))
				} else if op == k8s.Create || op == k8s.Merge {
					require.NoError(t, err)
				}
			})
		}
	}
}
