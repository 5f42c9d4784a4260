//go:build kubernetes

package k8s_test

import (
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// job is a trigger that waits for a Job to be complete.
func job(c *k8s.Client) *k8s.Trigger {
	return &k8s.Trigger{
		Client: c,
		Object: &k8s.Manifest{Text: `
apiVersion: batch/v1
kind: Job
metadata: {name: j}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}
`},
		Wait: k8s.Policy{
			Until: []k8s.Condition{{Path: `status.conditions.#(type=="Complete").status`, Values: []string{"True"}}},
			Fail: []k8s.Condition{
				{Path: `status.conditions.#(type=="Failed").status`, Values: []string{"True"}},
				{Labels: map[string]string{"verdict": "bad"}},
			},
			For: 5 * time.Minute,
		},
	}
}

var jobName = bare("batch/v1", "Job", "j")

// conditions are what the controller of jobs sets in turn.
func conditions(types ...string) []map[string]any {
	now := time.Now().UTC().Format(time.RFC3339)
	var list []any
	var states []map[string]any
	for _, typ := range types {
		list = append(list, map[string]any{"type": typ, "status": "True", "lastProbeTime": now, "lastTransitionTime": now})
		status := map[string]any{"startTime": now, "conditions": append([]any(nil), list...)}
		if typ == "Complete" {
			status["completionTime"], status["succeeded"] = now, int64(1)
		}
		states = append(states, status)
	}
	return states
}

// begun fires in the background and returns once the object is there.
func begun(t *testing.T, c *k8s.Client, trigger *k8s.Trigger, o *unstructured.Unstructured) <-chan error {
	t.Helper()
	require.NoError(t, trigger.Validate())
	ended := make(chan error, 1)
	go func() { ended <- trigger.Fire(t.Context(), firing(t, "1")) }()
	require.Eventually(t, func() bool { return get(t, c, o) != nil }, patience, 10*time.Millisecond)
	return ended
}

func outcome(t *testing.T, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		t.Log(err)
		return err
	case <-time.After(patience):
		t.Fatal("Fire does not return")
		return nil
	}
}

func TestServerWaitUntilComplete(t *testing.T) {
	t.Parallel()
	c := admin(t)
	ended := begun(t, c, job(c), jobName)
	for _, status := range conditions("SuccessCriteriaMet", "Complete") {
		select {
		case err := <-ended:
			t.Fatal("too early", err)
		default:
		}
		setStatus(t, c, jobName, status)
	}
	require.NoError(t, outcome(t, ended))
	fires(t, job(c), firing(t, "1"))
}

func TestServerWaitFailed(t *testing.T) {
	t.Parallel()
	c := admin(t)
	ended := begun(t, c, job(c), jobName)
	for _, status := range conditions("FailureTarget", "Failed") {
		setStatus(t, c, jobName, status)
	}
	err := outcome(t, ended)
	require.EqualError(t, err, "wait for Job "+c.Namespace+`/j: it has failed: status.conditions.#(type=="Failed").status is True`)
	assert.True(t, hearken.IsPermanent(err))
}

func TestServerWaitFailedByLabel(t *testing.T) {
	t.Parallel()
	c := admin(t)
	ended := begun(t, c, job(c), jobName)
	fires(t, &k8s.Trigger{Client: c, Object: fixed(jobName), Operation: k8s.MergePatch, Patch: text(`{"metadata":{"labels":{"verdict":"bad"}}}`)}, firing(t, "2"))
	err := outcome(t, ended)
	require.ErrorContains(t, err, `it has failed: label verdict is "bad"`)
	assert.True(t, hearken.IsPermanent(err))
}

func TestServerWaitTooLong(t *testing.T) {
	t.Parallel()
	c := admin(t)
	trigger := job(c)
	trigger.Wait.For = 500 * time.Millisecond
	err := tooLong(t, trigger)
	require.ErrorContains(t, err, "wait for Job "+c.Namespace+"/j: after 500ms it is not so that status.conditions")
	assert.True(t, hearken.IsPermanent(err))
}

func TestServerWaitForTheDeleted(t *testing.T) {
	t.Parallel()
	c := admin(t)
	ended := begun(t, c, job(c), jobName)
	fires(t, &k8s.Trigger{Client: c, Object: fixed(jobName), Operation: k8s.Delete, Propagation: "Background"}, firing(t, "2"))
	err := outcome(t, ended)
	require.ErrorContains(t, err, "wait for Job "+c.Namespace+"/j: it was deleted")
	assert.True(t, hearken.IsPermanent(err))
}

// A state that the controller has not caught up with is not judged.
func TestServerWaitForTheGeneration(t *testing.T) {
	t.Parallel()
	c := admin(t)
	group := installWidgets(t, c)
	o := parse(t, "{apiVersion: "+group+"/v1, kind: Widget, metadata: {name: w}, spec: {size: 1}}")
	put(t, c, o)
	setStatus(t, c, o, map[string]any{"phase": "Ready", "observedGeneration": int64(1)})
	trigger := &k8s.Trigger{
		Client: c, Object: fixed(parse(t, "{apiVersion: "+group+"/v1, kind: Widget, metadata: {name: w}, spec: {size: 2}}")),
		Operation: k8s.Merge,
		Wait:      k8s.Policy{Until: []k8s.Condition{{Path: "status.phase", Values: []string{"Ready"}}}, For: 300 * time.Millisecond},
	}
	err := tooLong(t, trigger)
	require.ErrorContains(t, err, "it is not so that status.observedGeneration is 2")
	assert.True(t, hearken.IsPermanent(err))
	setStatus(t, c, o, map[string]any{"phase": "Ready", "observedGeneration": int64(2)})
	trigger.Wait.For = patience
	fires(t, trigger, firing(t, "1"))

	setStatus(t, c, o, map[string]any{"phase": "Ready", "observedGeneration": "1"}) // as Argo Rollouts has it
	trigger.Wait.For = 300 * time.Millisecond
	err = tooLong(t, trigger)
	require.ErrorContains(t, err, "it is not so that status.observedGeneration is 2")
	assert.True(t, hearken.IsPermanent(err))
	trigger.Wait.For = patience
	setStatus(t, c, o, map[string]any{"phase": "Ready", "observedGeneration": "2"})
	fires(t, trigger, firing(t, "1"))
}

// It is serial: the other tests wait for it to end.
func TestServerIsAway(t *testing.T) {
	c := admin(t)
	trigger := job(c)
	waits := begun(t, c, trigger, jobName)
	simple := &k8s.Trigger{Client: c, Object: &k8s.Manifest{Text: "{apiVersion: v1, kind: ConfigMap, metadata: {generateName: a-}}"}}
	fires(t, simple, firing(t, "0"))

	cluster.KillAPIServer()
	fails(t, simple, firing(t, "1"), false, "create ConfigMap "+c.Namespace+"/"+k8s.Name("a-", firing(t, "1"), 0, 0)+": ")
	require.NoError(t, cluster.Compact(t.Context()))
	require.NoError(t, cluster.StartAPIServer(t.Context()))

	for range 2 {
		fires(t, simple, firing(t, "1"))
	}
	assert.Len(t, list(t, c, bare("v1", "ConfigMap", "")), 2)
	for _, status := range conditions("SuccessCriteriaMet", "Complete") {
		setStatus(t, c, jobName, status)
	}
	require.NoError(t, outcome(t, waits), "the wait goes on where it was")
}
