package workflow_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/hearken-go/hearken/triggers/workflow"
)

const running = "status: {phase: Running}\n"

func control(tb testing.TB, s *kubefake.Server, op workflow.Operation) *workflow.Control {
	tb.Helper()
	c := &workflow.Control{Client: clientOf(tb, s.URL), Operation: op, Name: params.Data(push, "name")}
	if op != workflow.Retry {
		require.NoError(tb, c.Validate())
	}
	return c
}

func TestSuspendStopTerminate(t *testing.T) {
	for _, tt := range []struct {
		op         workflow.Operation
		spec, want string
	}{
		{workflow.Suspend, "", "suspend: true\n"},
		{workflow.Suspend, "spec: {suspend: true}\n", "suspend: true\n"},
		{workflow.Stop, "", "shutdown: Stop\n"},
		{workflow.Stop, "spec: {shutdown: Terminate}\n", "shutdown: Terminate\n"},
		{workflow.Terminate, "", "shutdown: Terminate\n"},
		{workflow.Terminate, "spec: {shutdown: Stop}\n", "shutdown: Terminate\n"},
	} {
		t.Run(string(tt.op)+" "+tt.spec, func(t *testing.T) {
			s := newFake(t)
			put(t, s, running+tt.spec)
			f := newFiring(t, "1")
			require.NoError(t, control(t, s, tt.op).Fire(t.Context(), f))
			wf := stored(t, s, workflows+"build-x")
			assert.Equal(t, tt.want, yamlOf(t, wf.Object["spec"]))
			assert.Equal(t, f.ID, wf.GetAnnotations()[acts])

			// Fired again it does nothing, whatever has become of the Workflow.
			putWith(t, s, "annotations: {"+acts+": "+f.ID+"}", "status: {phase: Succeeded}")
			require.NoError(t, control(t, s, tt.op).Fire(t.Context(), f))
			assert.Nil(t, stored(t, s, workflows+"build-x").Object["spec"])
		})
	}
}

func TestFinishedIsRefused(t *testing.T) {
	for _, op := range []workflow.Operation{workflow.Suspend, workflow.Stop, workflow.Terminate, workflow.Resume} {
		for phase, meta := range map[string]string{"Failed": "", "Running": `labels: {workflows.argoproj.io/completed: "true"}`} {
			s := newFake(t)
			putWith(t, s, meta, "status: {phase: "+phase+"}")
			err := control(t, s, op).Fire(t.Context(), newFiring(t, "1"))
			require.ErrorContains(t, err, string(op)+" Workflow argo/build-x: it has finished: "+phase)
			assert.True(t, hearken.IsPermanent(err))
			assert.Empty(t, stored(t, s, workflows+"build-x").GetAnnotations())
		}
	}
}

func TestControlOfWhatIsNotThere(t *testing.T) {
	s := newFake(t)
	for _, op := range []workflow.Operation{workflow.Stop, workflow.Resume, workflow.Resubmit} {
		err := control(t, s, op).Fire(t.Context(), newFiring(t, "1"))
		require.ErrorContains(t, err, string(op)+" Workflow build-x: ")
		assert.True(t, hearken.IsPermanent(err), "%v", err)
	}
}

func TestNamesFromEvents(t *testing.T) {
	s := newFake(t)
	for name, want := range map[string]string{
		"":                  `"" is no name of a Workflow`,
		"a/b":               `"a/b" is no name of a Workflow`,
		"../secrets/x":      `is no name of a Workflow`,
		"Upper":             `"Upper" is no name of a Workflow`,
		"x?fieldManager=me": `is no name of a Workflow`,
	} {
		c := &workflow.Control{Client: clientOf(t, s.URL), Operation: workflow.Stop, Name: params.Const(name)}
		err := c.Fire(t.Context(), newFiring(t, "1"))
		require.ErrorContains(t, err, want)
		assert.True(t, hearken.IsPermanent(err))
	}
	c := &workflow.Control{Client: clientOf(t, s.URL), Operation: workflow.Stop, Name: params.Data(push, "absent")}
	err := c.Fire(t.Context(), newFiring(t, "1"))
	require.ErrorContains(t, err, `the name of the Workflow: data "absent" of dependency "push" is absent`)
	assert.True(t, hearken.IsPermanent(err))
	assert.Empty(t, s.Requests(), "nothing was asked for")
}

// What others change between reading and writing is read again.
func TestConflict(t *testing.T) {
	s := newFake(t)
	put(t, s, running)
	patches := 0
	s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPatch {
			return false
		}
		if patches++; patches < 3 {
			kubefake.Fail(w, http.StatusConflict, "Conflict", "the object has been modified")
			return true
		}
		return false
	})
	require.NoError(t, control(t, s, workflow.Stop).Fire(t.Context(), newFiring(t, "1")))
	assert.Equal(t, 3, patches)

	patches = -1000
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := control(t, s, workflow.Suspend).Fire(ctx, newFiring(t, "2"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.False(t, hearken.IsPermanent(err))
}

const suspendedNodes = `
spec: {suspend: true}
status:
  phase: Running
  nodes:
    build-x: {id: build-x, type: Steps, phase: Running}
    build-x-1:
      id: build-x-1
      type: Suspend
      phase: Running
      displayName: approve
      message: waits
      outputs:
        parameters:
        - {name: by, valueFrom: {supplied: {}, default: nobody}}
        - {name: set, value: "1"}
    build-x-2: {id: build-x-2, type: Suspend, phase: Succeeded, message: before}
    build-x-3: {id: build-x-3, type: Suspend, phase: Running}
`

func TestResume(t *testing.T) {
	s := newFake(t)
	put(t, s, suspendedNodes)
	f := newFiring(t, "1")
	require.NoError(t, control(t, s, workflow.Resume).Fire(t.Context(), f))

	wf := stored(t, s, workflows+"build-x")
	assert.Equal(t, f.ID, wf.GetAnnotations()[acts])
	assert.Empty(t, wf.Object["spec"])
	assert.Equal(t, "Running", field(wf, "status", "nodes", "build-x", "phase"))
	assert.Equal(t, "before", field(wf, "status", "nodes", "build-x-2", "message"))
	first := field(wf, "status", "nodes", "build-x-1").(map[string]any)
	assert.Equal(t, []any{"Succeeded", "waits; Resumed by firing " + f.ID}, []any{first["phase"], first["message"]})
	assert.Equal(t, []any{map[string]any{"name": "by", "value": "nobody"}, map[string]any{"name": "set", "value": "1"}},
		field(wf, "status", "nodes", "build-x-1", "outputs", "parameters"))
	assert.NotEmpty(t, first["finishedAt"])
	assert.Equal(t, "Resumed by firing "+f.ID, field(wf, "status", "nodes", "build-x-3", "message"))

	// It has come to the next gate since: that is another firing's.
	wf.Object["spec"] = map[string]any{"suspend": true}
	s.Put(workflows+"build-x", wf.Object)
	require.NoError(t, control(t, s, workflow.Resume).Fire(t.Context(), f))
	assert.Equal(t, true, field(stored(t, s, workflows+"build-x"), "spec", "suspend"))
	require.NoError(t, control(t, s, workflow.Resume).Fire(t.Context(), newFiring(t, "2")))
	assert.Nil(t, field(stored(t, s, workflows+"build-x"), "spec", "suspend"))
}

func TestResumeRefuses(t *testing.T) {
	s := newFake(t)
	put(t, s, running)
	err := control(t, s, workflow.Resume).Fire(t.Context(), newFiring(t, "1"))
	require.ErrorContains(t, err, "it is not suspended, or not yet")
	assert.False(t, hearken.IsPermanent(err), "it may come to its gate")

	put(t, s, "status: {nodes: {n: {type: Suspend, phase: Running, displayName: ask, outputs: {parameters: [{name: who, valueFrom: {supplied: {}}}]}}}}")
	err = control(t, s, workflow.Resume).Fire(t.Context(), newFiring(t, "1"))
	require.ErrorContains(t, err, "suspend step ask: its output parameter who has neither been set nor a default")
	assert.True(t, hearken.IsPermanent(err))

	for status, where := range map[string]string{
		"{offloadNodeStatusVersion: fnv:1}": "offloaded to Argo's database",
		"{compressedNodes: H4sI}":           "compressed",
	} {
		put(t, s, "status: "+status)
		err = control(t, s, workflow.Resume).Fire(t.Context(), newFiring(t, "1"))
		require.ErrorContains(t, err, "Server: is nil, but the Workflow's nodes are "+where)
		assert.True(t, hearken.IsPermanent(err))
		var config *hearken.ConfigError
		require.ErrorAs(t, err, &config)
		assert.Equal(t, "Server", config.Path)
	}
}

func TestResubmit(t *testing.T) {
	s := newFake(t)
	put(t, s, "spec: {entrypoint: main, shutdown: Stop, arguments: {parameters: [{name: a, value: old}, {name: b, value: stays}]}}\nstatus: {phase: Failed}")
	c := control(t, s, workflow.Resubmit)
	c.Arguments = params.Object{"a": "new"}
	require.NoError(t, c.Validate())
	f := newFiring(t, "1")
	require.NoError(t, c.Fire(t.Context(), f))
	require.NoError(t, c.Fire(t.Context(), f))

	assert.Len(t, s.Objects(), 2)
	again := stored(t, s, workflows+k8s.Name("build-x", f, 0, 0))
	assert.Equal(t, "build-x", again.GetLabels()["workflows.argoproj.io/resubmitted-from-workflow"])
	assert.True(t, k8s.MadeBy(again, f))
	assert.Nil(t, again.Object["status"])
	assert.Equal(t, map[string]any{"entrypoint": "main", "arguments": map[string]any{"parameters": []any{
		map[string]any{"name": "a", "value": "new"}, map[string]any{"name": "b", "value": "stays"},
	}}}, again.Object["spec"])

	s.Put(workflows+"build-x", nil)
	require.NoError(t, c.Fire(t.Context(), f), "the original is gone, the copy is there")
	require.Error(t, c.Fire(t.Context(), newFiring(t, "2")))
}

// Resumption must not make a patch that the API would refuse.
func TestResumptionOfOddStatus(t *testing.T) {
	for _, status := range []string{"{}", "{nodes: []}", "{nodes: {a: text}}", "{nodes: {a: {type: 1, phase: 2}}}", "{nodes: null}"} {
		wf := object(t, "kind: Workflow\nstatus: "+status)
		patch, err := workflow.Resumption(wf, "m", workflow.Noon())
		require.NoError(t, err)
		assert.Nil(t, patch, status)
	}
	wf := object(t, "kind: Workflow\nspec: {suspend: true}")
	patch, err := workflow.Resumption(wf, "m", workflow.Noon())
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"spec": map[string]any{"suspend": nil}}, patch)
	_, found, err := unstructured.NestedBool(wf.Object, "spec", "suspend")
	require.NoError(t, err)
	assert.True(t, found, "the object is not changed")
}
