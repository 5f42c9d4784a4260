package k8s_test

import (
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const pathA = "/api/v1/namespaces/default/configmaps/a"

func TestCreateOnce(t *testing.T) {
	s := kubefake.New(t, configMaps)
	c := client(t, s)
	f := firing(t, "1")
	o := configMap("a")
	k8s.Mark(o, f)

	first, err := c.CreateOnce(t.Context(), o)
	require.NoError(t, err)
	again, err := c.CreateOnce(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, first.GetUID(), again.GetUID())
	assert.Len(t, s.Objects(), 1)

	other := configMap("a")
	k8s.Mark(other, firing(t, "2"))
	_, err = c.CreateOnce(t.Context(), other)
	require.ErrorContains(t, err, "create ConfigMap default/a: one of this name was made by another firing, "+f.ID)
	assert.True(t, hearken.IsPermanent(err))
}

func TestCreateOnceBesideAStranger(t *testing.T) {
	s := kubefake.New(t, configMaps)
	c := client(t, s)
	o := configMap("a")
	k8s.Mark(o, firing(t, "1"))
	s.Put(pathA, configMap("a").Object)
	_, err := c.CreateOnce(t.Context(), o)
	require.ErrorContains(t, err, "create ConfigMap default/a: one of this name is there, made by no firing")
	assert.True(t, hearken.IsPermanent(err))
}

func TestCreateOnceWhileBeingDeleted(t *testing.T) {
	s := kubefake.New(t, configMaps)
	c := client(t, s)
	o := configMap("a")
	k8s.Mark(o, firing(t, "1"))
	ending := o.DeepCopy().Object
	ending["metadata"].(map[string]any)["deletionTimestamp"] = "2024-01-01T00:00:00Z"
	s.Put(pathA, ending)
	_, err := c.CreateOnce(t.Context(), o)
	require.ErrorContains(t, err, "create ConfigMap default/a: one of this name is being deleted")
	assert.False(t, hearken.IsPermanent(err))
	s.Put(pathA, nil)
	_, err = c.CreateOnce(t.Context(), o)
	require.NoError(t, err)
}

func TestCreateOnceNeedsNameAndMark(t *testing.T) {
	c := client(t, kubefake.New(t, configMaps))
	_, err := c.CreateOnce(t.Context(), configMap("a"))
	require.ErrorContains(t, err, "needs a name and the mark of its firing")
	assert.True(t, hearken.IsPermanent(err))
}
