//go:build kubernetes

package main

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/hearken-go/hearken/examples/internal/cluster"
	"github.com/hearken-go/hearken/examples/internal/program"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// happening is what a line of the example tells.
type happening struct{ typ, pod string }

func parse(t *testing.T, line []byte) happening {
	t.Helper()
	var record struct {
		Msg    string
		Events struct{ Example struct{ Data string } }
	}
	assert.NoError(t, json.Unmarshal(line, &record), "%s", line)
	assert.Equal(t, "firing", record.Msg)
	var data struct {
		Type string
		Body struct{ Metadata struct{ Name string } }
	}
	assert.NoError(t, json.Unmarshal([]byte(record.Events.Example.Data), &data), "%s", line)
	return happening{data.Type, data.Body.Metadata.Name}
}

func read(t *testing.T, p *program.Process) happening {
	t.Helper()
	var line json.RawMessage
	p.Line(t, &line)
	return parse(t, line)
}

func pod(t *testing.T, c *cluster.Cluster, name, app string) {
	t.Helper()
	c.Create(t, "v1", "Pod", map[string]any{"name": name, "labels": map[string]any{"app": app}},
		map[string]any{"containers": []any{map[string]any{"name": "web", "image": "nginx"}}})
}

func TestKubernetes(t *testing.T) {
	c := cluster.Start(t)
	apply := program.Commands(t, "go run ./examples/internal/apply ")
	require.Len(t, apply, 2)
	dir := t.TempDir()
	deleted := func(p *program.Process, why string) {
		h := read(t, p)
		if h.typ == "UPDATE" { // it is to end
			h = read(t, p)
		}
		assert.Equal(t, happening{"DELETE", "my-pod"}, h, why)
	}

	p := program.Run(t, "-data", dir)
	pod(t, c, "your-pod", "your-pod")
	c.Do(t, apply[0])
	assert.Equal(t, happening{"ADD", "my-pod"}, read(t, p))
	p.End(t)

	c.Do(t, apply[1])
	p = program.Run(t, "-data", dir)
	deleted(p, "while nobody watched")
	c.Do(t, apply[0])
	assert.Equal(t, happening{"ADD", "my-pod"}, read(t, p), "another of that name")
	p.End(t)

	p = program.Run(t, "-data", dir)
	c.Do(t, apply[1])
	deleted(p, "and what was there is not added again")
	p.Interrupt(t)
	p.NoLine(t)
	assert.NoError(t, p.Wait())
}

func TestFlags(t *testing.T) {
	c := cluster.Start(t)
	apply := program.Commands(t, "go run ./examples/internal/apply ")
	c.Do(t, apply[0])
	p := program.Run(t, "-data", "", "-after-start", "-types", "ADD,DELETE", "-namespace", "default", "-labels", "app")
	lines := make(chan happening, 1000)
	go func() {
		for p.Lines.Scan() {
			lines <- parse(t, p.Lines.Bytes())
		}
		close(lines)
	}()
	n := 0
	require.Eventually(t, func() bool { // until one comes after the start
		n++
		pod(t, c, fmt.Sprint("marker-", n), "marker")
		return len(lines) > 0
	}, time.Minute, 50*time.Millisecond)
	c.Do(t, apply[1])
	for h := range lines {
		if h == (happening{"DELETE", "my-pod"}) {
			p.Interrupt(t)
			continue
		}
		assert.Equal(t, "ADD", h.typ)
		assert.Contains(t, h.pod, "marker", "not what was there before the start")
	}
	assert.NoError(t, p.Wait())
}
