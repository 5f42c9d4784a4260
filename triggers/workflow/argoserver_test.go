package workflow_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/triggers/workflow"
)

// bodies are the fields of the requests by operation, as Argo's published
// swagger has them (api/openapi-spec/swagger.json, definitions
// io.argoproj.workflow.v1alpha1.WorkflowRetryRequest, WorkflowResumeRequest and
// WorkflowResubmitRequest).
func bodies() map[string][]string {
	return map[string][]string{
		"retry":    {"name", "namespace", "nodeFieldSelector", "parameters", "restartSuccessful"},
		"resume":   {"name", "namespace", "nodeFieldSelector"},
		"resubmit": {"memoized", "name", "namespace", "parameters"},
	}
}

// argoServer plays an argo-server: it does on the fake API what the real one
// does, and refuses what the swagger does not have.
type argoServer struct {
	*httptest.Server
	tb  testing.TB
	api *kubefake.Server

	mu    sync.Mutex
	calls []string
	nodes map[string]any // what it has in its database
	// lost has the answers lost, after what was asked for is done.
	lost bool
	// fail answers so instead.
	fail func(w http.ResponseWriter)
}

func newArgoServer(tb testing.TB, api *kubefake.Server) *argoServer {
	tb.Helper()
	s := &argoServer{tb: tb, api: api}
	s.Server = httptest.NewServer(s)
	tb.Cleanup(s.Close)
	return s
}

func (s *argoServer) client(tb testing.TB) *workflow.Server {
	tb.Helper()
	transport := &http.Transport{}
	tb.Cleanup(transport.CloseIdleConnections)
	return &workflow.Server{URL: s.URL + "/base", Token: "t0ken", Client: &http.Client{Transport: transport}}
}

func (s *argoServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Equal(s.tb, "Bearer t0ken", r.Header.Get("Authorization"))
	path, ok := strings.CutPrefix(r.URL.Path, "/base/api/v1/workflows/argo/build-x")
	assert.True(s.tb, ok, "path %s", r.URL.Path)
	op := strings.TrimPrefix(path, "/")
	s.calls = append(s.calls, strings.TrimSpace(r.Method+" "+op))
	if s.fail != nil {
		s.fail(w)
		return
	}
	wf := s.api.Object(workflows + "build-x")
	switch r.Method {
	case http.MethodGet:
		assert.Equal(s.tb, "fields=spec.suspend%2Cstatus.nodes", r.URL.RawQuery)
		_ = json.NewEncoder(w).Encode(map[string]any{"status": map[string]any{"nodes": s.nodes}})
		return
	case http.MethodPut:
		assert.Equal(s.tb, "application/json", r.Header.Get("Content-Type"))
	default:
		s.tb.Errorf("method %s", r.Method)
	}
	answer := s.act(op, s.body(r, op), wf)
	if s.lost {
		panic(http.ErrAbortHandler)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// body reads a request and checks it.
func (s *argoServer) body(r *http.Request, op string) map[string]any {
	raw, err := io.ReadAll(r.Body)
	assert.NoError(s.tb, err)
	var body map[string]any
	assert.NoError(s.tb, json.Unmarshal(raw, &body))
	allowed, ok := bodies()[op]
	assert.True(s.tb, ok, "operation %q", op)
	for name := range body {
		assert.Contains(s.tb, allowed, name)
	}
	assert.Equal(s.tb, []any{"build-x", "argo"}, []any{body["name"], body["namespace"]})
	return body
}

func (s *argoServer) act(op string, body map[string]any, wf map[string]any) any {
	switch op {
	case "retry":
		wf["status"] = map[string]any{"phase": "Running"}
		wf["asked"] = body["parameters"]
	case "resume":
		for _, n := range s.nodes {
			n.(map[string]any)["phase"] = "Succeeded"
		}
		wf["status"].(map[string]any)["offloadNodeStatusVersion"] = "fnv:2"
	case "resubmit":
		assert.Equal(s.tb, true, body["memoized"])
		meta := wf["metadata"].(map[string]any)
		made := object(s.tb, fmt.Sprintf("apiVersion: argoproj.io/v1alpha1\nkind: Workflow\n"+
			"metadata: {name: build-x-%d, namespace: argo, labels: {workflows.argoproj.io/resubmitted-from-workflow: build-x}}", len(s.calls)))
		annotations := map[string]string{}
		for key, v := range meta["annotations"].(map[string]any) {
			annotations[key] = v.(string)
		}
		made.SetAnnotations(annotations)
		s.api.Put(workflows+made.GetName(), made.Object)
		return made.Object
	}
	s.api.Put(workflows+"build-x", wf)
	return wf
}

// count returns how often it was asked for.
func (s *argoServer) count(call string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if c == call {
			n++
		}
	}
	return n
}

func (s *argoServer) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func names(s *kubefake.Server) []string {
	var all []string
	for path := range s.Objects() {
		all = append(all, strings.TrimPrefix(path, workflows))
	}
	slices.Sort(all)
	return all
}

func requireFake(t *testing.T) (*kubefake.Server, *argoServer) {
	t.Helper()
	s := newFake(t)
	require.NotNil(t, s)
	return s, newArgoServer(t, s)
}

// serverFunc is an argo-server that does what act does.
func serverFunc(tb testing.TB, act func(r *http.Request) error) *workflow.Server {
	tb.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := act(r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, "{}")
	}))
	tb.Cleanup(s.Close)
	transport := &http.Transport{}
	tb.Cleanup(transport.CloseIdleConnections)
	return &workflow.Server{URL: s.URL, Client: &http.Client{Transport: transport}}
}
