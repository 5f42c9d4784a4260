package k8s_test

import (
	"strings"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
)

func TestName(t *testing.T) {
	f := hearken.Firing{ID: "0123456789abcdef0123456789abcdef", Sensor: "s", Action: "a"}
	name := k8s.Name("hello-", f, 0, 0)
	assert.Regexp(t, "^hello-[a-z2-7]{13}$", name)
	assert.Equal(t, name, k8s.Name("hello", f, 0, 0))

	long := k8s.Name(strings.Repeat("x", 300), f, 0, 0)
	assert.Len(t, long, 63)
	assert.True(t, strings.HasPrefix(long, strings.Repeat("x", 49)+"-"), long)
	assert.Equal(t, name[5:], long[49:], "the hash is of the firing alone")
	assert.Len(t, k8s.Name(strings.Repeat("x", 300), f, 0, 52), 52)
	assert.Regexp(t, "^x-[a-z2-7]{13}$", k8s.Name("x---------", f, 0, 20))
	assert.Regexp(t, "^[a-z2-7]{13}$", k8s.Name("", f, 0, 0))

	other := f
	other.Action = "b"
	seen := map[string]bool{name: true}
	for _, n := range []string{
		k8s.Name("hello-", f, 1, 0), k8s.Name("hello-", other, 0, 0), k8s.Name("hello-", hearken.Firing{ID: "1"}, 0, 0),
	} {
		assert.False(t, seen[n], "%s is not distinct", n)
		seen[n] = true
	}
}

// The name is what tells whether a firing has acted: it must never change.
func TestNameIsKept(t *testing.T) {
	f := hearken.Firing{ID: "0123456789abcdef0123456789abcdef", Action: "a"}
	assert.Equal(t, "hello-oesm4ql3ab3pz", k8s.Name("hello-", f, 0, 0))
}

func TestMark(t *testing.T) {
	f := firing(t, "an id/with anything ü")
	f.Events["odd name/ü"] = f.Events["push"]
	o := &unstructured.Unstructured{Object: map[string]any{}}
	o.SetLabels(map[string]string{"app": "web"})
	k8s.Mark(o, f)

	assert.True(t, k8s.MadeBy(o, f))
	assert.False(t, k8s.MadeBy(o, firing(t, "another")))
	assert.False(t, k8s.MadeBy(&unstructured.Unstructured{Object: map[string]any{}}, hearken.Firing{}))
	assert.Equal(t, f.ID, o.GetAnnotations()[k8s.FiringAnnotation])
	assert.Equal(t, "sensor/action", o.GetAnnotations()[k8s.ActionAnnotation])
	assert.JSONEq(t, `{"push":"an id/with anything ü","odd name/ü":"an id/with anything ü"}`, o.GetAnnotations()[k8s.EventsAnnotation])

	labels := o.GetLabels()
	assert.Equal(t, "web", labels["app"])
	assert.Equal(t, k8s.LabelValue(f.ID), labels[k8s.FiringLabel])
	assert.Equal(t, k8s.LabelValue("an id/with anything ü"), labels[k8s.EventLabels+"push"])
	assert.Len(t, labels, 4)
	for name, value := range labels {
		assert.Empty(t, validation.IsQualifiedName(name), name)
		assert.Empty(t, validation.IsValidLabelValue(value), value)
	}
	for name := range o.GetAnnotations() {
		assert.Empty(t, validation.IsQualifiedName(name), name)
	}
}

func TestMarkOfLongIDs(t *testing.T) {
	f := firing(t, "x"+strings.Repeat("é", 100_000))
	o := &unstructured.Unstructured{Object: map[string]any{}}
	k8s.Mark(o, f)
	text := o.GetAnnotations()[k8s.EventsAnnotation]
	require.Less(t, len(text), 1100)
	assert.True(t, strings.HasSuffix(text, `é"}`), text[len(text)-20:])
}
