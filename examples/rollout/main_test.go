//go:build kubernetes

package main

import (
	"strings"
	"testing"

	"github.com/hearken-go/hearken/examples/internal/cluster"
	"github.com/hearken-go/hearken/examples/internal/program"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// until reads lines until a Rollout has come to a phase, and returns its hash. What
// is told of the version before is not meant: it may come again after a kill.
func until(t *testing.T, p *program.Process, phase, before string) (hash string) {
	t.Helper()
	for {
		var line struct{ Rollout, Hash, Phase string }
		p.Line(t, &line)
		assert.Equal(t, "shop", line.Rollout)
		if line.Phase == phase && line.Hash != before {
			return line.Hash
		}
	}
}

func TestKubernetes(t *testing.T) {
	c := cluster.Start(t)
	c.Argo(t)
	c.Play(t)
	apply, curl := program.Commands(t, "go run ./examples/internal/apply "), program.Commands(t, "curl ")
	require.Len(t, apply, 3)
	require.Len(t, curl, 2)
	dir := t.TempDir()

	p := program.Start(t, "-data", dir)
	c.Do(t, apply[0])
	first := until(t, p, "Healthy", "")
	c.Do(t, apply[1])
	second := until(t, p, "Paused", first)
	assert.Contains(t, curl[0], second, "as the README says")

	p.Curl(t, strings.ReplaceAll(curl[1], "false", "true")) // of another version
	p.Curl(t, curl[0])
	assert.Equal(t, second, until(t, p, "Healthy", first))
	p.Kill(t)

	p = program.Start(t, "-data", dir)
	c.Do(t, apply[2])
	third := until(t, p, "Paused", second)
	assert.Contains(t, curl[1], third, "as the README says")
	p.Curl(t, strings.ReplaceAll(curl[0], "true", "false")) // of the version before
	p.Curl(t, curl[1])
	assert.Equal(t, third, until(t, p, "Degraded", second))
	p.Interrupt(t)
	p.NoLine(t)
	assert.NoError(t, p.Wait())
}
