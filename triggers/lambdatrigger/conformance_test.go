package lambdatrigger_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/lambdatrigger"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

func TestConformance(t *testing.T) {
	broken := map[string]hearken.Trigger{
		"Client":       &lambdatrigger.Trigger{FunctionName: "hello", Payload: hearken.PayloadFunc(payload)},
		"FunctionName": &lambdatrigger.Trigger{Client: fake(nil), Payload: hearken.PayloadFunc(payload)},
	}
	for name, trigger := range map[string]*lambdatrigger.Trigger{
		// A timeout is Permanent without RetryTimeouts: TestTimeout.
		"RequestResponse": {RetryTimeouts: true},
		"Event":           {InvocationType: types.InvocationTypeEvent, FiringPath: "firing"},
	} {
		t.Run(name, func(t *testing.T) {
			triggertest.Run(t, triggertest.Harness{
				New: func(tb testing.TB) triggertest.Target {
					return target(tb, &lambdatrigger.Trigger{
						InvocationType: trigger.InvocationType, RetryTimeouts: trigger.RetryTimeouts, FiringPath: trigger.FiringPath,
					})
				},
				Needs:  pod(),
				Broken: broken,
			})
		})
	}
}

// service answers Invoke as Lambda would for a function that does nothing, and
// keeps the keys of the firings.
type service struct {
	refuses, hangs atomic.Bool
	reached, end   chan struct{}

	mu   sync.Mutex
	keys []string
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.keys = append(s.keys, key(r, body))
	s.mu.Unlock()
	switch {
	case s.hangs.Load():
		s.reached <- struct{}{}
		select {
		case <-s.end:
		case <-r.Context().Done():
		}
	case s.refuses.Load():
		w.Header().Set("X-Amzn-ErrorType", "TooManyRequestsException")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"Reason":"CallerRateLimitExceeded","Type":"User","message":"Rate Exceeded."}`)
	case r.Header.Get("X-Amz-Invocation-Type") == "Event":
		w.WriteHeader(http.StatusAccepted)
	default:
		w.Header().Set("X-Amz-Executed-Version", "$LATEST")
		_, _ = io.WriteString(w, "null")
	}
}

// key returns the firing's ID of a request.
func key(r *http.Request, body []byte) string {
	var found struct {
		Firing string
		Custom struct{ Firing string }
	}
	text, err := base64.StdEncoding.DecodeString(r.Header.Get("X-Amz-Client-Context"))
	if err != nil {
		return err.Error()
	}
	if len(text) == 0 {
		text = body
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return err.Error()
	}
	return found.Firing + found.Custom.Firing
}

func target(tb testing.TB, trigger *lambdatrigger.Trigger) triggertest.Target {
	tb.Helper()
	s := &service{reached: make(chan struct{}, 1), end: make(chan struct{})}
	server := httptest.NewServer(s)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		close(s.end)
		server.Close()
	})
	trigger.Client = lambda.New(options(server.URL, transport))
	trigger.FunctionName = "hello"
	trigger.Payload = hearken.PayloadFunc(payload)
	return triggertest.Target{
		Trigger: trigger,
		Keys: func() []string {
			s.mu.Lock()
			defer s.mu.Unlock()
			return append([]string(nil), s.keys...)
		},
		Refuse: func() func() {
			s.refuses.Store(true)
			return func() { s.refuses.Store(false) }
		},
		Hang: func() <-chan struct{} {
			s.hangs.Store(true)
			return s.reached
		},
		Away:  server.Close,
		Close: transport.CloseIdleConnections,
	}
}
