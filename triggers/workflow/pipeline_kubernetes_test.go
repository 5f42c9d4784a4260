//go:build kubernetes

package workflow_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/filters"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/hearken-go/hearken/triggers/triggertest"
	"github.com/hearken-go/hearken/triggers/workflow"
)

// A first sensor submits and goes on; a second one acts on what failed.
func testCompleted(t *testing.T, w *realWorld) {
	pushes := &hearken.EventSource{Name: "git", Event: "push"}
	ended := &hearken.EventSource{Name: "workflows", Event: "ended", Source: workflow.Completed(w.client, "default")}
	pushed := &hearken.Dependency{EventSource: pushes}
	failed := &hearken.Dependency{EventSource: ended, Filter: filters.All(
		filters.Data("body.status.phase", "Failed", "Error"), filters.Data("body.metadata.labels.of", "completed"),
	)}
	var submitted, acted triggertest.Recorder
	submit := &workflow.Submit{
		Client:    w.client,
		Manifest:  &k8s.Manifest{Text: "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {generateName: ended-}\nspec: {}"},
		Arguments: params.Object{"event": params.Event(pushed)},
		Labels:    map[string]string{"of": "completed"},
		Edit:      playing("fail: no such branch"),
	}
	p := &hearken.Pipeline{
		Name: "completed", Bus: &memory.Bus{}, EventSources: []*hearken.EventSource{pushes, ended},
		Sensors: []hearken.Sensor{
			{Name: "submit", Actions: []hearken.Action{{When: pushed, Trigger: both{submit, &submitted}}}},
			{Name: "failed", Actions: []hearken.Action{{When: failed, Trigger: &acted}}},
		},
	}
	triggertest.Start(t, p)
	e, err := hearken.NewEvent("push", "commit-1", map[string]any{"ref": "main"})
	require.NoError(t, err)
	require.NoError(t, p.Emit(t.Context(), pushes, e))

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	firings, err := acted.Wait(ctx, 1)
	require.NoError(t, err)
	submissions, err := submitted.Wait(ctx, 1) // which has been done, and may not have been noted
	require.NoError(t, err)
	for path, want := range map[string]string{
		workflow.FiringPath:           submissions[0].ID,
		workflow.EventsPath + ".push": "commit-1",
		"body.status.message":         "no such branch",
		"type":                        "ADD",
	} {
		got, err := params.Data(failed, path).Text(firings[0])
		require.NoError(t, err, path)
		assert.Equal(t, want, got, path)
	}
}

// both fires one after the other.
type both [2]hearken.Trigger

func (b both) Fire(ctx context.Context, f hearken.Firing) error {
	if err := b[0].Fire(ctx, f); err != nil {
		return err
	}
	return b[1].Fire(ctx, f)
}
