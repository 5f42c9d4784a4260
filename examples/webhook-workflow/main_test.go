//go:build kubernetes

package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/hearken-go/hearken/examples/internal/cluster"
	"github.com/hearken-go/hearken/examples/internal/program"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// ended is a line of the example.
type ended struct{ Firing, Workflow, Phase string }

func TestKubernetes(t *testing.T) {
	c := cluster.Start(t)
	c.Argo(t)
	curl := program.Commands(t, "curl ")
	require.Len(t, curl, 2)

	t.Run("killed before the Workflow has ended", func(t *testing.T) {
		namespace, flags := inNamespace(t, c, "killed")
		p := program.Start(t, flags...)
		p.Curl(t, curl[0])
		require.Eventually(t, func() bool { return len(workflows(t, c, namespace)) == 1 }, time.Minute, 20*time.Millisecond)
		p.Kill(t)

		c.Play(t)
		p = program.Start(t, flags...)
		expect(t, p, c, namespace)
		end(t, p)
	})

	c.Play(t)
	t.Run("the whole event", func(t *testing.T) {
		namespace, flags := inNamespace(t, c, "whole")
		p := program.Start(t, flags...)
		p.Curl(t, curl[0])
		var event struct {
			ID, Source string
			Data       struct{ Body struct{ Message string } }
		}
		require.NoError(t, json.Unmarshal([]byte(expect(t, p, c, namespace)), &event))
		assert.Equal(t, "hello", event.Data.Body.Message)
		assert.Equal(t, "webhook", event.Source)
		assert.NotEmpty(t, event.ID)
		end(t, p)
	})

	t.Run("a part of it", func(t *testing.T) {
		namespace, flags := inNamespace(t, c, "part")
		p := program.Start(t, append(flags, "-key", "body.message")...)
		p.Curl(t, `curl -d '{"no":"message"}' 127.0.0.1:12000/webhook`)
		p.Curl(t, curl[1])
		assert.Equal(t, "hello", expect(t, p, c, namespace), "the only Workflow")
		end(t, p)
	})
}

// inNamespace makes a namespace, and flags of an example in it.
func inNamespace(t *testing.T, c *cluster.Cluster, name string) (namespace string, flags []string) {
	t.Helper()
	c.Create(t, "v1", "Namespace", map[string]any{"name": name}, nil)
	return name, []string{"-namespace", name, "-data", t.TempDir()}
}

func workflows(t *testing.T, c *cluster.Cluster, namespace string) []unstructured.Unstructured {
	t.Helper()
	return c.List(t, "argoproj.io/v1alpha1", "Workflow", namespace)
}

// expect reads a line, which must be of the only Workflow, and returns its
// parameter.
func expect(t *testing.T, p *program.Process, c *cluster.Cluster, namespace string) string {
	t.Helper()
	var line ended
	p.Line(t, &line)
	list := workflows(t, c, namespace)
	require.Len(t, list, 1)
	assert.Equal(t, ended{list[0].GetAnnotations()["events.hearken.dev/firing"], list[0].GetName(), "Succeeded"}, line)
	assert.Len(t, line.Firing, 32)
	parameters, _, err := unstructured.NestedSlice(list[0].Object, "spec", "arguments", "parameters")
	require.NoError(t, err)
	require.Len(t, parameters, 1)
	value, _, err := unstructured.NestedString(parameters[0].(map[string]any), "value")
	require.NoError(t, err)
	return value
}

// end ends the example, which must have no more to say.
func end(t *testing.T, p *program.Process) {
	t.Helper()
	p.Interrupt(t)
	p.NoLine(t)
	assert.NoError(t, p.Wait())
}
