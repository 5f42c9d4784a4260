package httptrigger_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/httptrigger"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

var push = &hearken.Dependency{EventSource: &hearken.EventSource{Name: "git", Event: "push"}}

// firing returns a firing over one push event.
func firing(t testing.TB) hearken.Firing {
	t.Helper()
	e, err := hearken.NewEvent("commit", "42", map[string]string{"branch": "main"})
	require.NoError(t, err)
	return triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{push: e})
}

// seen is a request as a sink got it.
type seen struct {
	*http.Request
	body string
}

// sink is a server that keeps its requests and answers as answer says; 204
// where that is nil.
type sink struct {
	*httptest.Server

	mu       sync.Mutex
	requests []seen
	conns    int
}

func newSink(t testing.TB, answer http.HandlerFunc) *sink {
	s := unstarted(t, answer)
	s.Start()
	return s
}

func newTLSSink(t testing.TB, answer http.HandlerFunc) *sink {
	s := unstarted(t, answer)
	// What a client that does not trust it makes the server log.
	s.Config.ErrorLog = discard()
	s.StartTLS()
	return s
}

func unstarted(t testing.TB, answer http.HandlerFunc) *sink {
	s := &sink{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client has gone
		}
		s.mu.Lock()
		s.requests = append(s.requests, seen{r, string(body)})
		s.mu.Unlock()
		if answer == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		answer(w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.conns++
		}
	}
	t.Cleanup(s.Close)
	return s
}

func (s *sink) all() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]seen(nil), s.requests...)
}

// only returns the one request that the sink got.
func (s *sink) only(t testing.TB) seen {
	t.Helper()
	all := s.all()
	require.Len(t, all, 1)
	return all[0]
}

func (s *sink) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// use returns tr after arranging that its connections end with the test.
func use(t testing.TB, tr *httptrigger.Trigger) *httptrigger.Trigger {
	t.Helper()
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}
