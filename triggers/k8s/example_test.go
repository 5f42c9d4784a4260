package k8s_test

import (
	"context"
	"fmt"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/hearken-go/hearken/triggers/triggertest"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
)

// fakeClient stands for &k8s.Client{Config: config, Namespace: "ci"} with the
// *rest.Config of the application.
func fakeClient(objects ...runtime.Object) *k8s.Client {
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, meta.RESTScopeNamespace)
	mapper.Add(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, meta.RESTScopeNamespace)
	mapper.Add(schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}, meta.RESTScopeNamespace)
	return &k8s.Client{
		Dynamic: fake.NewSimpleDynamicClient(runtime.NewScheme(), objects...), Mapper: mapper, Namespace: "ci",
	}
}

// exampleFiring is over a push to main.
func exampleFiring() hearken.Firing {
	e, err := hearken.NewEvent("commit", "42", map[string]any{"branch": "main"})
	if err != nil {
		panic(err)
	}
	return triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{push: e})
}

// Each firing makes one Job, however often it is fired.
func ExampleTrigger() {
	client := fakeClient()
	trigger := &k8s.Trigger{
		Client: client,
		Object: &k8s.Manifest{
			Text: `
apiVersion: batch/v1
kind: Job
metadata:
  generateName: build-
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: build
        image: example.com/build
        args: [--branch, ""]
`,
			Params: []params.Param{{Dest: "spec.template.spec.containers.0.args.1", Value: params.Data(push, "branch")}},
		},
	}
	f := exampleFiring()
	fmt.Println(trigger.Fire(context.Background(), f))
	fmt.Println(trigger.Fire(context.Background(), f))

	jobs := client.Dynamic.Resource(schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"})
	job, err := jobs.Namespace("ci").Get(context.Background(), k8s.Name("build-", f, 0, 0), metav1.GetOptions{})
	if err != nil {
		panic(err)
	}
	fmt.Println(job.GetName(), job.GetAnnotations()[k8s.FiringAnnotation] == f.ID, job.GetAnnotations()[k8s.EventsAnnotation])
	// Output:
	// <nil>
	// <nil>
	// build-7pk6dsrvarlft true {"push":"42"}
}

// Update changes what is there, and begins again when somebody else has changed
// it meanwhile.
func ExampleTrigger_update() {
	there := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": "branches", "namespace": "ci"},
		"data":     map[string]any{"last": "dev"},
	}}
	client := fakeClient(there)
	trigger := &k8s.Trigger{
		Client:    client,
		Operation: k8s.Update,
		Object:    &k8s.Manifest{Text: "{apiVersion: v1, kind: ConfigMap, metadata: {name: branches}}"},
		Change: func(f hearken.Firing, o *unstructured.Unstructured) error {
			branch, err := params.Data(push, "branch").Text(f)
			if err != nil {
				return err
			}
			return unstructured.SetNestedField(o.Object, branch, "data", "last")
		},
	}
	fmt.Println(trigger.Fire(context.Background(), exampleFiring()))

	maps := client.Dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"})
	changed, err := maps.Namespace("ci").Get(context.Background(), "branches", metav1.GetOptions{})
	if err != nil {
		panic(err)
	}
	fmt.Println(changed.Object["data"])
	// Output:
	// <nil>
	// map[last:main]
}

// A patch of what is there, and what has to become of it: here somebody has
// paused the Deployment, so that its controller would do nothing.
func ExampleTrigger_wait() {
	client := fakeClient(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": "main", "namespace": "ci"},
		"status": map[string]any{"conditions": []any{
			map[string]any{"type": "Progressing", "status": "Unknown", "reason": "DeploymentPaused"},
		}},
	}})
	trigger := &k8s.Trigger{
		Client:    client,
		Operation: k8s.MergePatch,
		Object: &k8s.Manifest{
			Text: "{apiVersion: apps/v1, kind: Deployment, metadata: {}, spec: {template: {metadata: {annotations: {}}}}}",
			Params: []params.Param{
				{Dest: "metadata.name", Value: params.Data(push, "branch")},
				{Dest: `spec.template.metadata.annotations.example\.com/commit`, Value: params.Context(push, "id")},
			},
		},
		Wait: k8s.Policy{
			Until: []k8s.Condition{{Path: `status.conditions.#(type=="Progressing").reason`, Values: []string{"NewReplicaSetAvailable"}}},
			Fail:  []k8s.Condition{{Path: `status.conditions.#(reason=="ProgressDeadlineExceeded")`}},
			For:   100 * time.Millisecond,
		},
	}
	fmt.Println(trigger.Fire(context.Background(), exampleFiring()))
	// Output:
	// wait for Deployment ci/main: after 100ms it is not so that status.conditions.#(type=="Progressing").reason is NewReplicaSetAvailable: it is "DeploymentPaused"
}

// A manifest is YAML with values put in at paths.
func ExampleManifest() {
	m := &k8s.Manifest{
		Text: `
apiVersion: v1
kind: ConfigMap
metadata:
  name: last-push
data:
  by: hearken
`,
		Params: []params.Param{{Dest: "data.branch", Value: params.Data(push, "branch")}},
	}
	object, err := m.Payload(exampleFiring())
	fmt.Println(string(object), err)
	// Output: {"apiVersion":"v1","data":{"by":"hearken","branch":"main"},"kind":"ConfigMap","metadata":{"name":"last-push"}} <nil>
}
