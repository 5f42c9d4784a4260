package workflow_test

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/filters"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/hearken-go/hearken/triggers/triggertest"
	"github.com/hearken-go/hearken/triggers/workflow"
)

// exampleClient is one over objects in memory, as unit tests may use it. A real
// one is &k8s.Client{Config: config}.
func exampleClient(objects ...runtime.Object) *k8s.Client {
	gv := schema.GroupVersion{Group: "argoproj.io", Version: "v1alpha1"}
	mapper := meta.NewDefaultRESTMapper(nil)
	lists := map[schema.GroupVersionResource]string{}
	for kind, plural := range map[string]string{"Workflow": "workflows", "WorkflowTemplate": "workflowtemplates", "Rollout": "rollouts"} {
		mapper.Add(gv.WithKind(kind), meta.RESTScopeNamespace)
		lists[gv.WithResource(plural)] = kind + "List"
	}
	return &k8s.Client{
		Dynamic:   fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists, objects...),
		Mapper:    mapper,
		Namespace: "argo",
	}
}

func exampleObject(kind, name string, more map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "argoproj.io/v1alpha1", "kind": kind}}
	o.SetName(name)
	o.SetNamespace("argo")
	for key, v := range more {
		o.Object[key] = v
	}
	return o
}

func exampleRead(c *k8s.Client, kind, name string) *unstructured.Unstructured {
	r, err := c.Resource(context.Background(), exampleObject(kind, name, nil))
	if err != nil {
		panic(err)
	}
	o, err := r.Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		panic(err)
	}
	return o
}

// exampleFiring is a firing over one event of d.
func exampleFiring(d *hearken.Dependency, data any) hearken.Firing {
	e, err := hearken.NewEvent("example", "1", data)
	if err != nil {
		panic(err)
	}
	return triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{d: e})
}

// Each push submits a Workflow of the WorkflowTemplate "build".
func ExampleSubmit() {
	push := &hearken.Dependency{EventSource: &hearken.EventSource{Name: "git", Event: "push"}}
	client := exampleClient(exampleObject("WorkflowTemplate", "build", nil))
	submit := &workflow.Submit{
		Client:           client,
		WorkflowTemplate: "build",
		Namespace:        "argo",
		Arguments: params.Object{
			"branch": params.Data(push, "body.ref"),
			"event":  params.Event(push), // the whole event
		},
	}

	f := exampleFiring(push, map[string]any{"body": map[string]any{"ref": "main"}})
	fmt.Println(submit.Fire(context.Background(), f), submit.Fire(context.Background(), f))
	wf := exampleRead(client, "Workflow", k8s.Name("build", f, 0, 0))
	fmt.Println(wf.GetName(), wf.Object["spec"].(map[string]any)["workflowTemplateRef"])
	// Output:
	// <nil> <nil>
	// build-m26lj4h2xebi7 map[name:build]
}

// A whole Workflow, waited for, and submitted once more when it fails.
func ExampleSubmit_wait() {
	push := &hearken.Dependency{EventSource: &hearken.EventSource{Name: "git", Event: "push"}}
	submit := &workflow.Submit{
		Client: exampleClient(),
		Manifest: &k8s.Manifest{
			Text: `
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: build-}
spec:
  entrypoint: main
  templates: [{name: main, container: {image: alpine, command: [echo, "{{workflow.parameters.branch}}"]}}]
`,
			Params: []params.Param{{Dest: "metadata.annotations.branch", Value: params.Data(push, "body.ref")}},
		},
		Arguments: params.Object{"branch": params.Data(push, "body.ref")},
		Wait:      10 * time.Minute,
		Resubmit:  1,
	}
	fmt.Println(submit.Validate(), submit.AttemptTimeout())
	// Output: <nil> 11m0s
}

// An alert stops the Workflow that it names.
func ExampleControl() {
	alert := &hearken.Dependency{EventSource: &hearken.EventSource{Name: "alerts", Event: "fired"}}
	client := exampleClient(exampleObject("Workflow", "build-x", map[string]any{"status": map[string]any{"phase": "Running"}}))
	stop := &workflow.Control{
		Client:    client,
		Operation: workflow.Stop,
		Name:      params.Data(alert, "labels.workflow"),
	}

	f := exampleFiring(alert, map[string]any{"labels": map[string]any{"workflow": "build-x"}})
	fmt.Println(stop.Fire(context.Background(), f))
	fmt.Println(exampleRead(client, "Workflow", "build-x").Object["spec"])
	// Output:
	// <nil>
	// map[shutdown:Stop]
}

// An approval retries a Workflow that failed, by an argo-server.
func ExampleServer() {
	approved := &hearken.Dependency{EventSource: &hearken.EventSource{Name: "chat", Event: "approved"}}
	retry := &workflow.Control{
		Client:    exampleClient(),
		Operation: workflow.Retry,
		Name:      params.Data(approved, "workflow"),
	}
	fmt.Println(retry.Validate())
	retry.Server = &workflow.Server{URL: "https://argo-server.argo:2746", Token: "a service account's"}
	fmt.Println(retry.Validate())
	// Output:
	// Server: is nil, but only an argo-server can retry a Workflow
	// <nil>
}

// A test that went well promotes the version that it has tested, and no other.
func ExampleRollout() {
	tested := &hearken.Dependency{EventSource: &hearken.EventSource{Name: "tests", Event: "passed"}}
	client := exampleClient(exampleObject("Rollout", "shop", map[string]any{"status": map[string]any{
		"currentPodHash": "7d4b9", "stableRS": "5f6c8", "currentStepIndex": int64(1),
		"pauseConditions": []any{map[string]any{"reason": "CanaryPauseStep"}},
	}}))
	promote := &workflow.Rollout{
		Client:    client,
		Operation: workflow.Promote,
		Name:      params.Const("shop"),
		PodHash:   params.Data(tested, "hash"),
	}

	fmt.Println(promote.Fire(context.Background(), exampleFiring(tested, map[string]any{"hash": "7d4b9"})))
	fmt.Println(exampleRead(client, "Rollout", "shop").Object["status"])
	fmt.Println(promote.Fire(context.Background(), exampleFiring(tested, map[string]any{"hash": "5f6c8"})))
	// Output:
	// <nil>
	// map[currentPodHash:7d4b9 currentStepIndex:1 stableRS:5f6c8]
	// promote Rollout argo/shop: it is at pod hash "7d4b9", not at "5f6c8"
}

// A first sensor submits Workflows; a second one is told of those that failed.
func ExampleCompleted() {
	client := exampleClient()
	pushes := &hearken.EventSource{Name: "git", Event: "push"}
	ended := &hearken.EventSource{Name: "workflows", Event: "ended", Source: workflow.Completed(client, "argo")}
	push := &hearken.Dependency{EventSource: pushes}
	failed := &hearken.Dependency{EventSource: ended, Filter: filters.Data("body.status.phase", "Failed", "Error")}
	p := &hearken.Pipeline{
		Name: "ci", Bus: &memory.Bus{}, EventSources: []*hearken.EventSource{pushes, ended},
		Sensors: []hearken.Sensor{
			{Name: "build", Actions: []hearken.Action{{When: push, Trigger: &workflow.Submit{Client: client, WorkflowTemplate: "build"}}}},
			{Name: "tell", Actions: []hearken.Action{{When: failed, Trigger: tell(params.Object{
				"text":   params.Concat(params.Data(failed, "body.metadata.name"), ": ", params.Data(failed, "body.status.message").Or("failed")),
				"firing": params.Data(failed, workflow.FiringPath),
				"commit": params.Data(failed, workflow.EventsPath+".push"),
			})}}},
		},
	}
	fmt.Println(p.Validate())
	// Output: <nil>
}

// tell stands for a trigger that tells somebody.
func tell(hearken.Payload) hearken.Trigger { return &triggertest.Recorder{} }
