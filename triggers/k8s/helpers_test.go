package k8s_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/triggertest"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// templated is an object named a of a Go type that has templates.
func templated(tb testing.TB, version, kind string) *unstructured.Unstructured {
	tb.Helper()
	type template struct {
		metav1.ObjectMeta `json:"metadata"`
	}
	typed := struct {
		metav1.TypeMeta `json:",inline"`
		template
		Spec struct {
			Template template   `json:"template"`
			Claims   []template `json:"claims"`
		} `json:"spec"`
	}{TypeMeta: metav1.TypeMeta{APIVersion: version, Kind: kind}, template: template{metav1.ObjectMeta{Name: "a"}}}
	typed.Spec.Claims = make([]template, 1)
	text, err := json.Marshal(typed)
	require.NoError(tb, err)
	require.Equal(tb, 3, strings.Count(string(text), `"creationTimestamp":null`))
	o := &unstructured.Unstructured{}
	require.NoError(tb, json.Unmarshal(text, &o.Object))
	return o
}

func object(version, kind, namespace, name string) *unstructured.Unstructured {
	meta := map[string]any{"name": name}
	if namespace != "" {
		meta["namespace"] = namespace
	}
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": version, "kind": kind, "metadata": meta}}
}
