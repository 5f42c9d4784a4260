package eventbridgetrigger_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

func push() *hearken.Dependency {
	return &hearken.Dependency{Name: "push", EventSource: &hearken.EventSource{Name: "git", Event: "push"}}
}

func firing(tb testing.TB, data string) hearken.Firing {
	tb.Helper()
	e, err := hearken.NewEvent("commit", "42", []byte(data))
	require.NoError(tb, err)
	return triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{push(): e})
}

// payload sends the event's data.
func payload(f hearken.Firing) ([]byte, error) {
	e, err := f.Event(push())
	if err != nil {
		return nil, err
	}
	return e.Data(), nil
}

// text is a payload that is always the same.
func text(s string) hearken.Payload {
	return hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return []byte(s), nil })
}

func newClient(url string, client *http.Client) *eventbridge.Client {
	return eventbridge.New(options(url, client))
}

func options(url string, client *http.Client) eventbridge.Options {
	return eventbridge.Options{
		BaseEndpoint: &url,
		Region:       "us-east-1",
		HTTPClient:   client,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}, nil
		}),
	}
}

// entry is an event as PutEvents takes it.
type entry struct {
	EventBusName, Source, DetailType, Detail string
	Resources                                []string
	TraceHeader                              *string
}

// key returns the firing's ID of an event.
func (e entry) key() string {
	var detail struct{ Firing string }
	if err := json.Unmarshal([]byte(e.Detail), &detail); err != nil {
		return err.Error()
	}
	return detail.Firing
}

// answer is what a bus says in the place of having taken an event.
type answer struct {
	status int
	body   string
}

// bus answers PutEvents in the JSON protocol, with the bodies that AWS
// documents, and keeps what was put.
type bus struct {
	mu      sync.Mutex
	put     []entry
	answers *answer
	holds   func(r *http.Request) // called before the answer
}

func (s *bus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct{ Entries []entry }
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	if err != nil || r.Header.Get("X-Amz-Target") != "AWSEvents.PutEvents" || len(in.Entries) != 1 {
		http.Error(w, "no PutEvents of one event", http.StatusTeapot)
		return
	}
	s.mu.Lock()
	s.put = append(s.put, in.Entries...)
	answers, holds := s.answers, s.holds
	s.mu.Unlock()
	if holds != nil {
		holds(r)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if answers != nil {
		w.WriteHeader(answers.status)
		fmt.Fprint(w, answers.body)
		return
	}
	fmt.Fprint(w, `{"FailedEntryCount":0,"Entries":[{"EventId":"11710aed-b79e-4468-a20b-bb3c0c3b4860"}]}`)
}

func (s *bus) set(answers *answer, holds func(r *http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers, s.holds = answers, holds
}

// all returns what was put, refused or not.
func (s *bus) all() []entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]entry(nil), s.put...)
}

// failed is an answer that says that the event was not taken.
func failed(code, message string) *answer {
	return &answer{200, fmt.Sprintf(`{"FailedEntryCount":1,"Entries":[{"ErrorCode":%q,"ErrorMessage":%q}]}`, code, message)}
}

// refused is an answer that says that the request was not taken.
func refused(status int, code, message string) *answer {
	return &answer{status, fmt.Sprintf(`{"__type":%q,"message":%q}`, code, message)}
}
