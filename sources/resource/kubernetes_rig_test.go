//go:build kubernetes

package resource_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/internal/kubetest"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// patience is how long a test waits for what must come, also on a machine that has
// much else to do.
const patience = 2 * time.Minute

var (
	namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	pods       = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	crds       = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
)

// kube is a real cluster.
type kube struct {
	*kubetest.Cluster
	admin dynamic.Interface
}

func startKube(t *testing.T, c kubetest.Config) *kube {
	t.Helper()
	cluster, err := kubetest.Start(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(cluster.Stop)
	version, err := cluster.Version(t.Context())
	require.NoError(t, err)
	t.Log("kube-apiserver", version)
	k := &kube{Cluster: cluster}
	k.admin, err = dynamic.NewForConfig(k.config("admin"))
	require.NoError(t, err)
	return k
}

func (k *kube) config(user string) *rest.Config {
	return &rest.Config{Host: k.URL(), BearerToken: k.Token(user), TLSClientConfig: rest.TLSClientConfig{CAFile: k.CAFile()}, QPS: -1}
}

// create creates an object from JSON, or from what marshals to it.
func (k *kube) create(t testing.TB, gvr schema.GroupVersionResource, namespace string, v any) *unstructured.Unstructured {
	t.Helper()
	o, err := k.tryCreate(t.Context(), gvr, namespace, v)
	require.NoError(t, err)
	return o
}

func (k *kube) tryCreate(ctx context.Context, gvr schema.GroupVersionResource, namespace string, v any) (*unstructured.Unstructured, error) {
	text, err := json.Marshal(v)
	if raw, ok := v.(string); ok {
		text = []byte(raw)
	}
	if err != nil {
		return nil, err
	}
	o := &unstructured.Unstructured{}
	if err := json.Unmarshal(text, &o.Object); err != nil {
		return nil, err
	}
	return k.admin.Resource(gvr).Namespace(namespace).Create(ctx, o, metav1.CreateOptions{})
}

// patch merges JSON into an object.
func (k *kube) patch(t testing.TB, gvr schema.GroupVersionResource, namespace, name, text string) *unstructured.Unstructured {
	t.Helper()
	o, err := k.admin.Resource(gvr).Namespace(namespace).Patch(t.Context(), name, types.MergePatchType, []byte(text), metav1.PatchOptions{})
	require.NoError(t, err)
	return o
}

func (k *kube) delete(t testing.TB, gvr schema.GroupVersionResource, namespace, name string) {
	t.Helper()
	require.NoError(t, k.admin.Resource(gvr).Namespace(namespace).Delete(t.Context(), name, metav1.DeleteOptions{}))
}

func (k *kube) namespace(t testing.TB, name string) string {
	t.Helper()
	k.create(t, namespaces, "", `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"`+name+`"}}`)
	return name
}

// thing is an object of a simple kind whose annotation n says which state it is in.
func thing(kind, name, n string, labels ...string) map[string]any {
	m := map[string]any{}
	for _, l := range labels {
		k, v, _ := strings.Cut(l, "=")
		m[k] = v
	}
	return map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{
		"name": name, "labels": m, "annotations": map[string]any{"n": n},
	}}
}

// taps tells of the requests of a client.
type taps struct {
	http.RoundTripper
	t *tapped
}

type tapped struct {
	mu      sync.Mutex
	watches int
	listed  time.Time // when the first list was answered
	changed chan struct{}
}

func (t taps) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.RoundTripper.RoundTrip(r)
	if err == nil && res.StatusCode == http.StatusOK {
		t.t.mu.Lock()
		defer t.t.mu.Unlock()
		switch q := r.URL.Query(); {
		case q.Get("watch") != "":
			t.t.watches++
		case q.Get("limit") != "" && t.t.listed.IsZero():
			t.t.listed = time.Now()
		}
		close(t.t.changed)
		t.t.changed = make(chan struct{})
	}
	return res, err
}

// process is a source on a real cluster, and what it emits.
type process struct {
	t      *testing.T
	kube   *kube
	source *resource.Source
	rec    *sourcetest.Recorder
	out    hearken.Output
	log    *log
	taps   *tapped
	cancel context.CancelFunc
	ended  chan error
}

func (k *kube) process(t *testing.T, store bus.Store, set func(*resource.Source)) *process {
	t.Helper()
	p := &process{t: t, kube: k, log: &log{}, taps: &tapped{changed: make(chan struct{})}}
	p.source = &resource.Source{Config: k.config("admin"), Resource: configMaps}
	set(p.source)
	if p.source.Config != nil {
		p.source.Config.WrapTransport = func(rt http.RoundTripper) http.RoundTripper { return taps{rt, p.taps} }
	}
	p.rec = &sourcetest.Recorder{Store: store, Logger: p.log.logger()}
	p.out = p.rec.Output()
	require.NoError(t, p.source.Validate())
	return p
}

// forgetful has the recorder remember nothing, where memory is measured.
func forgetful(p *process) {
	p.out.Emit = p.rec.Then
}

// start runs the source until the test ends or stop is called.
func (p *process) start() *process {
	ctx, cancel := context.WithCancel(p.t.Context())
	p.cancel, p.ended = cancel, make(chan error, 1)
	go func() { p.ended <- p.source.Run(ctx, p.out) }()
	p.t.Cleanup(func() { p.stop() })
	return p
}

// watching waits until n watches are open.
func (p *process) watching(n int) *process {
	p.t.Helper()
	late := time.After(patience)
	for {
		p.taps.mu.Lock()
		watches, changed := p.taps.watches, p.taps.changed
		p.taps.mu.Unlock()
		if watches >= n {
			return p
		}
		select {
		case <-changed:
		case <-late:
			require.FailNow(p.t, "the source does not watch", "%v\n%s", p.source.Report().Trouble, p.log)
		}
	}
}

// well waits until the source has no trouble, which is a moment after it has
// listed again.
func (p *process) well() {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return p.source.Report().Trouble == nil }, patience, 10*time.Millisecond)
}

func (p *process) stop() {
	p.cancel()
	if err, ok := <-p.ended; ok {
		assert.NoError(p.t, err)
		close(p.ended)
	}
}

// expect waits for as many events as want, and a little for more than that, and
// compares them in the order in which they came, or any.
func (p *process) expect(inOrder bool, want ...string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	_, err := p.rec.Wait(ctx, len(want))
	if err != nil {
		p.t.Log(p.log)
	}
	assert.NoError(p.t, err)
	more, cancel := context.WithTimeout(p.t.Context(), 300*time.Millisecond)
	defer cancel()
	events, _ := p.rec.Wait(more, len(want)+1)
	var got []string
	for _, e := range events {
		got = append(got, sketch(p.t, e))
	}
	if inOrder {
		assert.Equal(p.t, want, got)
	} else {
		assert.ElementsMatch(p.t, want, got)
	}
}

// sketch is "TYPE name n", and what else is remarkable.
func sketch(t *testing.T, e hearken.Event) string {
	d := data(t, e)
	line := d.Type + " " + d.Body.Metadata.Name
	if n := d.Body.Metadata.Annotations["n"]; n != "" {
		line += " " + n
	}
	if d.Partial {
		line += " partial"
	}
	return line
}

// createMany creates n objects, several at once.
func createMany(t testing.TB, k *kube, ns string, n int, what func(i int) any, gvr schema.GroupVersionResource) {
	t.Helper()
	var wg sync.WaitGroup
	next := make(chan int)
	errs := make(chan error, n)
	for range 8 {
		wg.Go(func() {
			for i := range next {
				if _, err := k.tryCreate(t.Context(), gvr, ns, what(i)); err != nil && !apierrors.IsAlreadyExists(err) {
					errs <- err
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	select {
	case err := <-errs:
		require.NoError(t, err)
	default:
	}
}
