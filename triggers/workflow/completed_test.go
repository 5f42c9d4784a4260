package workflow_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/hearken-go/hearken/sources/resource"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/workflow"
)

func TestCompleted(t *testing.T) {
	config := &rest.Config{Host: "http://localhost"}
	s := workflow.Completed(&k8s.Client{Config: config}, "argo", "ci")
	require.NoError(t, s.Validate())
	assert.Equal(t, config, s.Config)
	assert.Equal(t, []string{"argo", "ci"}, s.Namespaces)
	assert.Equal(t, []resource.Type{resource.Add}, s.Types)
	assert.Equal(t, "events.hearken.dev/firing,workflows.argoproj.io/phase in (Succeeded,Failed,Error)", s.Labels)

	client, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	s = workflow.Completed(&k8s.Client{Dynamic: client})
	require.NoError(t, s.Validate())
	assert.Nil(t, s.Config)
	require.ErrorContains(t, workflow.Completed(nil).Validate(), "Config")
}
