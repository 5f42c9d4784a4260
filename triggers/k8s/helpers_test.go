package k8s_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/triggertest"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
)

var (
	configMaps = kubefake.Kind{Version: "v1", Kind: "ConfigMap", Resource: "configmaps"}
	namespaces = kubefake.Kind{Version: "v1", Kind: "Namespace", Resource: "namespaces", Cluster: true}
	widgets    = kubefake.Kind{Group: "example.com", Version: "v1", Kind: "Widget", Resource: "widgets"}

	push = &hearken.Dependency{EventSource: &hearken.EventSource{Name: "git", Event: "push"}}
)

// patience is how long a test waits for what must come, also on a machine that has
// much else to do.
const patience = 2 * time.Minute

// client returns a client of s that leaves no connection behind.
func client(tb testing.TB, s *kubefake.Server) *k8s.Client {
	tb.Helper()
	transport := &http.Transport{}
	tb.Cleanup(transport.CloseIdleConnections)
	return &k8s.Client{Config: &rest.Config{Host: s.URL, QPS: -1, Transport: transport}}
}

// firing is one over an event with this id.
func firing(tb testing.TB, id string) hearken.Firing {
	tb.Helper()
	e, err := hearken.NewEvent("commit", id, map[string]any{"name": "web", "replicas": 3})
	require.NoError(tb, err)
	return triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{push: e})
}

func configMap(name string) *unstructured.Unstructured {
	return object("v1", "ConfigMap", "default", name)
}

// templated is an object named a as Go types that have templates are in JSON: of
// metav1.ObjectMeta before apimachinery 0.34, which leaves out what is not set.
func templated(version, kind string) *unstructured.Unstructured {
	unset := func() map[string]any { return map[string]any{"metadata": map[string]any{"creationTimestamp": nil}} }
	o := object(version, kind, "", "a")
	o.Object["metadata"].(map[string]any)["creationTimestamp"] = nil //nolint:forcetypeassert // object made it
	o.Object["spec"] = map[string]any{"template": unset(), "claims": []any{unset()}}
	return o
}

func object(version, kind, namespace, name string) *unstructured.Unstructured {
	meta := map[string]any{"name": name}
	if namespace != "" {
		meta["namespace"] = namespace
	}
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": version, "kind": kind, "metadata": meta}}
}
