package awstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Account and Region are those of an SQS.
const (
	Account = "000000000000"
	Region  = "us-east-1"
)

// SQS is a small Amazon SQS in the process: an http.Handler of its JSON
// protocol. The zero value is ready to use. All methods may be called
// concurrently; time is package time's.
type SQS struct {
	// URL is what the URLs of queues begin with. Empty: http://sqs.test, or where
	// Start serves it.
	URL string

	mu        sync.Mutex
	queues    map[string]*queue
	calls     map[string]int
	sent      int
	intercept func(ctx context.Context, c Call, next func() error) error
	failEntry func(operation, message string) *Error
}

// Call is one call of an operation.
type Call struct {
	// Operation is its name, such as ReceiveMessage.
	Operation string
	// Number counts the calls of the operation, from 1.
	Number int
	// Queue is the name of the queue it is about, or empty.
	Queue string
	// Input is what was sent.
	Input json.RawMessage
}

// Start serves s on a free port of the loopback until the test ends, and returns
// its URL, an endpoint for the SDK.
func (s *SQS) Start(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.URL = server.URL
	return server.URL
}

// Client returns a client that calls s in this process, whatever the host of a
// request: nothing of it is a network, so that it works under testing/synctest.
func (s *SQS) Client() *http.Client { return &http.Client{Transport: InProcess(s)} }

// Intercept stands f around each call from now on; nil: nothing. f may wait,
// return an error (an *Error, ErrLost, or any other: a 500) instead of calling
// next, or call next and return another error: then it was done, and said to
// have failed.
func (s *SQS) Intercept(f func(ctx context.Context, c Call, next func() error) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intercept = f
}

// FailEntries asks f for the failure of each entry of a batch, by the
// operation and the id of the message (of SendMessageBatch: of the entry); nil:
// none. f is called by one goroutine at a time, and must not call s.
func (s *SQS) FailEntries(f func(operation, message string) *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failEntry = f
}

// Calls returns how often an operation was called, those included that were
// made to fail.
func (s *SQS) Calls(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}

// AllCalls returns the calls by operation.
func (s *SQS) AllCalls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// operation does one operation of the protocol.
type operation func(ctx context.Context, s *SQS, input []byte) (any, error)

func operations(name string) operation {
	switch name {
	case "CreateQueue":
		return decoded((*SQS).createQueue)
	case "DeleteQueue":
		return decoded((*SQS).deleteQueue)
	case "GetQueueUrl":
		return decoded((*SQS).getQueueURL)
	case "GetQueueAttributes":
		return decoded((*SQS).getQueueAttributes)
	case "SetQueueAttributes":
		return decoded((*SQS).setQueueAttributes)
	case "SendMessage":
		return decoded((*SQS).sendMessage)
	case "SendMessageBatch":
		return decoded((*SQS).sendMessageBatch)
	case "ReceiveMessage":
		return decoded((*SQS).receiveMessage)
	case "DeleteMessage":
		return decoded((*SQS).deleteMessage)
	case "DeleteMessageBatch":
		return decoded((*SQS).deleteMessageBatch)
	case "ChangeMessageVisibility":
		return decoded((*SQS).changeMessageVisibility)
	case "ChangeMessageVisibilityBatch":
		return decoded((*SQS).changeMessageVisibilityBatch)
	}
	return nil
}

func decoded[In any](do func(s *SQS, ctx context.Context, in In) (any, error)) operation {
	return func(ctx context.Context, s *SQS, input []byte) (any, error) {
		var in In
		if err := json.Unmarshal(input, &in); err != nil {
			return nil, failure("SerializationException", err.Error())
		}
		return do(s, ctx, in)
	}
}

// ServeHTTP answers one call.
func (s *SQS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	input, err := io.ReadAll(r.Body)
	if err != nil {
		failure("SerializationException", err.Error()).write(w)
		return
	}
	name := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	do := operations(name)
	if do == nil || r.Method != http.MethodPost {
		failure("UnknownOperationException", fmt.Sprintf("%s %q", r.Method, name)).write(w)
		return
	}
	output, err := s.call(r.Context(), name, input, do)
	switch {
	case errors.Is(err, ErrLost):
		panic(http.ErrAbortHandler) //nolint:forbidigo // how a handler cuts a connection
	case err != nil:
		asError(err).write(w)
	default:
		writeJSON(w, http.StatusOK, output)
	}
}

// call counts a call and does it, with what stands around it.
func (s *SQS) call(ctx context.Context, name string, input []byte, do operation) (any, error) {
	var about struct{ QueueUrl, QueueName string }
	_ = json.Unmarshal(input, &about) // the operation says so
	if about.QueueName == "" {
		_, about.QueueName = splitURL(about.QueueUrl)
	}
	s.mu.Lock()
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[name]++
	c := Call{Operation: name, Number: s.calls[name], Queue: about.QueueName, Input: input}
	intercept := s.intercept
	s.mu.Unlock()

	var output any
	next := func() (err error) {
		output, err = do(ctx, s, input)
		return err
	}
	if intercept == nil {
		return output, next()
	}
	err := intercept(ctx, c, next)
	return output, err
}

// queueAt returns the queue of a URL. s.mu is held.
func (s *SQS) queueAt(url string) (*queue, error) {
	account, name := splitURL(url)
	q := s.queues[account+"/"+name]
	if q == nil {
		return nil, failure("QueueDoesNotExist", "The specified queue does not exist.")
	}
	return q, nil
}

// splitURL returns the account and the name that a queue's URL ends with.
func splitURL(url string) (account, name string) {
	parts := strings.Split(url, "/")
	if len(parts) < 2 {
		return "", url
	}
	return parts[len(parts)-2], parts[len(parts)-1]
}

// Message is a message of a queue as it stands.
type Message struct {
	ID, Body, Group string
	Receives        int  // its receive count
	Visible         bool // it would be received now
}

// Messages returns what is in a queue, by its name, in the order it was sent.
func (s *SQS) Messages(name string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[Account+"/"+name]
	if q == nil {
		return nil
	}
	return q.all()
}

// Queues returns the names of the queues.
func (s *SQS) Queues() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, q := range s.queues {
		names = append(names, q.name)
	}
	slices.Sort(names)
	return names
}
