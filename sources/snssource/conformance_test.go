package snssource_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearken-go/hearken/sources/snssource"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/assert"
)

// sender posts messages, as SNS does, and remembers the answers.
type sender struct {
	t  testing.TB
	do func(*http.Request) (status int, retryAfter string, err error)

	mu       sync.Mutex
	sent     sync.WaitGroup
	outcomes map[int]sourcetest.Outcome
}

func (s *sender) produce(_ context.Context, n int) error {
	body := notify(fmt.Sprintf(`{"n":%d}`, n)).with("MessageId", fmt.Sprintf("message-%d", n)).signed(s.t)
	r := post(body)
	s.tell(n, sourcetest.Pending)
	s.sent.Go(func() { s.tell(n, s.post(r)) })
	return nil
}

func (s *sender) post(r *http.Request) sourcetest.Outcome {
	status, retryAfter, err := s.do(r)
	switch {
	case err != nil, status == http.StatusServiceUnavailable && retryAfter != "":
		return sourcetest.Later
	case status == http.StatusOK:
		return sourcetest.Settled
	case status/100 == 4:
		return sourcetest.Refused
	default:
		return sourcetest.Pending // no answer that the package promises
	}
}

func (s *sender) tell(n int, o sourcetest.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes[n] = o
}

func (s *sender) outcome(n int) sourcetest.Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outcomes[n]
}

func (s *sender) upstream(source *snssource.Source) sourcetest.Upstream {
	s.outcomes = map[int]sourcetest.Outcome{}
	s.t.Cleanup(s.sent.Wait)
	return sourcetest.Upstream{Source: source, Produce: s.produce, Resend: s.produce, Outcome: s.outcome}
}

func direct(t testing.TB) sourcetest.Upstream {
	source := source(newSNS(t, nil))
	s := &sender{t: t, do: func(r *http.Request) (int, string, error) {
		w := send(source, r)
		return w.Code, w.Header().Get("Retry-After"), nil
	}}
	return s.upstream(source)
}

func overHTTP(t testing.TB) sourcetest.Upstream {
	source := source(newSNS(t, nil))
	server := httptest.NewServer(source)
	t.Cleanup(server.Close)
	s := &sender{t: t, do: func(r *http.Request) (int, string, error) {
		r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(server.URL, "http://")
		resp, err := server.Client().Do(r)
		if err != nil {
			return 0, "", err
		}
		assert.NoError(t, resp.Body.Close())
		return resp.StatusCode, resp.Header.Get("Retry-After"), nil
	}}
	return s.upstream(source)
}

func TestSourceKeepsTheContract(t *testing.T) {
	t.Run("in process", func(t *testing.T) {
		sourcetest.Run(t, sourcetest.Harness{New: direct, Concurrent: true, Bubble: true})
	})
	t.Run("over HTTP", func(t *testing.T) {
		sourcetest.Run(t, sourcetest.Harness{New: overHTTP, Concurrent: true, Quiet: 20 * time.Millisecond})
	})
}
