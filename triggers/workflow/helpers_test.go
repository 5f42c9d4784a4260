package workflow_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

const (
	inArgo    = "/apis/argoproj.io/v1alpha1/namespaces/argo/"
	workflows = inArgo + "workflows/"
	acts      = "events.hearken.dev/acts"
)

var push = &hearken.Dependency{EventSource: &hearken.EventSource{Name: "git", Event: "push"}}

func newFake(tb testing.TB) *kubefake.Server {
	tb.Helper()
	kind := func(kind, resource string, cluster bool) kubefake.Kind {
		return kubefake.Kind{Group: "argoproj.io", Version: "v1alpha1", Kind: kind, Resource: resource, Cluster: cluster}
	}
	return kubefake.New(tb,
		kind("Workflow", "workflows", false),
		kind("WorkflowTemplate", "workflowtemplates", false),
		kind("ClusterWorkflowTemplate", "clusterworkflowtemplates", true),
		kind("CronWorkflow", "cronworkflows", false),
		kind("Rollout", "rollouts", false),
	)
}

// clientOf returns a client that leaves no connection behind.
func clientOf(tb testing.TB, url string) *k8s.Client {
	tb.Helper()
	transport := &http.Transport{}
	tb.Cleanup(transport.CloseIdleConnections)
	return &k8s.Client{Config: &rest.Config{Host: url, QPS: -1, Transport: transport}, Namespace: "argo"}
}

func newFiring(tb testing.TB, id string) hearken.Firing {
	tb.Helper()
	e, err := hearken.NewEvent("commit", id, map[string]any{"name": "build-x", "n": 3, "list": []int{1, 2}, "hash": "abc"})
	require.NoError(tb, err)
	return triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{push: e})
}

// object reads YAML.
func object(tb testing.TB, text string) *unstructured.Unstructured {
	tb.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	require.NoError(tb, err)
	o := &unstructured.Unstructured{}
	require.NoError(tb, utiljson.Unmarshal(raw, &o.Object))
	return o
}

// yamlOf writes an object for comparison.
func yamlOf(tb testing.TB, o any) string {
	tb.Helper()
	raw, err := yaml.Marshal(o)
	require.NoError(tb, err)
	return string(raw)
}

// put stores a Workflow named build-x with more to it.
func put(tb testing.TB, s *kubefake.Server, more string) {
	tb.Helper()
	putWith(tb, s, "", more)
}

// putWith has more in the metadata too.
func putWith(tb testing.TB, s *kubefake.Server, meta, more string) {
	tb.Helper()
	s.Put(workflows+"build-x", object(tb, "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\n"+
		"metadata:\n  name: build-x\n  namespace: argo\n  "+meta+"\n"+more).Object)
}

// stored returns an object of the fake.
func stored(tb testing.TB, s *kubefake.Server, path string) *unstructured.Unstructured {
	tb.Helper()
	o := s.Object(path)
	require.NotNil(tb, o, path)
	return &unstructured.Unstructured{Object: o}
}

func field(o *unstructured.Unstructured, path ...string) any {
	v, _, _ := unstructured.NestedFieldNoCopy(o.Object, path...) // absent is nil
	return v
}
