//go:build kubernetes

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
	"github.com/hearken-go/hearken/examples/internal/cluster"
	"github.com/hearken-go/hearken/examples/internal/program"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// policed is a line of the example.
type policed struct{ Namespace, Team string }

// namespace creates one of a team, or of none.
func namespace(t *testing.T, c *cluster.Cluster, name, team string) {
	t.Helper()
	labels := map[string]any{}
	if team != "" {
		labels["team"] = team
	}
	c.Create(t, "v1", "Namespace", map[string]any{"name": name, "labels": labels}, nil)
}

func policies(t *testing.T, c *cluster.Cluster, namespace string) []string {
	t.Helper()
	var names []string
	for _, o := range c.List(t, "networking.k8s.io/v1", "NetworkPolicy", namespace) {
		names = append(names, o.GetName())
	}
	return names
}

// probe returns the status of a probe, or 0 while nobody answers.
func probe(p *program.Process, path string) int {
	res, err := http.Get("http://" + p.Addr + path)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func awaitReady(t *testing.T, p *program.Process) {
	t.Helper()
	require.Eventually(t, func() bool { return probe(p, "/readyz") == http.StatusOK }, time.Minute, 20*time.Millisecond)
	assert.Equal(t, http.StatusOK, probe(p, "/healthz"))
}

// gate stands before the API server and holds what is to create policies.
type gate struct {
	arrived, open chan struct{}
	kubeconfig    string
}

func newGate(t *testing.T, c *cluster.Cluster) *gate {
	t.Helper()
	client, err := c.NewClient()
	require.NoError(t, err)
	target, err := url.Parse(c.URL())
	require.NoError(t, err)
	g := &gate{arrived: make(chan struct{}, 10), open: make(chan struct{})}
	proxy := &httputil.ReverseProxy{
		Transport: client.Transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Set("Authorization", "Bearer "+c.Token("admin"))
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/networkpolicies") {
			g.arrived <- struct{}{}
			<-g.open
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.CloseClientConnections)
	g.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(g.kubeconfig, fmt.Appendf(nil, "apiVersion: v1\nkind: Config\ncurrent-context: gate\n"+
		"contexts: [{name: gate, context: {cluster: gate}}]\nclusters: [{name: gate, cluster: {server: %q}}]\n", server.URL), 0o600))
	return g
}

func TestStopsWithTheFiringUnderWayFinished(t *testing.T) {
	c := cluster.Start(t)
	g := newGate(t, c)
	dir := t.TempDir()
	start := func() *program.Process { return program.Start(t, "-data", dir, "-kubeconfig", g.kubeconfig) }

	p := start()
	awaitReady(t, p)
	namespace(t, c, "nobodys", "")
	namespace(t, c, "shop", "web")
	<-g.arrived
	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool { return probe(p, "/readyz") == http.StatusInternalServerError },
		time.Minute, 5*time.Millisecond, "no longer ready, and still there")
	assert.Empty(t, policies(t, c, "shop"), "the firing is under way")
	close(g.open)
	var line policed
	p.Line(t, &line)
	assert.Equal(t, policed{"shop", "web"}, line)
	p.NoLine(t)
	require.NoError(t, p.Wait(), "a clean end")
	assert.Equal(t, []string{"default-deny"}, policies(t, c, "shop"))
	assert.Empty(t, policies(t, c, "nobodys"))

	p = start()
	namespace(t, c, "next", "web")
	p.Line(t, &line)
	assert.Equal(t, policed{"next", "web"}, line, "what was finished is not fired again")
	p.Interrupt(t)
	p.NoLine(t)
	assert.NoError(t, p.Wait())
}

func TestREADME(t *testing.T) {
	c := cluster.Start(t)
	p := program.Start(t, "-data", t.TempDir())
	for _, command := range program.Commands(t, "go run ./examples/internal/apply ") {
		c.Do(t, command)
	}
	got := make([]policed, 2)
	p.Line(t, &got[0])
	p.Line(t, &got[1])
	assert.ElementsMatch(t, []policed{{"shop", "web"}, {"billing", "money"}}, got)
	p.Interrupt(t)
	p.NoLine(t)
	assert.NoError(t, p.Wait())
}

// replicas are processes on one NATS server.
type replicas struct {
	bus   *natsbus.Bus
	url   string
	flags []string
	lines chan policed
}

func newReplicas(t *testing.T, flags ...string) *replicas {
	t.Helper()
	s, err := embedded.Start(t.Context(), embedded.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Shutdown(context.WithoutCancel(t.Context()))) })
	conn, err := s.Connect()
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	b, err := natsbus.Open(t.Context(), conn, natsbus.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, b.Close(context.WithoutCancel(t.Context()))) })
	return &replicas{bus: b, url: s.URL(), flags: flags, lines: make(chan policed, 100)}
}

// replica is one of them.
type replica struct {
	*program.Process
	read chan struct{} // closed when all its lines have been read
}

// start starts one and returns when it is ready.
func (r *replicas) start(t *testing.T) replica {
	t.Helper()
	p := program.Start(t, append(r.flags, "-nats", r.url)...)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for p.Lines.Scan() {
			var line policed
			if json.Unmarshal(p.Lines.Bytes(), &line) != nil {
				line.Namespace = p.Lines.Text()
			}
			r.lines <- line
		}
	}()
	awaitReady(t, p)
	return replica{p, read}
}

// end stops it as Ctrl-C does.
func (r replica) end(t *testing.T) {
	t.Helper()
	r.Interrupt(t)
	<-r.read
	assert.NoError(t, r.Wait())
}

// settled waits until the bus knows that all is done: what is not, when a replica
// is killed, another does again.
func (r *replicas) settled(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		groups, err := r.bus.Groups(t.Context())
		return err == nil && len(groups) == 1 && groups[0].Backlog == 0
	}, time.Minute, 20*time.Millisecond)
}

// expect expects a line for each namespace and no other, and a policy in each.
func (r *replicas) expect(t *testing.T, c *cluster.Cluster, namespaces ...string) {
	t.Helper()
	var got []string
	for range namespaces {
		select {
		case line := <-r.lines:
			got = append(got, line.Namespace)
		case <-time.After(time.Minute):
			require.Fail(t, "too few", "%v of %v", got, namespaces)
		}
	}
	assert.ElementsMatch(t, namespaces, got)
	for _, ns := range namespaces {
		assert.Equal(t, []string{"default-deny"}, policies(t, c, ns), ns)
	}
}

func many(t *testing.T, c *cluster.Cluster, prefix string) []string {
	t.Helper()
	names := make([]string, 20)
	for i := range names {
		names[i] = fmt.Sprint(prefix, "-", i)
		namespace(t, c, names[i], "web")
	}
	return names
}

func TestReplicasShare(t *testing.T) {
	for _, flags := range [][]string{nil, {"-leader"}} {
		t.Run(fmt.Sprint(flags), func(t *testing.T) {
			c := cluster.Start(t)
			r := newReplicas(t, flags...)
			there := many(t, c, "there")
			first := r.start(t)
			r.expect(t, c, there...) // so with -leader it leads
			second := r.start(t)
			r.expect(t, c, many(t, c, "both")...)

			first.end(t)
			r.expect(t, c, many(t, c, "second")...)
			first = r.start(t)
			r.settled(t)
			second.Kill(t)
			r.expect(t, c, many(t, c, "first")...)
			first.end(t)
			assert.Empty(t, r.lines, "one event each")
		})
	}
}
