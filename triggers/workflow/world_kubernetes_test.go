//go:build kubernetes

package workflow_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/kubetest"
	"github.com/hearken-go/hearken/internal/kubetest/argo"
	"github.com/hearken-go/hearken/triggers/k8s"
)

// realWorld is a real API server with Argo's kinds and played controllers.
type realWorld struct {
	*kubetest.Cluster
	client *k8s.Client
}

func newWorld(t *testing.T) *realWorld {
	t.Helper()
	c, err := kubetest.Start(t.Context(), kubetest.Config{Users: []string{"visitor"}})
	require.NoError(t, err)
	t.Cleanup(c.Stop)
	version, err := c.Version(t.Context())
	require.NoError(t, err)
	t.Log("kube-apiserver", version, "real; Argo's controllers are played")
	return &realWorld{Cluster: c, client: clientFor(t, c, "admin")}
}

// install adds Argo's kinds and plays its controllers.
func (w *realWorld) install(t *testing.T) {
	t.Helper()
	require.NoError(t, argo.Install(t.Context(), w.Cluster))
	ctx, cancel := context.WithCancel(t.Context())
	played := make(chan error, 1)
	go func() { played <- argo.Play(ctx, w.Cluster) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-played)
	})
}

func clientFor(t *testing.T, c *kubetest.Cluster, user string) *k8s.Client {
	t.Helper()
	config := &rest.Config{
		Host: c.URL(), BearerToken: c.Token(user), QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{CAFile: c.CAFile()},
	}
	client, err := rest.HTTPClientFor(config)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return &k8s.Client{Config: config, Namespace: "default"}
}

// create makes an object in the namespace default, of YAML.
func (w *realWorld) create(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := object(t, "apiVersion: argoproj.io/v1alpha1\n"+text)
	r, err := w.client.Resource(t.Context(), o)
	require.NoError(t, err)
	made, err := r.Create(t.Context(), o, metav1.CreateOptions{})
	require.NoError(t, err)
	return made
}

func reference(kind, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "argoproj.io/v1alpha1", "kind": kind}}
	o.SetName(name)
	return o
}

// patience is how long a test waits for what must come, also on a machine that has
// much else to do.
const patience = 2 * time.Minute

// until waits for a state and returns the object.
func (w *realWorld) until(t *testing.T, kind, name string, is func(o *unstructured.Unstructured) bool) *unstructured.Unstructured {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var last *unstructured.Unstructured
	o, err := w.client.Wait(ctx, reference(kind, name), func(o *unstructured.Unstructured) (bool, error) {
		last = o
		return is(o), nil
	})
	require.NoError(t, err, "%v", last)
	return o
}

func phaseIs(want string) func(*unstructured.Unstructured) bool {
	return func(o *unstructured.Unstructured) bool { return field(o, "status", "phase") == want }
}

// made returns the Workflows that a firing has made.
func (w *realWorld) made(t *testing.T, f hearken.Firing) []unstructured.Unstructured {
	t.Helper()
	r, err := w.client.Resource(t.Context(), reference("Workflow", ""))
	require.NoError(t, err)
	list, err := r.List(t.Context(), metav1.ListOptions{LabelSelector: k8s.FiringLabel + "=" + k8s.LabelValue(f.ID)})
	require.NoError(t, err)
	return list.Items
}
