package workflow_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken/triggers/workflow"
)

func TestFromTemplate(t *testing.T) {
	assert.Equal(t, `object:
  apiVersion: argoproj.io/v1alpha1
  kind: Workflow
  metadata:
    generateName: build-
    labels:
      workflows.argoproj.io/workflow-template: build
  spec:
    workflowTemplateRef:
      name: build
`, yamlOf(t, map[string]any{"object": workflow.FromTemplate("WorkflowTemplate", "build").Object}))
	assert.Equal(t, `object:
  apiVersion: argoproj.io/v1alpha1
  kind: Workflow
  metadata:
    generateName: build-
    labels:
      workflows.argoproj.io/cluster-workflow-template: build
  spec:
    workflowTemplateRef:
      clusterScope: true
      name: build
`, yamlOf(t, map[string]any{"object": workflow.FromTemplate("ClusterWorkflowTemplate", "build").Object}))
}

const cron = `
apiVersion: argoproj.io/v1alpha1
kind: CronWorkflow
metadata:
  name: nightly
  namespace: argo
  uid: "42"
  labels: {workflows.argoproj.io/controller-instanceid: blue, team: a}
  annotations: {x: y}
spec:
  schedule: "0 0 * * *"
  workflowMetadata:
    labels: {of: meta}
    annotations: {note: meta}
    finalizers: [example.com/f]
  workflowSpec:
    entrypoint: main
    arguments: {parameters: [{name: message, value: hi}]}
`

func TestFromCron(t *testing.T) {
	wf, err := workflow.FromCron(object(t, cron), workflow.Noon())
	require.NoError(t, err)
	assert.Equal(t, `apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata:
  annotations:
    note: meta
    workflows.argoproj.io/scheduled-time: "2026-01-02T12:00:00Z"
  finalizers:
  - example.com/f
  generateName: nightly-
  labels:
    of: meta
    workflows.argoproj.io/controller-instanceid: blue
    workflows.argoproj.io/cron-workflow: nightly
  namespace: argo
  ownerReferences:
  - apiVersion: argoproj.io/v1alpha1
    blockOwnerDeletion: true
    controller: true
    kind: CronWorkflow
    name: nightly
    uid: "42"
spec:
  arguments:
    parameters:
    - name: message
      value: hi
  entrypoint: main
`, yamlOf(t, wf.Object))

	plain := object(t, cron)
	delete(plain.Object["spec"].(map[string]any), "workflowMetadata")
	plain.SetLabels(nil)
	wf, err = workflow.FromCron(plain, workflow.Noon())
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"workflows.argoproj.io/cron-workflow": "nightly"}, wf.GetLabels())
	assert.Empty(t, wf.GetFinalizers())

	delete(plain.Object["spec"].(map[string]any), "workflowSpec")
	_, err = workflow.FromCron(plain, workflow.Noon())
	require.ErrorContains(t, err, "CronWorkflow nightly has no spec.workflowSpec")
}

func TestFromManifest(t *testing.T) {
	for name, tt := range map[string]struct{ manifest, err string }{
		"a Workflow":    {manifest: `{"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","spec":{},"status":{}}`},
		"no apiVersion": {manifest: `{"kind":"Workflow"}`, err: "has no apiVersion; a Workflow's is argoproj.io/v1alpha1"},
		"another kind":  {manifest: `{"apiVersion":"v1","kind":"Pod"}`, err: `is of v1 "Pod"; Submit takes argoproj.io/v1alpha1 "Workflow"`},
		"a template":    {manifest: `{"apiVersion":"argoproj.io/v1alpha1","kind":"WorkflowTemplate"}`, err: `"WorkflowTemplate"; Submit takes`},
		"YAML":          {manifest: "kind: Workflow", err: "no JSON of an object (a *k8s.Manifest takes YAML)"},
		"a list":        {manifest: "[1]", err: "no JSON of an object"},
		"nothing":       {manifest: "", err: "no JSON of an object"},
		"null":          {manifest: "null", err: "no apiVersion"},
	} {
		t.Run(name, func(t *testing.T) {
			wf, err := workflow.FromManifest([]byte(tt.manifest))
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, "Workflow", wf.GetKind())
			assert.NotContains(t, wf.Object, "status")
		})
	}
}

func TestResubmittedIsClean(t *testing.T) {
	wf := object(t, `
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata:
  name: build-x
  generateName: build-
  namespace: argo
  uid: "1"
  resourceVersion: "7"
  labels:
    team: a
    workflows.argoproj.io/phase: Failed
    workflows.argoproj.io/completed: "true"
    workflows.argoproj.io/workflow-archiving-status: Archived
    workflows.argoproj.io/creator: me
    workflows.argoproj.io/creator-email: me.example
    workflows.argoproj.io/creator-preferred-username: me
    workflows.argoproj.io/workflow-template: build
    event.hearken.dev/push: old
  annotations: {keep: this, events.hearken.dev/acts: abc}
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: o, uid: "2"}]
spec: {entrypoint: main, shutdown: Terminate, activeDeadlineSeconds: 0, suspend: true}
status: {phase: Failed}
`)
	again, err := workflow.Resubmitted(wf)
	require.NoError(t, err)
	assert.Equal(t, `apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata:
  annotations:
    keep: this
  generateName: build-
  labels:
    team: a
    workflows.argoproj.io/resubmitted-from-workflow: build-x
    workflows.argoproj.io/workflow-template: build
  namespace: argo
  ownerReferences:
  - apiVersion: v1
    kind: ConfigMap
    name: o
    uid: "2"
spec:
  entrypoint: main
  suspend: true
`, yamlOf(t, again.Object))

	plain := object(t, "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: one}\nspec: {activeDeadlineSeconds: 60}")
	again, err = workflow.Resubmitted(plain)
	require.NoError(t, err)
	assert.Equal(t, "one-", again.GetGenerateName())
	assert.Equal(t, map[string]any{"activeDeadlineSeconds": int64(60)}, again.Object["spec"], "a deadline that is one stays")
	assert.Equal(t, map[string]any{"name": "one"}, plain.Object["metadata"], "the original is not changed")
}

func TestOutcome(t *testing.T) {
	for phase, want := range map[string][2]bool{
		"":          {false, false},
		"Pending":   {false, false},
		"Running":   {false, false},
		"Succeeded": {true, false},
		"Failed":    {true, true},
		"Error":     {true, true},
	} {
		finished, failed := workflow.Outcome(object(t, "kind: Workflow\nstatus: {phase: '"+phase+"'}"))
		assert.Equal(t, want, [2]bool{finished, failed}, phase)
	}
}

func TestActs(t *testing.T) {
	assert.Equal(t, "a", workflow.AddActs("", [2]string{"a", ""}))
	assert.Equal(t, "a b=w", workflow.AddActs("a", [2]string{"b", "w"}))
	assert.Equal(t, "b a", workflow.AddActs("a=2026-01-02T12:00:00Z b", [2]string{"a", ""}))
	long := workflow.AddActs("")
	for i := range 40 {
		long = workflow.AddActs(long, [2]string{fmt.Sprint("f", i), ""})
	}
	assert.Len(t, strings.Fields(long), 32)
	assert.True(t, strings.HasPrefix(long, "f8 ") && strings.HasSuffix(long, " f39"), long)
}
