package sqstrigger_test

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/awstest"
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

// group is a group that is always the same.
func group(hearken.Firing) (string, error) { return "g", nil }

func newClient(url string, client *http.Client) *sqs.Client { return sqs.New(options(url, client)) }

func options(url string, client *http.Client) sqs.Options {
	return sqs.Options{
		BaseEndpoint: &url,
		Region:       awstest.Region,
		HTTPClient:   client,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}, nil
		}),
	}
}

// sent is what a SendMessage holds, as the protocol names it.
type sent struct {
	QueueUrl, MessageBody, MessageGroupId, MessageDeduplicationId string
	DelaySeconds                                                  int
	MessageAttributes                                             map[string]struct{ DataType, StringValue string }
}

// recorder keeps what is sent to an SQS, refused or not.
type recorder struct {
	mu   sync.Mutex
	sent []sent
}

func (r *recorder) add(input json.RawMessage) error {
	var s sent
	if err := json.Unmarshal(input, &s); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, s)
	return nil
}

func (r *recorder) all() []sent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]sent(nil), r.sent...)
}
