package workflow_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
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

const manifest = `{
	"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
	"metadata": {"generateName": "hello-", "labels": {"team": "a"}},
	"spec": {"entrypoint": "main", "arguments": {"parameters": [
		{"name": "message", "description": "said", "value": "hello"},
		{"name": "list", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
		{"name": "other", "value": "stays"}
	]}}
}`

// fixed is a payload that is the same in each firing.
func fixed(text string) hearken.Payload {
	return hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return []byte(text), nil })
}

// only returns the one Workflow that the fake has.
func only(tb testing.TB, s *kubefake.Server) *unstructured.Unstructured {
	tb.Helper()
	var found *unstructured.Unstructured
	for path, o := range s.Objects() {
		if strings.HasPrefix(path, workflows) {
			require.Nil(tb, found, "more than one Workflow")
			found = &unstructured.Unstructured{Object: o}
		}
	}
	require.NotNil(tb, found, "no Workflow")
	return found
}

func TestSubmitManifest(t *testing.T) {
	s := newFake(t)
	submit := &workflow.Submit{
		Client:   clientOf(t, s.URL),
		Manifest: fixed(manifest),
		Arguments: params.Object{
			"message": params.Data(push, "name"),
			"list":    params.Data(push, "list"),
			"n":       params.Data(push, "n"),
			"event":   params.Event(push),
			"flag":    true,
		},
		InstanceID: "blue",
		Labels:     map[string]string{"team": "b", "x": "y"},
		Edit: func(f hearken.Firing, wf *unstructured.Unstructured) error {
			return unstructured.SetNestedField(wf.Object, "sa-"+f.Action, "spec", "serviceAccountName")
		},
	}
	require.NoError(t, submit.Validate())
	f := newFiring(t, "1")
	require.NoError(t, submit.Fire(t.Context(), f))
	require.NoError(t, submit.Fire(t.Context(), f), "fired again")

	wf := only(t, s)
	assert.Equal(t, k8s.Name("hello", f, 0, 0), wf.GetName())
	assert.Regexp(t, "^hello-[a-z2-7]{13}$", wf.GetName())
	assert.Empty(t, wf.GetGenerateName())
	assert.Equal(t, f.ID, wf.GetAnnotations()[k8s.FiringAnnotation])
	assert.JSONEq(t, `{"push":"1"}`, wf.GetAnnotations()[k8s.EventsAnnotation])
	labels := wf.GetLabels()
	assert.Equal(t, k8s.LabelValue(f.ID), labels[k8s.FiringLabel])
	assert.Equal(t, []string{"b", "y", "blue"},
		[]string{labels["team"], labels["x"], labels["workflows.argoproj.io/controller-instanceid"]})
	assert.Equal(t, "sa-action", field(wf, "spec", "serviceAccountName"))
	list := field(wf, "spec", "arguments", "parameters").([]any)
	event := list[3].(map[string]any)
	assert.JSONEq(t, `{"specversion":"1.0","id":"1","source":"git","type":"commit","subject":"push","datacontenttype":"application/json",
		"data":{"name":"build-x","n":3,"list":[1,2],"hash":"abc"}}`, event["value"].(string), "the whole event, as text")
	assert.Equal(t, []any{
		map[string]any{"name": "message", "description": "said", "value": "build-x"},
		map[string]any{"name": "list", "value": "[1,2]"},
		map[string]any{"name": "other", "value": "stays"},
		event,
		map[string]any{"name": "flag", "value": "true"},
		map[string]any{"name": "n", "value": "3"},
	}, list)
}

// Keys with nothing below are written for nothing to argo submit.
func TestSubmitOfEmptyKeys(t *testing.T) {
	for _, rest := range []string{
		"metadata:\nspec: {}", "metadata: {name: a, labels: , annotations: }", "metadata: {name: a}\nspec:",
		"metadata: {name: a}\nspec:\n  arguments:", "metadata: {name: a}\nspec:\n  arguments:\n    parameters:",
	} {
		s := newFake(t)
		submit := &workflow.Submit{
			Client: clientOf(t, s.URL), Arguments: params.Object{"x": 1},
			Manifest: &k8s.Manifest{Text: "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\n" + rest},
		}
		require.NoError(t, submit.Fire(t.Context(), newFiring(t, "1")), rest)
		assert.Equal(t, []any{map[string]any{"name": "x", "value": "1"}}, field(only(t, s), "spec", "arguments", "parameters"), rest)
	}
}

func TestSubmitFrom(t *testing.T) {
	s := newFake(t)
	s.Put(inArgo+"workflowtemplates/build", object(t, "apiVersion: argoproj.io/v1alpha1\nkind: WorkflowTemplate\nmetadata: {name: build, namespace: argo}").Object)
	s.Put("/apis/argoproj.io/v1alpha1/clusterworkflowtemplates/build", object(t, "apiVersion: argoproj.io/v1alpha1\nkind: ClusterWorkflowTemplate\nmetadata: {name: build}").Object)
	s.Put(inArgo+"cronworkflows/nightly", object(t, cron).Object)
	c := clientOf(t, s.URL)
	for origin, submit := range map[string]*workflow.Submit{
		"workflow-template":         {Client: c, WorkflowTemplate: "build"},
		"cluster-workflow-template": {Client: c, ClusterWorkflowTemplate: "build", Namespace: "argo"},
		"cron-workflow":             {Client: c, CronWorkflow: "nightly", InstanceID: "green"},
	} {
		t.Run(origin, func(t *testing.T) {
			submit.Arguments = params.Object{"message": params.Data(push, "name")}
			require.NoError(t, submit.Validate())
			f := newFiring(t, origin)
			require.NoError(t, submit.Fire(t.Context(), f))
			name := submit.WorkflowTemplate + submit.ClusterWorkflowTemplate + submit.CronWorkflow
			wf := stored(t, s, workflows+k8s.Name(name, f, 0, 0))
			assert.Equal(t, name, wf.GetLabels()["workflows.argoproj.io/"+origin])
			assert.Equal(t, submit.InstanceID, wf.GetLabels()["workflows.argoproj.io/controller-instanceid"])
			assert.Equal(t, []any{map[string]any{"name": "message", "value": "build-x"}}, field(wf, "spec", "arguments", "parameters"))
		})
	}
}

// What a Workflow was made from may go before the bus delivers again.
func TestSubmitFromWhatIsGoneSince(t *testing.T) {
	s := newFake(t)
	template := inArgo + "workflowtemplates/build"
	s.Put(template, object(t, "apiVersion: argoproj.io/v1alpha1\nkind: WorkflowTemplate\nmetadata: {name: build, namespace: argo}").Object)
	submit := &workflow.Submit{Client: clientOf(t, s.URL), WorkflowTemplate: "build"}
	f := newFiring(t, "1")
	require.NoError(t, submit.Fire(t.Context(), f))
	s.Put(template, nil)
	require.NoError(t, submit.Fire(t.Context(), f), "it has been submitted")

	err := submit.Fire(t.Context(), newFiring(t, "2"))
	require.ErrorContains(t, err, "submit from WorkflowTemplate build: ")
	assert.True(t, hearken.IsPermanent(err))

	succeed := only(t, s)
	require.NoError(t, unstructured.SetNestedField(succeed.Object, "Succeeded", "status", "phase"))
	s.Put(workflows+succeed.GetName(), succeed.Object)
	submit.Wait = time.Minute
	require.NoError(t, submit.Fire(t.Context(), f), "and has succeeded")
}

// What counts is the Workflow that was submitted last, not the one that failed.
func TestSubmitFromWhatIsGoneSinceItFailed(t *testing.T) {
	s := newFake(t)
	template := inArgo + "workflowtemplates/build"
	s.Put(template, object(t, "apiVersion: argoproj.io/v1alpha1\nkind: WorkflowTemplate\nmetadata: {name: build, namespace: argo}").Object)
	submit := &workflow.Submit{Client: clientOf(t, s.URL), WorkflowTemplate: "build", Wait: time.Minute, Resubmit: 2}
	f := newFiring(t, "1")
	answered(t, s, map[string]any{"phase": "Failed"})
	require.ErrorContains(t, submit.Fire(t.Context(), f), "ended Failed")
	answered(t, s, map[string]any{"phase": "Succeeded"})
	require.NoError(t, submit.Fire(t.Context(), f))
	s.Put(template, nil)
	require.NoError(t, submit.Fire(t.Context(), f), "fired again")
}

// Whether the firing has done its work cannot be told while the API server is busy.
func TestGoneWhileTheServerIsBusy(t *testing.T) {
	s := newFake(t)
	s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		busy := strings.Contains(r.URL.Path, workflows) || strings.Contains(r.URL.RawQuery, "labelSelector")
		if busy && !strings.HasSuffix(r.URL.Path, "/build-x") {
			kubefake.Fail(w, http.StatusServiceUnavailable, "ServiceUnavailable", "not now")
			return true
		}
		return false
	})
	c := clientOf(t, s.URL)
	for says, trigger := range map[string]hearken.Trigger{
		"look for Workflow argo/build-":                &workflow.Submit{Client: c, WorkflowTemplate: "build", Namespace: "argo"},
		"look for the copy of Workflow argo/build-x: ": &workflow.Control{Client: c, Operation: workflow.Resubmit, Name: params.Const("build-x"), Namespace: "argo"},
	} {
		err := trigger.Fire(t.Context(), newFiring(t, "1"))
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, "not now")
		assert.False(t, hearken.IsPermanent(err), "%v", err)
	}
}

func TestSubmitRefusesWhatIsNoWorkflow(t *testing.T) {
	s := newFake(t)
	errMine := errors.New("mine")
	for name, tt := range map[string]struct {
		submit    workflow.Submit
		err       string
		permanent bool
	}{
		"another kind": {workflow.Submit{Manifest: fixed(`{"apiVersion":"v1","kind":"Pod"}`)}, `is of v1 "Pod"`, true},
		"another namespace": {workflow.Submit{
			Manifest: fixed(strings.Replace(manifest, `"generateName"`, `"namespace": "other", "generateName"`, 1)), Namespace: "argo",
		}, `the manifest's namespace is "other", but Submit's is "argo"`, true},
		"an argument that is absent": {workflow.Submit{
			Manifest: fixed(manifest), Arguments: params.Object{"x": params.Data(push, "no.such")},
		}, `arguments: "x": data "no.such" of dependency "push" is absent`, true},
		"parameters that are no list": {workflow.Submit{
			Manifest:  fixed(`{"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","metadata":{"name":"x"},"spec":{"arguments":{"parameters":{}}}}`),
			Arguments: params.Object{"x": 1},
		}, "is of the type map[string]interface {}, expected []interface{}", true},
		"a payload that fails": {workflow.Submit{Manifest: hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return nil, errMine })}, "manifest: mine", false},
		"an edit that fails": {workflow.Submit{
			Manifest: fixed(manifest), Edit: func(hearken.Firing, *unstructured.Unstructured) error { return errMine },
		}, "edit: mine", false},
		"an edit that moves": {workflow.Submit{
			Manifest: fixed(manifest), Edit: func(_ hearken.Firing, wf *unstructured.Unstructured) error {
				wf.SetNamespace("kube-system")
				return nil
			},
		}, `edit: the namespace was "" and is "kube-system"; it has to stay`, true},
	} {
		t.Run(name, func(t *testing.T) {
			tt.submit.Client = clientOf(t, s.URL)
			err := tt.submit.Fire(t.Context(), newFiring(t, name))
			require.ErrorContains(t, err, tt.err)
			assert.Equal(t, tt.permanent, hearken.IsPermanent(err))
			assert.Empty(t, s.Objects())
		})
	}
}

func TestSubmitBeforeTheDefinition(t *testing.T) {
	s := kubefake.New(t)
	err := (&workflow.Submit{Client: clientOf(t, s.URL), Manifest: fixed(manifest)}).Fire(t.Context(), newFiring(t, "1"))
	require.ErrorContains(t, err, `create Workflow hello-`)
	require.ErrorContains(t, err, "the API server has no such kind, or not yet")
	assert.False(t, hearken.IsPermanent(err), "it may come")
}

// answered returns a Submit whose Workflow has this status from its creation on.
func answered(t *testing.T, s *kubefake.Server, status map[string]any) {
	t.Helper()
	s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		rec := &recorder{header: http.Header{}}
		s.Answer(nil)
		s.ServeHTTP(rec, r)
		answered(t, s, status)
		for path, o := range s.Objects() {
			if strings.HasPrefix(path, workflows) && o["status"] == nil {
				o["status"] = status
				s.Put(path, o)
			}
		}
		rec.copyTo(w)
		return true
	})
}

// recorder holds an answer back.
type recorder struct {
	header http.Header
	code   int
	body   []byte
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(c int)   { r.code = c }
func (r *recorder) Write(b []byte) (int, error) {
	r.body = append(r.body, b...)
	return len(b), nil
}

func (r *recorder) copyTo(w http.ResponseWriter) {
	for key, v := range r.header {
		w.Header()[key] = v
	}
	if r.code != 0 {
		w.WriteHeader(r.code)
	}
	_, _ = w.Write(r.body)
}

func TestWait(t *testing.T) {
	for phase, want := range map[string]string{
		"Succeeded": "",
		"Failed":    "ended Failed: pod deleted",
		"Error":     "ended Error: pod deleted",
	} {
		t.Run(phase, func(t *testing.T) {
			s := newFake(t)
			answered(t, s, map[string]any{"phase": phase, "message": "pod deleted"})
			submit := &workflow.Submit{Client: clientOf(t, s.URL), Manifest: fixed(manifest), Wait: time.Minute}
			require.NoError(t, submit.Validate())
			for range 2 {
				err := submit.Fire(t.Context(), newFiring(t, "1"))
				if want == "" {
					require.NoError(t, err)
					continue
				}
				var failed *workflow.FailedError
				require.ErrorAs(t, err, &failed)
				assert.Equal(t, workflow.FailedError{Namespace: "argo", Name: only(t, s).GetName(), Phase: phase, Message: "pod deleted"}, *failed)
				require.ErrorContains(t, err, want)
				assert.True(t, hearken.IsPermanent(err), "the same name would only meet the same Workflow again")
			}
		})
	}
}

func TestWaitEnds(t *testing.T) {
	s := newFake(t)
	answered(t, s, map[string]any{"phase": "Running"})
	submit := &workflow.Submit{Client: clientOf(t, s.URL), Manifest: fixed(manifest), Wait: 3 * time.Second} // in which it must be seen
	err := submit.Fire(t.Context(), newFiring(t, "1"))
	require.ErrorContains(t, err, `has not ended after 3s: its phase is "Running"`)
	assert.False(t, hearken.IsPermanent(err), "the next attempt waits for the same one")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	submit.Wait = time.Hour
	require.ErrorIs(t, submit.Fire(ctx, newFiring(t, "1")), context.DeadlineExceeded, "the attempt's own end")
}

// What stands in the way is told, not a phase that nobody has seen.
func TestWaitThatSeesNothing(t *testing.T) {
	s := newFake(t)
	s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasPrefix(r.URL.Path, workflows) {
			return false
		}
		kubefake.Fail(w, http.StatusServiceUnavailable, "ServiceUnavailable", "not now")
		return true
	})
	submit := &workflow.Submit{Client: clientOf(t, s.URL), Manifest: fixed(manifest), Wait: 2 * time.Second} // in which it must ask
	err := submit.Fire(t.Context(), newFiring(t, "1"))
	require.ErrorContains(t, err, "could not be seen within 2s")
	require.ErrorContains(t, err, "not now")
	require.NotErrorIs(t, err, context.DeadlineExceeded)
	assert.False(t, hearken.IsPermanent(err))
}

func TestResubmitCountsInTheName(t *testing.T) {
	s := newFake(t)
	answered(t, s, map[string]any{"phase": "Failed", "message": "no"})
	submit := &workflow.Submit{Client: clientOf(t, s.URL), Manifest: fixed(manifest), Wait: time.Minute, Resubmit: 2}
	require.NoError(t, submit.Validate())
	f := newFiring(t, "1")
	for attempt, permanent := range []bool{false, false, true, true} {
		err := submit.Fire(t.Context(), f)
		require.ErrorContains(t, err, "ended Failed: no")
		assert.Equal(t, permanent, hearken.IsPermanent(err))
		assert.Len(t, s.Objects(), min(attempt+1, 3))
	}
	for count := range 3 {
		wf := stored(t, s, workflows+k8s.Name("hello", f, count, 0))
		assert.Equal(t, f.ID, wf.GetAnnotations()[k8s.FiringAnnotation])
	}
}

func TestAttemptTimeout(t *testing.T) {
	assert.Zero(t, (&workflow.Submit{}).AttemptTimeout())
	assert.Zero(t, (&workflow.Submit{}).MinTimeout())
	assert.Equal(t, 11*time.Minute, (&workflow.Submit{Wait: 10 * time.Minute}).AttemptTimeout())
	assert.Equal(t, 10*time.Minute, (&workflow.Submit{Wait: 10 * time.Minute}).MinTimeout())
}
