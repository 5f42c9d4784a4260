package webhook_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/hearken-go/hearken/sources/webhook"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var topic = bus.Topic{EventSource: "hooks", Event: "example"}

// start runs s into rec until the test ends, and returns once requests are let
// in.
func start(t testing.TB, s *webhook.Source, rec *sourcetest.Recorder) {
	t.Helper()
	rec.Topic = topic
	run(t, s, rec.Output())
}

func run(t testing.TB, s *webhook.Source, out hearken.Output) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, out) }()
	for send(s, httptest.NewRequestWithContext(ctx, "PROBE", "/", nil)).Code == http.StatusServiceUnavailable {
		select {
		case err := <-ended:
			t.Fatalf("Run ended: %v", err)
		default:
			runtime.Gosched()
		}
	}
	var stopped bool
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			assert.NoError(t, <-ended)
		}
	}
	t.Cleanup(stop)
	return stop
}

func send(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// post returns a POST request. An empty content type sends none.
func post(contentType, body string) *http.Request {
	return request(http.MethodPost, "/", contentType, body)
}

func request(method, target, contentType, body string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), method, target, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

// open returns a Source that lets anybody send.
func open() *webhook.Source {
	return &webhook.Source{Verify: webhook.AllowUnauthenticated}
}

// only returns the one event that rec has stored.
func only(t testing.TB, rec *sourcetest.Recorder) hearken.Event {
	t.Helper()
	events := rec.Events()
	require.Len(t, events, 1)
	return events[0]
}

func text(t testing.TB, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	return string(b)
}
