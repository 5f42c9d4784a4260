package k8s_test

import (
	"strings"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestManifest(t *testing.T) {
	m := manifest()
	require.NoError(t, m.Validate())
	text, err := m.Payload(firing(t, "1"))
	require.NoError(t, err)
	assert.JSONEq(t, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"hello-","namespace":"default"},
		"data":{"greeting":"hello","name":"web"}}`, string(text))
	require.Len(t, m.Reads(), 1)
	assert.Equal(t, "Params[0].Value", m.Reads()[0].Path)
}

// What an event says is a value, never a part of the document.
func TestManifestIsNoPlaceToPutYAMLIn(t *testing.T) {
	m := &k8s.Manifest{Text: template, Params: []params.Param{{Dest: "data.name", Value: "x\nmetadata: {namespace: kube-system}"}}}
	text, err := m.Payload(hearken.Firing{})
	require.NoError(t, err)
	assert.Contains(t, string(text), `"name":"x\nmetadata: {namespace: kube-system}"`)
	assert.Contains(t, string(text), `"namespace":"default"`)
}

func TestManifestForms(t *testing.T) {
	for name, text := range map[string]string{
		"JSON":              `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}`,
		"one of a document": "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n",
		"a comment before":  "# hello\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
	} {
		t.Run(name, func(t *testing.T) {
			m := &k8s.Manifest{Text: text}
			require.NoError(t, m.Validate())
			got, err := m.Payload(hearken.Firing{})
			require.NoError(t, err)
			assert.JSONEq(t, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}`, string(got))
		})
	}
}

func TestManifestMistakes(t *testing.T) {
	const good = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
	for name, tt := range map[string]struct {
		manifest *k8s.Manifest
		says     string
	}{
		"empty":          {&k8s.Manifest{}, "Text: is no object"},
		"a list":         {&k8s.Manifest{Text: "[1]"}, "Text: is no object"},
		"no YAML":        {&k8s.Manifest{Text: "a: [}"}, "Text: is neither YAML nor JSON"},
		"a key twice":    {&k8s.Manifest{Text: good + "kind: Secret\n"}, "already set in map"},
		"two documents":  {&k8s.Manifest{Text: good + "---\n" + good}, "Text: holds several documents"},
		"no apiVersion":  {&k8s.Manifest{Text: "kind: ConfigMap\nmetadata: {name: a}"}, "Text: has no apiVersion"},
		"no kind":        {&k8s.Manifest{Text: "apiVersion: v1\nmetadata: {name: a}"}, "Text: has no kind"},
		"no metadata":    {&k8s.Manifest{Text: "apiVersion: v1\nkind: ConfigMap"}, "Text: has neither a metadata.name nor a metadata.generateName"},
		"no destination": {&k8s.Manifest{Text: good, Params: []params.Param{{Dest: `list.#(a=="b").c`, Value: 1}}}, "Params[0].Dest"},
	} {
		t.Run(name, func(t *testing.T) { require.ErrorContains(t, tt.manifest.Validate(), tt.says) })
	}
	broken := &k8s.Manifest{Text: "[1]"}
	_, err := broken.Payload(hearken.Firing{})
	require.ErrorContains(t, err, "Text: is no object")
	assert.True(t, hearken.IsPermanent(err))
	given := &k8s.Manifest{Text: "apiVersion: v1\nkind: ConfigMap", Params: []params.Param{{Dest: "metadata.name", Value: "a"}}}
	assert.NoError(t, given.Validate(), "what a parameter provides is not missed")
}

// A key without a value is what a template looks like where a value was forgotten.
func TestManifestWithKeysWithoutValues(t *testing.T) {
	for text, says := range map[string]string{
		"apiVersion:\nkind:\nmetadata: {name: a}":                           "Text: has no apiVersion\nText: has no kind",
		"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  generateName:":       "Text: has neither a metadata.name nor a metadata.generateName\nText: metadata.generateName has no value; leave it out, or give it one",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: }": "Text: metadata.namespace has no value; leave it out, or give it one",
	} {
		assert.EqualError(t, (&k8s.Manifest{Text: text}).Validate(), says)
	}
}

// What is wrong in each firing is found before the first.
func TestManifestKind(t *testing.T) {
	kind := params.Param{Dest: "kind", Value: params.Const("Job")}
	for text, want := range map[string]string{
		"apiVersion: apps/v1\nkind: Deployment": "apps/v1, Kind=Deployment",
		"apiVersion: v1\nkind: Pod":             "/v1, Kind=Pod",
		"kind: Pod":                             "/, Kind=",
		"apiVersion: v1\nkind: 1":               "/, Kind=",
		"{":                                     "/, Kind=",
	} {
		assert.Equal(t, want, (&k8s.Manifest{Text: text}).Kind().String(), text)
		assert.Empty(t, (&k8s.Manifest{Text: text, Params: []params.Param{kind}}).Kind())
	}
}

func TestManifestOfWrongTypes(t *testing.T) {
	for says, text := range map[string]string{
		"Text: apiVersion is no string; in YAML put it in quotes":           "apiVersion: 1\nkind: ConfigMap\nmetadata: {name: a}",
		"Text: kind is no string; in YAML put it in quotes":                 "apiVersion: v1\nkind: {}\nmetadata: {name: a}",
		"Text: metadata.name is no string; in YAML put it in quotes":        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 1}",
		"Text: metadata.namespace is no string; in YAML put it in quotes":   "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: 2e3}",
		`Text: metadata.labels["v"] is no string; in YAML put it in quotes`: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {v: 1.0, w: x}}",
		"Text: metadata.annotations is no object":                           "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: [a]}",
		`Text: metadata.namespace "A": `:                                    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: A}",
		`Text: metadata.name "a/b": may not contain '/'`:                    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a/b}",
		`Text: the object's apiVersion "a/b/c" is not group/version`:        "apiVersion: a/b/c\nkind: ConfigMap\nmetadata: {name: a}",
	} {
		err := (&k8s.Manifest{Text: text}).Validate()
		require.ErrorContains(t, err, says)
		assert.NotContains(t, err.Error(), "\n", "said once")
	}
	provided := &k8s.Manifest{
		Text: "apiVersion: 1\nkind: 2\nmetadata: {name: 3, namespace: 4, labels: {example.com/a: 5, b: x}, annotations: {c: 6}}",
		Params: []params.Param{
			{Dest: "apiVersion", Value: "v1"},
			{Dest: "kind", Value: "ConfigMap"},
			{Dest: "metadata.name", Value: "a"},
			{Dest: "metadata.namespace", Value: "b"},
			{Dest: `metadata.labels.example\.com/a`, Value: "c"},
			{Dest: "metadata.annotations", Value: map[string]any{}},
		},
	}
	require.NoError(t, provided.Validate(), "what a parameter provides is not judged")
	require.NoError(t, (&k8s.Manifest{Text: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {gone: null}}"}).Validate(), "for a merge patch")
	whole := &k8s.Manifest{Text: "apiVersion: v1\nkind: ConfigMap", Params: []params.Param{{Dest: "metadata", Value: params.Data(push, "metadata")}}}
	require.NoError(t, whole.Validate())
}

func TestAllMistakesOfAManifest(t *testing.T) {
	trigger := &k8s.Trigger{
		Client: client(t, kubefake.New(t)), Operation: k8s.Delete,
		Object: &k8s.Manifest{Text: "apiVersion: a/b/c\nkind: 5\n" +
			"metadata: {generateName: a/, namespace: A, labels: {v: 1, w: x, z: 2}, annotations: [a]}"},
	}
	assert.Equal(t, []string{
		"Object.Text: kind is no string; in YAML put it in quotes",
		`Object.Text: the object's apiVersion "a/b/c" is not group/version`,
		`Object.Text: metadata.labels["v"] is no string; in YAML put it in quotes`,
		`Object.Text: metadata.labels["z"] is no string; in YAML put it in quotes`,
		"Object.Text: metadata.annotations is no object",
		`Object.Text: metadata.namespace "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-',` +
			` and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc',` +
			` regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
		"Object.Text: has no metadata.name, which would say what to delete",
	}, strings.Split(trigger.Validate().Error(), "\n"))
	odd := &k8s.Manifest{Text: "apiVersion: v1\nkind: ConfigMap\nmetadata: x", Params: []params.Param{{Dest: "metadata", Value: params.Data(push, "m")}}}
	assert.NoError(t, odd.Validate(), "what a parameter provides is not judged")
}

// The API server would refuse each firing, and a dead letter be the first to say so.
func TestManifestOfNamesWithDots(t *testing.T) {
	at := func(dest string) error {
		return (&k8s.Manifest{Text: template, Params: []params.Param{{Dest: dest, Value: "x"}}}).Validate()
	}
	for _, dest := range []string{
		"metadata.annotations.example.com/commit", `metadata.labels.app\.kubernetes.io/name`,
		"spec.template.metadata.annotations.kubectl.kubernetes.io/restartedAt",
	} {
		require.ErrorContains(t, at(dest), "Params[0].Dest: destination ", dest)
		assert.ErrorContains(t, at(dest), `leads below a label or annotation, which is text; write a dot of its name as \.`, dest)
	}
	for _, dest := range []string{
		`metadata.annotations.example\.com/commit`, `spec.template.metadata.labels.app\.kubernetes\.io/name`,
		"metadata.annotations.commit", "metadata.labels", "spec.metadata.labels.a.b", "data.metadata.labels.a.b",
	} {
		assert.NoError(t, at(dest), dest)
	}
}
