//go:build kubernetes

package workflow_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/kubetest/argo"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/hearken-go/hearken/triggers/workflow"
)

// TestKubernetes runs against one real API server; each part has names of its
// own.
func TestKubernetes(t *testing.T) {
	w := newWorld(t)
	early := w.beforeTheDefinitions(t)
	w.install(t)
	t.Run("group", func(t *testing.T) {
		for name, part := range map[string]func(*testing.T, *realWorld){
			"submit to each end":       testSubmitToEachEnd,
			"submit from each":         testSubmitFromEach,
			"create after a crash":     testCreateAfterCrash,
			"submit again":             testResubmitCounts,
			"stop and terminate":       testStopAndTerminate,
			"suspend and resume":       testSuspendAndResume,
			"resume a gate":            testResumeAGate,
			"resubmit":                 testResubmit,
			"retry through the server": testRetryThroughServer,
			"promote step by step":     testPromote,
			"promote in full":          testPromoteInFull,
			"abort":                    testAbort,
			"completed":                testCompleted,
			"forbidden":                testForbidden,
			"terminating namespace":    testTerminating,
			"by many at once":          testByMany,
			"bad input":                testBadInput,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				part(t, w)
			})
		}
	})
	t.Run("API server away", func(t *testing.T) { testAway(t, w) })
	t.Run("definitions that came later", func(t *testing.T) { early(t) })
}

// beforeTheDefinitions submits when there are no Workflows yet. What it returns
// submits again.
func (w *realWorld) beforeTheDefinitions(t *testing.T) func(*testing.T) {
	t.Helper()
	submit := &workflow.Submit{Client: clientFor(t, w.Cluster, "admin"), Manifest: fixed(manifest)}
	f := newFiring(t, "early")
	err := submit.Fire(t.Context(), f)
	require.ErrorContains(t, err, "the API server has no such kind, or not yet")
	assert.False(t, hearken.IsPermanent(err))
	return func(t *testing.T) {
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			assert.NoError(c, submit.Fire(t.Context(), f))
		}, patience, 500*time.Millisecond, "a client looks again after ten seconds")
		assert.Len(t, w.made(t, f), 1)
	}
}

// The API server is killed, and comes again.
func testAway(t *testing.T, w *realWorld) {
	w.workflow(t, "away", "suspend")
	triggers := []hearken.Trigger{
		&workflow.Submit{Client: w.client, Manifest: fixed(manifest)},
		w.control("away", workflow.Resume),
	}
	f := newFiring(t, "away")
	w.KillAPIServer()
	for _, trigger := range triggers {
		err := trigger.Fire(t.Context(), f)
		require.Error(t, err)
		assert.False(t, hearken.IsPermanent(err), "%v", err)
	}
	require.NoError(t, w.StartAPIServer(t.Context()))
	for _, trigger := range triggers {
		require.NoError(t, trigger.Fire(t.Context(), f))
	}
	assert.Len(t, w.made(t, f), 1)
	w.until(t, "Workflow", "away", phaseIs("Succeeded"))
}

// playing has what becomes of the Workflow in its annotation.
func playing(how string) func(hearken.Firing, *unstructured.Unstructured) error {
	return func(_ hearken.Firing, wf *unstructured.Unstructured) error {
		return unstructured.SetNestedField(wf.Object, how, "metadata", "annotations", argo.PlayAnnotation)
	}
}

func testSubmitToEachEnd(t *testing.T, w *realWorld) {
	for how, want := range map[string]string{
		"succeed":         "",
		"fail: disk full": "ended Failed: disk full",
		"error: no quota": "ended Error: no quota",
		"hang":            `has not ended after 3s: its phase is "Running"`,
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			f := newFiring(t, "end "+how)
			submit := &workflow.Submit{
				Client: w.client, Manifest: fixed(manifest), Edit: playing(how), Wait: patience,
				Arguments: params.Object{"message": params.Event(push)},
			}
			if how == "hang" {
				submit.Wait = 0
				require.NoError(t, submit.Fire(t.Context(), f))
				w.until(t, "Workflow", w.made(t, f)[0].GetName(), phaseIs("Running"))
				submit.Wait = 3 * time.Second
			}
			err := submit.Fire(t.Context(), f)
			if want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, want)
				assert.Equal(t, how != "hang", hearken.IsPermanent(err))
			}
			assert.Len(t, w.made(t, f), 1)
		})
	}
}

func testSubmitFromEach(t *testing.T, w *realWorld) {
	w.create(t, "kind: WorkflowTemplate\nmetadata: {name: from}\nspec: {entrypoint: main}")
	w.create(t, "kind: ClusterWorkflowTemplate\nmetadata: {name: from}\nspec: {entrypoint: main}")
	w.create(t, "kind: CronWorkflow\nmetadata: {name: from}\nspec: {schedule: '* * * * *', workflowMetadata: {labels: {a: b}}, workflowSpec: {entrypoint: main}}")
	for name, submit := range map[string]*workflow.Submit{
		"workflow-template":         {WorkflowTemplate: "from"},
		"cluster-workflow-template": {ClusterWorkflowTemplate: "from"},
		"cron-workflow":             {CronWorkflow: "from"},
	} {
		submit.Client, submit.Wait = w.client, patience
		submit.Arguments = params.Object{"message": params.Data(push, "name")}
		f := newFiring(t, "from "+name)
		require.NoError(t, submit.Validate())
		require.NoError(t, submit.Fire(t.Context(), f), name)
		list := w.made(t, f)
		require.Len(t, list, 1)
		assert.Equal(t, "from", list[0].GetLabels()["workflows.argoproj.io/"+name])
		assert.Equal(t, "build-x", field(&list[0], "spec", "arguments", "parameters").([]any)[0].(map[string]any)["value"])
		if name == "cron-workflow" {
			assert.Equal(t, "b", list[0].GetLabels()["a"])
			assert.Equal(t, "CronWorkflow", list[0].GetOwnerReferences()[0].Kind)
		}
		submit.Edit, submit.Wait = playing("fail: x"), patience
		require.ErrorContains(t, submit.Fire(t.Context(), newFiring(t, "fail "+name)), "ended Failed: x")
		submit.Edit, submit.Wait = playing("hang"), time.Second
		require.ErrorContains(t, submit.Fire(t.Context(), newFiring(t, "hang "+name)), "has not ended after 1s")
	}
	err := (&workflow.Submit{Client: w.client, WorkflowTemplate: "absent"}).Fire(t.Context(), newFiring(t, "absent"))
	require.ErrorContains(t, err, `workflowtemplates.argoproj.io "absent" not found`)
	assert.True(t, hearken.IsPermanent(err))
}

// The process dies after the API server has created the Workflow, and before it
// knows: the answer never comes.
func testCreateAfterCrash(t *testing.T, w *realWorld) {
	lost := clientFor(t, w.Cluster, "admin")
	lost.Config.Wrap(func(rt http.RoundTripper) http.RoundTripper { return losing{rt} })
	f := newFiring(t, "crash")
	err := (&workflow.Submit{Client: lost, Manifest: fixed(manifest)}).Fire(t.Context(), f)
	require.ErrorIs(t, err, errLost)
	assert.False(t, hearken.IsPermanent(err))
	require.Len(t, w.made(t, f), 1)
	require.NoError(t, (&workflow.Submit{Client: w.client, Manifest: fixed(manifest), Wait: patience}).Fire(t.Context(), f))
	assert.Len(t, w.made(t, f), 1)
}

var errLost = fmt.Errorf("the answer is lost")

// losing is a transport that loses the answers to writes.
type losing struct{ http.RoundTripper }

func (l losing) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err == nil && r.Method != http.MethodGet {
		_ = resp.Body.Close()
		return nil, errLost
	}
	return resp, err
}

func testResubmitCounts(t *testing.T, w *realWorld) {
	f := newFiring(t, "again")
	submit := &workflow.Submit{Client: w.client, Manifest: fixed(manifest), Edit: playing("fail: no"), Wait: patience, Resubmit: 1}
	err := submit.Fire(t.Context(), f)
	require.ErrorContains(t, err, "ended Failed: no")
	assert.False(t, hearken.IsPermanent(err))
	submit.Edit = nil
	require.NoError(t, submit.Fire(t.Context(), f))
	require.NoError(t, submit.Fire(t.Context(), f))
	assert.Len(t, w.made(t, f), 2)
}

func (w *realWorld) control(name string, op workflow.Operation) *workflow.Control {
	return &workflow.Control{Client: w.client, Operation: op, Name: params.Const(name)}
}

// workflow creates a Workflow that is played so, and waits for it to run.
func (w *realWorld) workflow(t *testing.T, name, how string) {
	t.Helper()
	w.create(t, "kind: Workflow\nmetadata: {name: "+name+", annotations: {"+argo.PlayAnnotation+": '"+how+"'}}\nspec: {entrypoint: main}")
	w.until(t, "Workflow", name, func(o *unstructured.Unstructured) bool {
		phase, _ := field(o, "status", "phase").(string)
		return phase != "" && phase != "Pending"
	})
}

func testStopAndTerminate(t *testing.T, w *realWorld) {
	for op, strategy := range map[workflow.Operation]string{workflow.Stop: "Stop", workflow.Terminate: "Terminate"} {
		name := "to-" + string(op)
		w.workflow(t, name, "hang")
		f := newFiring(t, name)
		require.NoError(t, w.control(name, op).Fire(t.Context(), f))
		wf := w.until(t, "Workflow", name, phaseIs("Failed"))
		assert.Equal(t, "Stopped with strategy '"+strategy+"'", field(wf, "status", "message"))
		require.NoError(t, w.control(name, op).Fire(t.Context(), f), "fired again")

		for _, late := range []workflow.Operation{workflow.Suspend, workflow.Stop, workflow.Terminate, workflow.Resume} {
			err := w.control(name, late).Fire(t.Context(), newFiring(t, name+string(late)))
			require.ErrorContains(t, err, "it has finished: Failed")
			assert.True(t, hearken.IsPermanent(err))
		}
	}
}

func testSuspendAndResume(t *testing.T, w *realWorld) {
	const name = "to-suspend"
	w.workflow(t, name, "hang")
	suspend, resume := newFiring(t, "suspend"), newFiring(t, "resume")
	require.NoError(t, w.control(name, workflow.Suspend).Fire(t.Context(), suspend))
	require.NoError(t, w.control(name, workflow.Resume).Fire(t.Context(), resume))
	wf := w.until(t, "Workflow", name, func(*unstructured.Unstructured) bool { return true })
	assert.Nil(t, field(wf, "spec", "suspend"))
	require.NoError(t, w.control(name, workflow.Suspend).Fire(t.Context(), suspend), "fired again")
	wf = w.until(t, "Workflow", name, func(*unstructured.Unstructured) bool { return true })
	assert.Nil(t, field(wf, "spec", "suspend"), "it has suspended once")
	assert.Equal(t, suspend.ID+" "+resume.ID, wf.GetAnnotations()[acts])
}

func testResumeAGate(t *testing.T, w *realWorld) {
	const name = "gate"
	w.workflow(t, name, "suspend")
	f := newFiring(t, "gate")
	require.NoError(t, w.control(name, workflow.Resume).Fire(t.Context(), f))
	wf := w.until(t, "Workflow", name, phaseIs("Succeeded"))
	assert.Equal(t, "Resumed by firing "+f.ID, field(wf, "status", "nodes", name+"-1", "message"))
	require.NoError(t, w.control(name, workflow.Resume).Fire(t.Context(), f), "fired again")
}

func testResubmit(t *testing.T, w *realWorld) {
	const name = "to-resubmit"
	w.workflow(t, name, "fail: no")
	w.until(t, "Workflow", name, phaseIs("Failed"))
	f := newFiring(t, "resubmit")
	for range 2 {
		require.NoError(t, w.control(name, workflow.Resubmit).Fire(t.Context(), f))
	}
	list := w.made(t, f)
	require.Len(t, list, 1)
	assert.Equal(t, name, list[0].GetLabels()["workflows.argoproj.io/resubmitted-from-workflow"])
	w.until(t, "Workflow", list[0].GetName(), phaseIs("Failed")) // it runs on its own
}

// The argo-server is played, the API server real.
func testRetryThroughServer(t *testing.T, w *realWorld) {
	const name = "to-retry"
	w.workflow(t, name, "fail: once")
	w.until(t, "Workflow", name, phaseIs("Failed"))
	retries := 0
	server := serverFunc(t, func(r *http.Request) error {
		retries++
		assert.Equal(t, "PUT /api/v1/workflows/default/to-retry/retry", r.Method+" "+r.URL.Path)
		res, err := w.client.Resource(t.Context(), reference("Workflow", name))
		if err != nil {
			return err
		}
		_, err = res.Patch(t.Context(), name, "application/merge-patch+json", []byte(`{"metadata":{"labels":{"workflows.argoproj.io/completed":null},
			"annotations":{"`+argo.PlayAnnotation+`":"succeed"}},"status":{"phase":"Running","finishedAt":null,"message":null}}`), metav1.PatchOptions{})
		return err
	})
	c := w.control(name, workflow.Retry)
	c.Server = server
	f := newFiring(t, "retry")
	require.NoError(t, c.Fire(t.Context(), f))
	w.until(t, "Workflow", name, phaseIs("Succeeded"))
	require.NoError(t, c.Fire(t.Context(), f))
	assert.Equal(t, 1, retries)
}

const steps = "strategy: {canary: {steps: [{setWeight: 20}, {pause: {}}, {setWeight: 50}, {pause: {}}]}}"

// rollout creates a Rollout and begins one to a second version, which waits in
// its first pause. Its hash is returned.
func (w *realWorld) rollout(t *testing.T, name string) string {
	t.Helper()
	w.create(t, "kind: Rollout\nmetadata: {name: "+name+"}\nspec: {template: {v: 1}, "+steps+"}")
	w.until(t, "Rollout", name, phaseIs("Healthy"))
	r, err := w.client.Resource(t.Context(), reference("Rollout", name))
	require.NoError(t, err)
	_, err = r.Patch(t.Context(), name, "application/merge-patch+json", []byte(`{"spec":{"template":{"v":2}}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	return w.pausedAt(t, name, 1)
}

func (w *realWorld) pausedAt(t *testing.T, name string, step int64) (hash string) {
	t.Helper()
	ro := w.until(t, "Rollout", name, func(o *unstructured.Unstructured) bool {
		return field(o, "status", "phase") == "Paused" && field(o, "status", "currentStepIndex") == step
	})
	return field(ro, "status", "currentPodHash").(string)
}

func testPromote(t *testing.T, w *realWorld) {
	const name = "promoted"
	hash := w.rollout(t, name)
	promote := &workflow.Rollout{Client: w.client, Operation: workflow.Promote, Name: params.Const(name), PodHash: params.Const(hash)}
	first := newFiring(t, "promote 1")
	require.NoError(t, promote.Fire(t.Context(), first))
	w.pausedAt(t, name, 3)
	require.NoError(t, promote.Fire(t.Context(), first), "fired again")
	w.pausedAt(t, name, 3)
	require.NoError(t, promote.Fire(t.Context(), newFiring(t, "promote 2")))
	ro := w.until(t, "Rollout", name, phaseIs("Healthy"))
	assert.Equal(t, hash, field(ro, "status", "stableRS"))

	err := promote.Fire(t.Context(), newFiring(t, "promote 3"))
	require.ErrorContains(t, err, "nothing is to be promoted")
	assert.True(t, hearken.IsPermanent(err))
	promote.PodHash = params.Const("other")
	require.ErrorContains(t, promote.Fire(t.Context(), newFiring(t, "promote 4")), `not at "other"`)
}

func testPromoteInFull(t *testing.T, w *realWorld) {
	const name = "promoted-in-full"
	hash := w.rollout(t, name)
	full := &workflow.Rollout{Client: w.client, Operation: workflow.PromoteFull, Name: params.Const(name)}
	f := newFiring(t, "full")
	for range 2 {
		require.NoError(t, full.Fire(t.Context(), f))
		ro := w.until(t, "Rollout", name, phaseIs("Healthy"))
		assert.Equal(t, hash, field(ro, "status", "stableRS"))
	}
}

func testAbort(t *testing.T, w *realWorld) {
	const name = "aborted"
	hash := w.rollout(t, name)
	abort := &workflow.Rollout{Client: w.client, Operation: workflow.Abort, Name: params.Const(name), PodHash: params.Const(hash)}
	f := newFiring(t, "abort")
	for range 2 {
		require.NoError(t, abort.Fire(t.Context(), f))
	}
	ro := w.until(t, "Rollout", name, phaseIs("Degraded"))
	assert.NotEqual(t, hash, field(ro, "status", "stableRS"))
	promote := &workflow.Rollout{Client: w.client, Operation: workflow.Promote, Name: params.Const(name)}
	err := promote.Fire(t.Context(), newFiring(t, "after abort"))
	require.ErrorContains(t, err, "it has been aborted")
}

// A namespace that is being deleted refuses what is new, and may come again.
func testTerminating(t *testing.T, w *realWorld) {
	ns := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "ending"}}}
	r, err := w.client.Resource(t.Context(), ns)
	require.NoError(t, err)
	_, err = r.Create(t.Context(), ns, metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, r.Delete(t.Context(), "ending", metav1.DeleteOptions{})) // nobody does it
	err = (&workflow.Submit{Client: w.client, Manifest: fixed(manifest), Namespace: "ending"}).Fire(t.Context(), newFiring(t, "ending"))
	require.ErrorContains(t, err, "because it is being terminated")
	assert.False(t, hearken.IsPermanent(err))
}

// The bus hands one event to several processes: each firing acts once. Those of
// one event's actions have ids of their own: a Workflow that bears the id of one
// has been acted on.
func testByMany(t *testing.T, w *realWorld) {
	w.workflow(t, "many", "suspend")
	hash := w.rollout(t, "many")
	submit, resume, resubmit := newFiring(t, "submit by many"), newFiring(t, "resume by many"), newFiring(t, "resubmit by many")
	var wg sync.WaitGroup
	for range 4 {
		for _, a := range []struct {
			hearken.Trigger
			hearken.Firing
		}{
			{&workflow.Submit{Client: w.client, Manifest: fixed(manifest)}, submit},
			{w.control("many", workflow.Resume), resume},
			{w.control("many", workflow.Resubmit), resubmit},
			{&workflow.Rollout{Client: w.client, Operation: workflow.Promote, Name: params.Const("many"), PodHash: params.Const(hash)}, resume},
		} {
			wg.Go(func() { assert.NoError(t, a.Fire(t.Context(), a.Firing)) })
		}
	}
	wg.Wait()
	assert.Len(t, w.made(t, submit), 1, "submitted")
	assert.Len(t, w.made(t, resubmit), 1, "resubmitted")
	w.until(t, "Workflow", "many", phaseIs("Succeeded"))
	w.pausedAt(t, "many", 3)
}

func testForbidden(t *testing.T, w *realWorld) {
	visitor := clientFor(t, w.Cluster, "visitor")
	for _, trigger := range []hearken.Trigger{
		&workflow.Submit{Client: visitor, Manifest: fixed(manifest)},
		&workflow.Submit{Client: visitor, WorkflowTemplate: "from"},
		&workflow.Control{Client: visitor, Operation: workflow.Stop, Name: params.Const("x")},
		&workflow.Rollout{Client: visitor, Operation: workflow.Abort, Name: params.Const("x")},
	} {
		err := trigger.Fire(t.Context(), newFiring(t, "forbidden"))
		require.True(t, apierrors.IsForbidden(err), "%v", err)
		require.ErrorContains(t, err, `User "visitor" cannot `)
		assert.True(t, hearken.IsPermanent(err))
	}
}

func testBadInput(t *testing.T, w *realWorld) {
	for name, tt := range map[string]struct {
		manifest, want string
		permanent      bool
	}{
		"invalid label": {strings.Replace(manifest, `"team": "a"`, `"team": "a b"`, 1), "a valid label must be", true},
		"two megabytes": {strings.Replace(manifest, `"hello"`, `"`+strings.Repeat("x", 2<<20)+`"`, 1), "larger than max", true},
		"no such namespace": {
			strings.Replace(manifest, `"generateName"`, `"namespace": "nowhere", "generateName"`, 1),
			`namespaces "nowhere" not found`, false,
		},
		"a spec that is none": {strings.Replace(manifest, `"spec"`, `"specs"`, 1), "spec: Required value", true},
	} {
		err := (&workflow.Submit{Client: w.client, Manifest: fixed(tt.manifest)}).Fire(t.Context(), newFiring(t, name))
		require.ErrorContains(t, err, tt.want, name)
		assert.Equal(t, tt.permanent, hearken.IsPermanent(err), "%s: %v", name, err)
	}
}
