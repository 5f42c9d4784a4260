package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/hearken-go/hearken/sources/webhook"
	"github.com/stretchr/testify/assert"
)

const githubKey = "It's a Secret to Everybody"

// sender posts happenings, as GitHub does, and remembers the answers.
type sender struct {
	do func(*http.Request) (status int, retryAfter string, err error)

	mu       sync.Mutex
	sent     sync.WaitGroup
	outcomes map[int]sourcetest.Outcome
}

func (s *sender) send(ctx context.Context, n int) error {
	body := fmt.Sprintf(`{"n":%d}`, n)
	// The kit ends ctx when Produce returns; the request goes on.
	r, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, "http://webhook.test/", strings.NewReader(body))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(githubKey))
	mac.Write([]byte(body))
	r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	r.Header.Set("X-GitHub-Delivery", fmt.Sprintf("delivery-%d", n))
	r.Header.Set("Content-Type", "application/json")
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

func (s *sender) upstream(t testing.TB, source *webhook.Source) sourcetest.Upstream {
	s.outcomes = map[int]sourcetest.Outcome{}
	t.Cleanup(s.sent.Wait)
	return sourcetest.Upstream{Source: source, Produce: s.send, Resend: s.send, Outcome: s.outcome}
}

// direct calls the source's handler in a bubble.
func direct(source *webhook.Source) func(testing.TB) sourcetest.Upstream {
	return func(t testing.TB) sourcetest.Upstream {
		source := &webhook.Source{Verify: source.Verify}
		s := &sender{do: func(r *http.Request) (int, string, error) {
			w := send(source, r)
			return w.Code, w.Header().Get("Retry-After"), nil
		}}
		return s.upstream(t, source)
	}
}

// overHTTP sends requests to a real server.
func overHTTP(t testing.TB) sourcetest.Upstream {
	source := &webhook.Source{Verify: webhook.GitHub(githubKey)}
	server := httptest.NewServer(source)
	t.Cleanup(server.Close)
	s := &sender{do: func(r *http.Request) (int, string, error) {
		r.URL.Host = strings.TrimPrefix(server.URL, "http://")
		resp, err := server.Client().Do(r)
		if err != nil {
			return 0, "", err
		}
		assert.NoError(t, resp.Body.Close())
		return resp.StatusCode, resp.Header.Get("Retry-After"), nil
	}}
	return s.upstream(t, source)
}

func TestSourceKeepsTheContract(t *testing.T) {
	t.Run("by deliveries", func(t *testing.T) {
		source := &webhook.Source{Verify: webhook.GitHub(githubKey)}
		sourcetest.Run(t, sourcetest.Harness{New: direct(source), Concurrent: true, Bubble: true})
	})
	t.Run("anonymous", func(t *testing.T) {
		sourcetest.Run(t, sourcetest.Harness{New: direct(open()), Concurrent: true, Bubble: true, Anonymous: true})
	})
	t.Run("over HTTP", func(t *testing.T) {
		sourcetest.Run(t, sourcetest.Harness{New: overHTTP, Concurrent: true, Quiet: 20 * time.Millisecond})
	})
}
