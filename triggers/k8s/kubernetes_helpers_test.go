//go:build kubernetes

package k8s_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// as is the configuration of a user of the cluster, with connections of its own.
func as(tb testing.TB, user string) *rest.Config {
	tb.Helper()
	cfg := &rest.Config{
		Host: cluster.URL(), BearerToken: cluster.Token(user), QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{CAFile: cluster.CAFile()},
		// A dialer of its own keeps client-go from sharing connections between tests.
		Dial: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	}
	client, err := rest.HTTPClientFor(cfg)
	require.NoError(tb, err)
	tb.Cleanup(client.CloseIdleConnections)
	return &rest.Config{Host: cfg.Host, QPS: -1, Transport: client.Transport}
}

// admin is a client that may do everything, in a new namespace.
func admin(tb testing.TB) *k8s.Client {
	tb.Helper()
	c := &k8s.Client{Config: as(tb, "admin"), Namespace: fmt.Sprintf("test-%d", time.Now().UnixNano())}
	put(tb, c, object("v1", "Namespace", "", c.Namespace))
	return c
}

// parse reads an object in YAML.
func parse(tb testing.TB, text string) *unstructured.Unstructured {
	tb.Helper()
	o := &unstructured.Unstructured{}
	doc, err := yaml.YAMLToJSON([]byte(text))
	require.NoError(tb, err)
	require.NoError(tb, json.Unmarshal(doc, &o.Object))
	return o
}

// put creates an object as somebody else.
func put(tb testing.TB, c *k8s.Client, o *unstructured.Unstructured) *unstructured.Unstructured {
	tb.Helper()
	r, err := c.Resource(tb.Context(), o)
	require.NoError(tb, err)
	made, err := r.Create(tb.Context(), o, metav1.CreateOptions{})
	require.NoError(tb, err)
	return made
}

// get reads it, or returns nil.
func get(tb testing.TB, c *k8s.Client, o *unstructured.Unstructured) *unstructured.Unstructured {
	tb.Helper()
	r, err := c.Resource(tb.Context(), o)
	require.NoError(tb, err)
	there, err := r.Get(tb.Context(), o.GetName(), metav1.GetOptions{})
	if err != nil {
		require.ErrorContains(tb, err, "not found")
		return nil
	}
	return there
}

// setStatus writes an object's status as its controller would.
func setStatus(tb testing.TB, c *k8s.Client, o *unstructured.Unstructured, status map[string]any) {
	tb.Helper()
	r, err := c.Resource(tb.Context(), o)
	require.NoError(tb, err)
	there, err := r.Get(tb.Context(), o.GetName(), metav1.GetOptions{})
	require.NoError(tb, err)
	there.Object["status"] = status
	_, err = r.UpdateStatus(tb.Context(), there, metav1.UpdateOptions{})
	require.NoError(tb, err)
}

// list returns all objects of o's kind in its namespace.
func list(tb testing.TB, c *k8s.Client, o *unstructured.Unstructured) []unstructured.Unstructured {
	tb.Helper()
	r, err := c.Resource(tb.Context(), o)
	require.NoError(tb, err)
	all, err := r.List(tb.Context(), metav1.ListOptions{})
	require.NoError(tb, err)
	return all.Items
}

// bare is an object of the client's namespace that says no more than which it is.
func bare(version, kind, name string) *unstructured.Unstructured {
	return object(version, kind, "", name)
}

func fires(t *testing.T, trigger *k8s.Trigger, f hearken.Firing) {
	t.Helper()
	require.NoError(t, trigger.Validate())
	require.NoError(t, trigger.Fire(t.Context(), f))
}

// fails fires and wants an error that says so, permanent or not.
func fails(t *testing.T, trigger *k8s.Trigger, f hearken.Firing, permanent bool, says ...string) {
	t.Helper()
	require.NoError(t, trigger.Validate())
	err := trigger.Fire(t.Context(), f)
	for _, s := range says {
		require.ErrorContains(t, err, s)
	}
	require.Equal(t, permanent, hearken.IsPermanent(err), "%v", err)
	t.Log(err)
}

// text is a payload that is the same in each firing.
func text(s string) hearken.Payload {
	return hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return []byte(s), nil })
}

// installWidgets defines a kind Widget, with a status of its own, and returns its
// group.
func installWidgets(tb testing.TB, c *k8s.Client) string {
	tb.Helper()
	group := c.Namespace + ".example.com"
	defineWidgets(tb, c, group, "Namespaced", anything)
	return group
}

// anything is the schema of a kind that says nothing of its fields.
const anything = "{type: object, x-kubernetes-preserve-unknown-fields: true}"

func defineWidgets(tb testing.TB, c *k8s.Client, group, scope, schema string) {
	tb.Helper()
	put(tb, c, parse(tb, fmt.Sprintf(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.%[1]s}
spec:
  group: %[1]s
  scope: %[2]s
  names: {kind: Widget, listKind: WidgetList, plural: widgets, singular: widget}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema: %[3]s
`, group, scope, schema)))
	// That it is established comes before it is served, and a client that has missed
	// a kind does not look for it again at once: each look is another client's.
	require.Eventually(tb, func() bool {
		r, err := (&k8s.Client{Config: c.Config, Namespace: c.Namespace}).Resource(tb.Context(), bare(group+"/v1", "Widget", ""))
		if err != nil {
			return false
		}
		_, err = r.List(tb.Context(), metav1.ListOptions{})
		return err == nil
	}, patience, 50*time.Millisecond)
}

// lossy hands requests on and, while it is on, loses the answers.
type lossy struct {
	http.RoundTripper
	lose string // a method
}

func (l *lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err == nil && r.Method == l.lose {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("the answer %d was lost", resp.StatusCode)
	}
	return resp, err
}
