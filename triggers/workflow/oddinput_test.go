package workflow_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/hearken-go/hearken/triggers/workflow"
)

// A number in the place of a label must not cost the others, the controller's
// instance id among them.
func TestManifestsOfOddMetadata(t *testing.T) {
	for says, metadata := range map[string]string{
		`metadata.labels["x"] is no string`:      "{generateName: a-, labels: {app: web, x: 3}}",
		`metadata.annotations["x"] is no string`: "{generateName: a-, annotations: {x: null}}",
		"metadata.labels is no object":           "{generateName: a-, labels: [app]}",
		"metadata.generateName is no string":     "{generateName: 3}",
		"metadata.name is no string":             "{name: [1]}",
		"metadata.namespace is no string":        "{name: a, namespace: 1}",
		`metadata.namespace "../../kube-system"`: "{name: a, namespace: ../../kube-system}",
	} {
		s := newFake(t)
		raw, err := json.Marshal(object(t, "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: "+metadata).Object)
		require.NoError(t, err)
		submit := &workflow.Submit{Client: clientOf(t, s.URL), Manifest: fixed(string(raw))}
		err = submit.Fire(t.Context(), newFiring(t, "1"))
		require.ErrorContains(t, err, says)
		assert.True(t, hearken.IsPermanent(err))
		assert.Empty(t, s.Objects())
	}
}

func TestEditOfOddMetadata(t *testing.T) {
	s := newFake(t)
	submit := &workflow.Submit{
		Client: clientOf(t, s.URL), Manifest: fixed(manifest),
		Edit: func(_ hearken.Firing, wf *unstructured.Unstructured) error {
			return unstructured.SetNestedField(wf.Object, int64(3), "metadata", "labels", "n")
		},
	}
	err := submit.Fire(t.Context(), newFiring(t, "1"))
	require.EqualError(t, err, `edit: metadata.labels["n"] is no string`)
	assert.True(t, hearken.IsPermanent(err))
	submit.Edit = func(_ hearken.Firing, wf *unstructured.Unstructured) error {
		labels, _ := field(wf, "metadata", "labels").(map[string]any)
		labels["n"] = 3 // of a type that JSON is not read into
		return nil
	}
	require.EqualError(t, submit.Fire(t.Context(), newFiring(t, "1")), `edit: metadata.labels["n"] is no string`)
	submit.Edit = func(_ hearken.Firing, wf *unstructured.Unstructured) error { wf.Object = nil; return nil }
	assert.True(t, hearken.IsPermanent(submit.Fire(t.Context(), newFiring(t, "1"))))
	assert.Empty(t, s.Objects())
}

func TestFireOfTheUnfinished(t *testing.T) {
	s := newFake(t)
	c := clientOf(t, s.URL)
	put(t, s, "status: {phase: Failed}")
	name := params.Data(push, "name")
	for about, trigger := range map[string]hearken.Trigger{
		"Submit without anything":     &workflow.Submit{},
		"Submit without a client":     &workflow.Submit{WorkflowTemplate: "a"},
		"Control without anything":    &workflow.Control{},
		"Control without a client":    &workflow.Control{Name: name, Operation: workflow.Stop},
		"Control without operation":   &workflow.Control{Client: c, Name: name},
		"Rollout without a client":    &workflow.Rollout{Name: name, Operation: workflow.Abort},
		"Retry without a server":      &workflow.Control{Client: c, Name: name, Operation: workflow.Retry},
		"memoized, without a server":  &workflow.Control{Client: c, Name: name, Operation: workflow.Resubmit, Memoized: true},
		"a name of wrong type":        &workflow.Control{Client: c, Name: params.Data(push, "n"), Operation: workflow.Stop},
		"a name that leads elsewhere": &workflow.Control{Client: c, Name: params.Const("../x"), Operation: workflow.Stop},
	} {
		t.Run(about, func(t *testing.T) {
			before := s.Objects()
			err := trigger.Fire(t.Context(), newFiring(t, "1"))
			require.Error(t, err)
			assert.True(t, hearken.IsPermanent(err), "%v", err)
			assert.Equal(t, before, s.Objects())
		})
	}
}

func TestNamespaceIsMissed(t *testing.T) {
	c := &k8s.Client{Config: clientOf(t, "http://localhost").Config}
	const says = "Namespace: is empty, and so is the Client's; say where it is"
	name := params.Const("a")
	require.EqualError(t, (&workflow.Submit{Client: c, WorkflowTemplate: "a"}).Validate(), says)
	require.EqualError(t, (&workflow.Control{Client: c, Name: name, Operation: workflow.Stop}).Validate(), says)
	require.EqualError(t, (&workflow.Rollout{Client: c, Name: name, Operation: workflow.Abort}).Validate(), says)
	require.NoError(t, (&workflow.Submit{Client: c, Manifest: fixed(manifest)}).Validate(), "it may say so itself")
}

// A rollout that is through since is promoted no more, or the next one would be.
func TestPromotionInFullThatIsThrough(t *testing.T) {
	s := newFake(t)
	f := newFiring(t, "1")
	s.Put(rollout, object(t, "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: build-x, namespace: argo, annotations: {"+
		acts+": "+f.ID+"=abc}}\nstatus: {currentPodHash: abc, stableRS: abc}").Object)
	came := patchesStatus(s, func() {})
	require.NoError(t, steer(t, s, workflow.PromoteFull).Fire(t.Context(), f))
	assert.Empty(t, *came)
	assert.Equal(t, f.ID, stored(t, s, rollout).GetAnnotations()[acts])
}

func TestPromoteAtTheLastStep(t *testing.T) {
	s := newFake(t)
	putRollout(t, s, "spec: {strategy: {canary: {steps: [{}]}}}\nstatus: {currentPodHash: abc, stableRS: old, currentStepIndex: 1,"+
		" controllerPause: true, pauseConditions: [{}], canary: {currentStepAnalysisRunStatus: {status: Inconclusive}}}")
	came := patchesStatus(s, func() {})
	require.NoError(t, steer(t, s, workflow.Promote).Fire(t.Context(), newFiring(t, "1")))
	require.Len(t, *came, 1)
	assert.Contains(t, (*came)[0], `{"op":"add","path":"/status/currentStepIndex","value":1}`)
}

// The template is gone, and what stands under the name is not this firing's.
func TestSubmitFromWhatIsGoneBesideAStranger(t *testing.T) {
	s := newFake(t)
	f := newFiring(t, "1")
	s.Put(workflows+k8s.Name("build", f, 0, 0), object(t, "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: x, namespace: argo}").Object)
	err := (&workflow.Submit{Client: clientOf(t, s.URL), WorkflowTemplate: "build"}).Fire(t.Context(), f)
	require.ErrorContains(t, err, `submit from WorkflowTemplate build: `)
	assert.True(t, hearken.IsPermanent(err))
}

// The Workflow ends between the read and the write: what was decided by the read
// is not written.
func TestControlOfWhatChanges(t *testing.T) {
	s := newFake(t)
	put(t, s, "status: {phase: Running}")
	ended := false
	s.Answer(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch && !ended {
			ended = true
			put(t, s, "status: {phase: Succeeded}")
		}
		return false
	})
	stop := &workflow.Control{Client: clientOf(t, s.URL), Name: params.Data(push, "name"), Operation: workflow.Stop}
	err := stop.Fire(t.Context(), newFiring(t, "1"))
	require.ErrorContains(t, err, "it has finished: Succeeded")
	assert.Nil(t, field(stored(t, s, workflows+"build-x"), "spec", "shutdown"))
}

// Whether the note can be made or not, the rollout was aborted.
func TestRolloutDeletedAfterItWasAborted(t *testing.T) {
	s := newFake(t)
	putRollout(t, s, "status: {currentPodHash: abc, stableRS: old}")
	s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Content-Type") != "application/json-patch+json" {
			return false
		}
		o := s.Object(rollout)
		s.Put(rollout, nil)
		w.Header().Set("Content-Type", "application/json")
		assert.NoError(t, json.NewEncoder(w).Encode(o))
		return true
	})
	require.NoError(t, steer(t, s, workflow.Abort).Fire(t.Context(), newFiring(t, "1")))
	assert.Nil(t, s.Object(rollout))
}

// A manifest may name owners: Kubernetes would delete at once what has one that is
// not there.
func TestSubmitWithOwners(t *testing.T) {
	const owned = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata:\n  generateName: w-\n  ownerReferences: [{apiVersion: argoproj.io/v1alpha1, kind: CronWorkflow, name: nightly, uid: %s}]\n"
	const cron = inArgo + "cronworkflows/nightly"
	s := newFake(t)
	for _, tt := range []struct{ name, uid, says string }{
		{"not there", "u", "owner CronWorkflow argo/nightly: it is not there, and no owner can be in another namespace"},
		{"another", "other", "the one that is there has uid "},
		{"there", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			uid := tt.uid
			if tt.name != "not there" {
				s.Put(cron, object(t, "apiVersion: argoproj.io/v1alpha1\nkind: CronWorkflow\nmetadata: {name: nightly, namespace: argo}").Object)
			}
			if uid == "" {
				uid = string(stored(t, s, cron).GetUID())
			}
			submit := &workflow.Submit{Client: clientOf(t, s.URL), Manifest: &k8s.Manifest{Text: fmt.Sprintf(owned, uid)}}
			require.NoError(t, submit.Validate())
			err := submit.Fire(t.Context(), newFiring(t, "1"))
			if tt.says == "" {
				require.NoError(t, err)
				assert.Len(t, only(t, s).GetOwnerReferences(), 1)
				return
			}
			require.ErrorContains(t, err, tt.says)
			assert.True(t, hearken.IsPermanent(err))
		})
	}
}

// A definition may be replaced by one of another scope while triggers act.
func TestKindServedNoMore(t *testing.T) {
	for name, trigger := range map[string]func(*k8s.Client) hearken.Trigger{
		"control": func(c *k8s.Client) hearken.Trigger {
			return &workflow.Control{Client: c, Operation: workflow.Suspend, Name: params.Const("build-x")}
		},
		"rollout": func(c *k8s.Client) hearken.Trigger {
			return &workflow.Rollout{Client: c, Operation: workflow.Abort, Name: params.Const("build-x")}
		},
		"submit": func(c *k8s.Client) hearken.Trigger {
			return &workflow.Submit{Client: c, WorkflowTemplate: "build-x"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t)
			s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/apis/argoproj.io/v1alpha1" {
					return false
				}
				http.Error(w, "404 page not found", http.StatusNotFound)
				return true
			})
			fires := trigger(clientOf(t, s.URL))
			for range 2 {
				err := fires.Fire(t.Context(), newFiring(t, "1"))
				require.Error(t, err)
				assert.False(t, hearken.IsPermanent(err), err)
			}
			asked := 0
			for _, r := range s.Requests() {
				if strings.HasPrefix(r, "GET /apis/argoproj.io/v1alpha1 ") || r == "GET /apis/argoproj.io/v1alpha1" {
					asked++
				}
			}
			assert.Equal(t, 2, asked, s.Requests())
		})
	}
}

// What is no final phase is waited over, whatever it is.
func TestWaitOverOddStatuses(t *testing.T) {
	for _, status := range []string{"null", "{}", "text", "{phase: null}", "{phase: 5}", "{phase: Paused}", "{phase: succeeded}", "{nodes: null, phase: Pending}"} {
		t.Run(status, func(t *testing.T) {
			s := newFake(t)
			submit := &workflow.Submit{Client: clientOf(t, s.URL), Manifest: fixed(manifest), Wait: time.Minute}
			ended := make(chan error, 1)
			go func() { ended <- submit.Fire(t.Context(), newFiring(t, "1")) }()
			require.Eventually(t, func() bool { return s.Watches() == 1 }, time.Minute, time.Millisecond)
			wf := only(t, s)
			path := workflows + wf.GetName()
			wf.Object["status"] = object(t, "status: "+status).Object["status"]
			s.Put(path, wf.Object)
			wf.Object["status"] = map[string]any{"phase": "Succeeded"}
			s.Put(path, wf.Object)
			require.NoError(t, <-ended)
		})
	}
}
