// Package cluster has a Kubernetes API server for the tests of an example.
package cluster

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearken-go/hearken/examples/internal/kube"
	"github.com/hearken-go/hearken/internal/kubetest"
	"github.com/hearken-go/hearken/internal/kubetest/argo"
	"github.com/hearken-go/hearken/triggers/k8s"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Cluster is the API server, until the test ends. KUBECONFIG names it, for the
// example too.
type Cluster struct {
	*kubetest.Cluster
	Client *k8s.Client // as the administrator, in the namespace default
}

// Start starts one.
func Start(t *testing.T) *Cluster {
	t.Helper()
	c, err := kubetest.Start(t.Context(), kubetest.Config{})
	must(t, err)
	t.Cleanup(c.Stop)
	version, err := c.Version(t.Context())
	must(t, err)
	t.Log("kube-apiserver", version)
	t.Setenv("KUBECONFIG", c.Kubeconfig())
	config, namespace, err := kube.Config("")
	must(t, err)
	config.QPS = -1
	return &Cluster{c, &k8s.Client{Config: config, Namespace: namespace}}
}

// Argo adds the kinds of Argo.
func (c *Cluster) Argo(t *testing.T) {
	t.Helper()
	must(t, argo.Install(t.Context(), c.Cluster))
}

// Play plays Argo's controllers until the test ends.
func (c *Cluster) Play(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	played := make(chan error, 1)
	go func() { played <- argo.Play(ctx, c.Cluster) }()
	t.Cleanup(func() {
		cancel()
		if err := <-played; err != nil {
			t.Error(err)
		}
	})
}

// Do does what a command of a README says: "go run ./examples/internal/apply",
// perhaps "-delete", and a file below the example's folder.
func (c *Cluster) Do(t *testing.T, command string) {
	t.Helper()
	words := strings.Fields(command)
	file := filepath.Base(words[len(words)-1])
	do := kube.Apply
	if words[len(words)-2] == "-delete" {
		do = kube.Delete
	}
	_, err := do(t.Context(), c.Client, file)
	must(t, err)
}

// Create creates an object.
func (c *Cluster) Create(t *testing.T, apiVersion, kind string, metadata, spec map[string]any) {
	t.Helper()
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": metadata, "spec": spec}}
	r, err := c.Client.Resource(t.Context(), o)
	must(t, err)
	_, err = r.Create(t.Context(), o, metav1.CreateOptions{})
	must(t, err)
}

// List returns the objects of a kind in a namespace.
func (c *Cluster) List(t *testing.T, apiVersion, kind, namespace string) []unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind}}
	o.SetNamespace(namespace)
	r, err := c.Client.Resource(t.Context(), o)
	must(t, err)
	list, err := r.List(t.Context(), metav1.ListOptions{})
	must(t, err)
	return list.Items
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
