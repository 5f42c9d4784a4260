package snstrigger_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

const topicARN = "arn:aws:sns:us-east-1:123456789012:builds"

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

// group is a group that is always the same.
func group(hearken.Firing) (string, error) { return "g", nil }

func newClient(url string, client *http.Client) *sns.Client { return sns.New(options(url, client)) }

func options(url string, client *http.Client) sns.Options {
	return sns.Options{
		BaseEndpoint: &url,
		Region:       "us-east-1",
		HTTPClient:   client,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}, nil
		}),
	}
}

// refusal is an error as the query protocol says it.
type refusal struct {
	status        int
	code, message string
}

// topic answers Publish in the query protocol, with the bodies that AWS
// documents, and keeps what was asked.
type topic struct {
	mu      sync.Mutex
	asked   []url.Values
	refuses func() *refusal
	holds   func(r *http.Request) // called before the answer
}

func (s *topic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.asked = append(s.asked, r.PostForm)
	refuses, holds := s.refuses, s.holds
	s.mu.Unlock()
	if holds != nil {
		holds(r)
	}
	w.Header().Set("Content-Type", "text/xml")
	if refuses != nil {
		if e := refuses(); e != nil {
			w.WriteHeader(e.status)
			fmt.Fprintf(w, `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>%s</Code>`+
				`<Message>%s</Message></Error><RequestId>b16c5e7b-1d1e-5d3e-9c1a-0f0f0f0f0f0f</RequestId></ErrorResponse>`, e.code, e.message)
			return
		}
	}
	fmt.Fprint(w, `<PublishResponse xmlns="https://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>`+
		`<MessageId>567910cd-659e-55d4-8ccb-5aaf14679dc0</MessageId></PublishResult>`+
		`<ResponseMetadata><RequestId>d74b8436-ae13-5ab4-a9ff-ce54dfea72a0</RequestId></ResponseMetadata></PublishResponse>`)
}

func (s *topic) set(refuses func() *refusal, holds func(r *http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuses, s.holds = refuses, holds
}

// all returns what was asked.
func (s *topic) all() []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]url.Values(nil), s.asked...)
}

// attribute returns the value of a message attribute of a request.
func attribute(form url.Values, name string) string {
	for key, values := range form {
		if entry, ok := strings.CutSuffix(key, ".Name"); ok && strings.HasPrefix(key, "MessageAttributes.entry.") && values[0] == name {
			return form.Get(entry+".Value.DataType") + ":" + form.Get(entry+".Value.StringValue")
		}
	}
	return ""
}
