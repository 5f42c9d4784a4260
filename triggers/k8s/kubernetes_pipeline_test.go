//go:build kubernetes

package k8s_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/hearken-go/hearken/triggers/triggertest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The API server is killed in the middle of many firings: each has made one
// object in the end, and none two. It is serial, as TestServerIsAway.
func TestServerKilledInAPipeline(t *testing.T) {
	const firings = 200
	c := admin(t)
	source := &hearken.EventSource{Name: "git", Event: "push"}
	dep := &hearken.Dependency{EventSource: source}
	p := &hearken.Pipeline{
		Name: "ci", Bus: &memory.Bus{}, EventSources: []*hearken.EventSource{source},
		Sensors: []hearken.Sensor{{Name: "build", Actions: []hearken.Action{{
			When: dep, Retry: hearken.Retry{Min: 50 * time.Millisecond, Max: time.Second},
			Trigger: &k8s.Trigger{Client: c, Object: &k8s.Manifest{
				Text:   "{apiVersion: v1, kind: ConfigMap, metadata: {generateName: build-}}",
				Params: []params.Param{{Dest: "data.n", Value: params.Data(dep, "n")}},
			}},
		}}}},
	}
	triggertest.Start(t, p)
	for i := range firings {
		e, err := hearken.NewEvent("commit", fmt.Sprint(i), map[string]any{"n": fmt.Sprint(i)})
		require.NoError(t, err)
		require.NoError(t, p.Emit(t.Context(), source, e))
		if i == firings/2 {
			require.Eventually(t, func() bool { return len(list(t, c, bare("v1", "ConfigMap", ""))) > 10 }, patience, time.Millisecond)
			cluster.KillAPIServer()
		}
	}
	require.NoError(t, cluster.StartAPIServer(t.Context()))
	require.Eventually(t, func() bool { return len(list(t, c, bare("v1", "ConfigMap", ""))) >= firings }, patience, 50*time.Millisecond)
	seen := make(map[any]bool)
	all := list(t, c, bare("v1", "ConfigMap", ""))
	for _, o := range all {
		seen[o.Object["data"].(map[string]any)["n"]] = true
	}
	assert.Len(t, all, firings)
	assert.Len(t, seen, firings)
}
