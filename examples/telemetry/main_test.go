package main

import (
	"context"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// example is the program, running.
type example struct {
	mu   sync.Mutex
	text strings.Builder // what it printed
	url  string
	stop context.CancelFunc
	done chan error
}

func start(t *testing.T) *example {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	x := &example{url: "http://" + l.Addr().String(), stop: stop, done: make(chan error, 1)}
	go func() { x.done <- run(ctx, l, x) }()
	t.Cleanup(stop)
	require.Eventually(t, func() bool { return x.get("/readyz") == http.StatusOK }, time.Minute, time.Millisecond)
	for _, path := range []string{"/image", "/tests"} { // each begins on its own
		require.Eventually(t, func() bool { return x.get(path) == http.StatusMethodNotAllowed }, time.Minute, time.Millisecond)
	}
	return x
}

func (x *example) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.Write(p)
}

func (x *example) printed() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.String()
}

func (x *example) get(path string) int {
	res, err := http.Get(x.url + path)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func (x *example) post(t *testing.T, path, body, traceparent string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, x.url+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Traceparent", traceparent)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
}

// end stops the program and returns what it printed, without what differs from
// run to run.
func (x *example) end(t *testing.T) string {
	t.Helper()
	x.stop()
	require.NoError(t, <-x.done)
	return regexp.MustCompile(` +[0-9.]+(µs|ms|s)\b|in [0-9.]+`).ReplaceAllString(x.printed(), "")
}

// From either request to what the trigger calls it is one trace with a link in it.
func TestFromTheRequestToTheTrigger(t *testing.T) {
	x := start(t)
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "-00f067aa0ba902b7-01"
	x.post(t, "/image", `{"commit":"4ac7"}`, "00-"+trace+parent)
	x.post(t, "/tests", `{"commit":"4ac7"}`, "00-"+trace+parent)
	require.Eventually(t, func() bool { return strings.Contains(x.printed(), "deployed") }, time.Minute, time.Millisecond)
	tree, metrics, _ := strings.Cut(x.end(t), "\nmetrics\n") // what is under way is finished first
	_, tree, _ = strings.Cut(tree, "\ntrace "+trace+"\n")
	assert.Equal(t, `POST /image (server)
  emit webhook/image (producer)
    ~ linked: fire deploy (consumer)
      POST /deploy (client)
        POST /deploy (server)

trace 4bf92f3577b34da6a3ce929d0e0e4736
POST /tests (server)
  emit webhook/tests (producer)
    ~ linked: fire deploy (consumer), shown above
`, strings.TrimRight(tree, "\n")+"\n")
	for _, line := range []string{
		`hearken.events.emitted{event="image",event_source="webhook",outcome="stored"} 1 {event}`,
		`hearken.events.matched{dependency="image",event="image",event_source="webhook",sensor="deploy"} 1 {event}`,
		`hearken.joins.joined{action="deploy",sensor="deploy"} 1 {event}`,
		`hearken.joins.pending{action="deploy",sensor="deploy"} 0 {event}`,
		`hearken.firings.fired{action="deploy",sensor="deploy"} 1 {firing}`,
		`hearken.firing.duration{action="deploy",outcome="fired",sensor="deploy"} 1  s`,
		`hearken.event.latency{action="deploy",outcome="fired",sensor="deploy"} 1  s`,
		`hearken.events.in_flight{sensor="deploy"} 0 {event}`,
	} {
		assert.Contains(t, strings.Split(metrics, "\n"), line)
	}
}

// A firing of two events stands below both, with its own below the first.
func TestForestOfAJoin(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	span := func(id, parent, traceID byte, name string, links ...byte) tracetest.SpanStub {
		context := func(id, traceID byte) oteltrace.SpanContext {
			return oteltrace.NewSpanContext(oteltrace.SpanContextConfig{SpanID: oteltrace.SpanID{id}, TraceID: oteltrace.TraceID{traceID}})
		}
		s := tracetest.SpanStub{Name: name, SpanContext: context(id, traceID), StartTime: began.Add(time.Duration(id)), EndTime: began.Add(time.Second)}
		if parent > 0 {
			s.Parent = context(parent, traceID)
		}
		for _, l := range links {
			s.Links = append(s.Links, trace.Link{SpanContext: context(l, l)})
		}
		return s
	}
	fire := span(3, 0, 3, "fire", 1, 2)
	fire.Events = []trace.Event{{Name: "attempt failed"}}
	fire.Status = trace.Status{Code: codes.Error, Description: "broken"}
	f := new(forest)
	require.NoError(t, f.ExportSpans(t.Context(), tracetest.SpanStubs{
		span(4, 3, 3, "dead_letter", 1), fire, span(2, 0, 2, "emit b"), span(1, 0, 1, "emit a"),
	}.Snapshots()))
	var out strings.Builder
	require.NoError(t, f.print(&out))
	assert.Equal(t, `
trace 01000000000000000000000000000000
emit a (unspecified) 1s
  ~ linked: fire (unspecified) 1s error: broken
    ! attempt failed
    dead_letter (unspecified) 1s
  ~ linked: dead_letter (unspecified), shown above

trace 02000000000000000000000000000000
emit b (unspecified) 1s
  ~ linked: fire (unspecified), shown above
`, regexp.MustCompile(` +([1e])`).ReplaceAllString(out.String(), " $1"))
}
