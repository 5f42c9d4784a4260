package argo

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// The played Workflow goes through the phases of a real one.
func TestWorkflowPhases(t *testing.T) {
	for play, want := range map[string][]string{
		"":              {"Pending", "Running", "Succeeded"},
		"fail: no disk": {"Pending", "Running", "Failed"},
		"error: broken": {"Pending", "Running", "Error"},
		"hang":          {"Pending", "Running"},
		"suspend":       {"Pending", "Running"},
	} {
		wf := object{"metadata": map[string]any{"name": "x", "annotations": map[string]any{PlayAnnotation: play}}}
		var phases []string
		for patch := nextWorkflow(wf); patch != nil; patch = nextWorkflow(wf) {
			phases = append(phases, patch.text("status", "phase"))
			assert.Equal(t, patch.text("status", "phase"), patch.text("metadata", "labels", "workflows.argoproj.io/phase"))
			wf["status"] = patch["status"]
		}
		assert.Equal(t, want, phases, play)
	}
	stopped := object{"spec": map[string]any{"shutdown": "Stop"}, "status": map[string]any{"phase": "Running"}}
	assert.Equal(t, "Stopped with strategy 'Stop'", nextWorkflow(stopped).text("status", "message"))
	suspended := object{"spec": map[string]any{"suspend": true}}
	assert.Nil(t, nextWorkflow(suspended))
}

func TestRolloutSteps(t *testing.T) {
	spec := map[string]any{"template": "a", "strategy": map[string]any{"canary": map[string]any{"steps": []any{
		map[string]any{"setWeight": 20.0}, map[string]any{"pause": map[string]any{}}, map[string]any{"setWeight": 50.0},
	}}}}
	ro := object{"spec": spec, "status": map[string]any{}}
	status := ro["status"].(map[string]any)
	settle := func() string {
		for patch := nextRollout(ro); patch != nil; patch = nextRollout(ro) {
			for key, v := range patch["status"].(map[string]any) {
				if n, ok := v.(int); ok {
					v = float64(n)
				}
				status[key] = v
			}
		}
		return ro.text("status", "phase")
	}
	assert.Equal(t, "Healthy", settle())
	ro["metadata"] = map[string]any{"generation": 2.0}
	assert.Equal(t, "Healthy", settle())
	assert.Equal(t, "2", ro.text("status", "observedGeneration"))
	spec["template"] = "b"
	assert.Equal(t, "Paused", settle())
	assert.Equal(t, 1, ro.number("status", "currentStepIndex"))
	delete(status, "pauseConditions")
	assert.Equal(t, "Healthy", settle())
	assert.Equal(t, status["currentPodHash"], status["stableRS"])
	spec["template"] = "c"
	assert.Equal(t, "Paused", settle())
	status["abort"] = true
	assert.Equal(t, "Degraded", settle())
	assert.NotEqual(t, status["currentPodHash"], status["stableRS"])
}
