//go:build kubernetes

package main

import (
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hearken-go/hearken/examples/internal/cluster"
	"github.com/hearken-go/hearken/examples/internal/program"
	"github.com/hearken-go/hearken/internal/lambdatest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// world is a cluster, and an emulator of Lambda with the function hello, that the
// example is led to.
type world struct {
	*cluster.Cluster
	*lambdatest.Emulator
}

func start(t *testing.T) *world {
	t.Helper()
	hello := filepath.Join(t.TempDir(), "hello")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", hello, "./hello").CombinedOutput()
	require.NoError(t, err, "%s", out)
	e, err := lambdatest.Start(lambdatest.Function{Name: "hello", Command: []string{hello}, Timeout: time.Minute})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.Close()) })
	t.Setenv("AWS_ENDPOINT_URL_LAMBDA", e.URL)
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "environment")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	return &world{cluster.Start(t), e}
}

// knows has Lambda know one access key only.
func (w *world) knows(key string) {
	w.Refuse(func(i lambdatest.Invocation) *lambdatest.Error {
		if i.AccessKey == key {
			return nil
		}
		return lambdatest.UnknownKey()
	})
}

// keys are those that invocations were signed with, in order, without repetitions.
func (w *world) keys() (keys []string) {
	for _, i := range w.Invocations() {
		keys = append(keys, i.AccessKey)
	}
	return slices.Compact(keys)
}

func (w *world) pod(t *testing.T, name, app string) {
	t.Helper()
	w.Create(t, "v1", "Pod", map[string]any{"name": name, "labels": map[string]any{"app": app}},
		map[string]any{"containers": []any{map[string]any{"name": "web", "image": "nginx"}}})
}

// line is what the example prints.
type line struct{ Firing, Answer string }

func read(t *testing.T, p *program.Process) (l line) {
	t.Helper()
	p.Line(t, &l)
	assert.Len(t, l.Firing, 32)
	return l
}

// apply does the commands of the README that are about a file.
func (w *world) apply(t *testing.T, file string) {
	t.Helper()
	commands := program.Commands(t, "go run ./examples/internal/apply examples/pod-lambda/"+file)
	require.Len(t, commands, 1, file)
	w.Do(t, commands[0])
}

func TestKubernetes(t *testing.T) {
	w := start(t)
	dir := t.TempDir()
	p := program.Run(t, "-data", dir)
	w.pod(t, "your-pod", "your-pod")
	w.apply(t, "my-pod.yaml")
	first := read(t, p)
	assert.Equal(t, "hello, my-pod", first.Answer)

	w.Refuse(func(lambdatest.Invocation) *lambdatest.Error { return lambdatest.Throttled(0) })
	w.pod(t, "second", "my-pod")
	p.Logged(t, "TooManyRequestsException")
	p.Kill(t)

	w.Refuse(nil)
	w.pod(t, "third", "my-pod")
	p = program.Run(t, "-data", dir)
	fired := map[string]string{}
	for len(fired) < 2 {
		if l := read(t, p); l != first { // which may have been unsettled when the example was killed
			fired[l.Answer] = l.Firing
		}
	}
	p.End(t)
	assert.Equal(t, []string{"hello, second", "hello, third"}, slices.Sorted(maps.Keys(fired)))
	assert.Equal(t, []string{"environment"}, w.keys())
	for _, i := range w.Invocations() {
		assert.NotContains(t, string(i.Payload), "your-pod")
		assert.Contains(t, string(i.ClientContext), `"firing"`)
	}
}

func TestSecretIsRotated(t *testing.T) {
	w := start(t)
	w.knows("second")
	w.apply(t, "credentials.yaml")
	w.apply(t, "my-pod.yaml")
	p := program.Run(t, "-data", "", "-secret", "default/aws", "-keep", "1s")
	p.Logged(t, "UnrecognizedClientException: The security token included in the request is invalid.")
	w.apply(t, "rotated.yaml")
	assert.Equal(t, "hello, my-pod", read(t, p).Answer)

	w.knows("first")
	w.pod(t, "later", "my-pod")
	n := len(w.Invocations())
	require.Eventually(t, func() bool { return len(w.Invocations()) > n }, time.Minute, 5*time.Millisecond)
	w.apply(t, "credentials.yaml")
	assert.Equal(t, "hello, later", read(t, p).Answer)
	p.Interrupt(t)
	p.NoLine(t)
	assert.NoError(t, p.Wait())
	assert.Equal(t, []string{"first", "second", "first"}, w.keys())
}

func TestSaysWhatIsMissing(t *testing.T) {
	w := start(t)
	t.Run("the function", func(t *testing.T) {
		p := program.Run(t, "-data", "", "-function", "other")
		w.apply(t, "my-pod.yaml")
		p.Logged(t, "Function not found")
		p.End(t)
	})
	t.Run("the Secret", func(t *testing.T) {
		p := program.Run(t, "-data", "", "-secret", "default/aws")
		p.Logged(t, `secrets \"aws\" not found`)
		p.Kill(t)
	})
	t.Run("a region", func(t *testing.T) {
		t.Setenv("AWS_REGION", "")
		t.Setenv("AWS_CONFIG_FILE", "none")
		p := program.Run(t, "-data", "")
		assert.Error(t, p.Wait())
		p.Logged(t, "set AWS_REGION")
	})
	t.Run("credentials", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "")
		t.Setenv("AWS_CONFIG_FILE", "none")
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
		p := program.Run(t, "-data", "")
		p.Logged(t, "failed to refresh cached credentials")
		p.Kill(t)
	})
}
