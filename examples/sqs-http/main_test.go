package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/hearken-go/hearken/examples/internal/program"
	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// patience is how long hundreds of messages may take on a machine that has much else
// to do, when each waits for up to half a minute until it is tried again.
const patience = 3 * time.Minute

// endpoint is what messages are posted to. It keeps them by idempotency key.
type endpoint struct {
	*httptest.Server
	mu       sync.Mutex
	status   int // other than 200
	posts    int
	messages map[string]string
	twice    []string // what came under one key and differed
}

func newEndpoint(t *testing.T) *endpoint {
	e := &endpoint{messages: map[string]string{}}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.posts++
	if err != nil || e.status != 0 {
		w.WriteHeader(e.status)
		return
	}
	key := r.Header.Get("Idempotency-Key")
	if m, ok := e.messages[key]; ok && m != string(body) {
		e.twice = append(e.twice, string(body))
	}
	e.messages[key] = string(body)
}

// answer has the endpoint answer with a status from now on; zero: with 200.
func (e *endpoint) answer(status int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status = status
}

// wait waits until there were as many posts, and as many messages that it took.
func (e *endpoint) wait(t *testing.T, posts, messages int) {
	t.Helper()
	require.Eventually(t, func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.posts >= posts && len(e.messages) >= messages
	}, patience, 5*time.Millisecond, "lost")
}

// has expects just these messages, each under one key.
func (e *endpoint) has(t *testing.T, want ...string) {
	t.Helper()
	e.wait(t, 0, len(want))
	e.mu.Lock()
	defer e.mu.Unlock()
	var got []string
	for _, m := range e.messages {
		got = append(got, m)
	}
	assert.ElementsMatch(t, want, got)
	assert.Empty(t, e.twice)
}

// queue is one that the example polls.
type queue struct {
	*sqs.Client
	url string
}

// reach leads the example, and the test, to a server, where it makes a client.
func reach(t *testing.T, server string) *sqs.Client {
	t.Helper()
	t.Setenv("AWS_ENDPOINT_URL_SQS", server)
	t.Setenv("AWS_REGION", awstest.Region)
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	cfg, err := config.LoadDefaultConfig(t.Context())
	require.NoError(t, err)
	return sqs.NewFromConfig(cfg)
}

func create(t *testing.T, c *sqs.Client, name string) *queue {
	t.Helper()
	out, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	require.NoError(t, err)
	return &queue{c, *out.QueueUrl}
}

func (q *queue) send(t *testing.T, bodies ...string) {
	t.Helper()
	for len(bodies) > 0 {
		n := min(len(bodies), 10)
		in := &sqs.SendMessageBatchInput{QueueUrl: &q.url}
		for i, b := range bodies[:n] {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(b)})
		}
		out, err := q.SendMessageBatch(t.Context(), in)
		require.NoError(t, err)
		require.Empty(t, out.Failed)
		bodies = bodies[n:]
	}
}

// left returns how many messages are in the queue, those included that are held.
func (q *queue) left(t *testing.T) (n int) {
	t.Helper()
	out, err := q.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
	}})
	require.NoError(t, err)
	require.Len(t, out.Attributes, 2)
	for _, text := range out.Attributes {
		count, err := strconv.Atoi(text)
		require.NoError(t, err)
		n += count
	}
	return n
}

// end waits until the queue is empty, and ends the example: what a killed one had
// posted and not deleted comes again, and is deleted then.
func (q *queue) end(t *testing.T, p *program.Process) {
	t.Helper()
	require.Eventually(t, func() bool { return q.left(t) == 0 }, patience, 20*time.Millisecond, "left in the queue")
	p.End(t)
}

// numbered returns n messages.
func numbered(n int) (bodies []string) {
	for i := range n {
		bodies = append(bodies, fmt.Sprintf(`{"n":%d}`, i))
	}
	return bodies
}

func start(t *testing.T, flags ...string) *program.Process {
	t.Helper()
	return program.Run(t, append(flags, "-wait", "1s")...)
}

// killedTwice kills the example while messages are on their way from the queue to
// the bus, and while they wait on the bus since the endpoint is down.
func killedTwice(t *testing.T, c *sqs.Client) {
	q, e := create(t, c, "orders"), newEndpoint(t)
	flags := []string{"-data", t.TempDir(), "-visibility", "2s", "-to", e.URL}
	bodies := numbered(600)
	q.send(t, bodies[:300]...)

	p := start(t, flags...)
	e.wait(t, 150, 150)
	p.Kill(t)
	t.Log(q.left(t), "of 300 messages were left in the queue by the first kill")

	e.answer(http.StatusServiceUnavailable)
	q.send(t, bodies[300:]...)
	p = start(t, flags...)
	e.mu.Lock()
	posts := e.posts
	e.mu.Unlock()
	e.wait(t, posts+1, 0)
	p.Kill(t)

	e.answer(0)
	p = start(t, flags...)
	e.has(t, bodies...)
	q.end(t, p)
}

func TestKilledTwiceLosesNothing(t *testing.T) {
	killedTwice(t, reach(t, new(awstest.SQS).Start(t)))
}

func TestWaitsForTheQueue(t *testing.T) {
	c, e := reach(t, new(awstest.SQS).Start(t)), newEndpoint(t)
	p := start(t, "-data", "", "-queue", "late", "-to", e.URL)
	p.Logged(t, "queue does not exist")
	q := create(t, c, "late")
	q.send(t, "no JSON", `{"a":[1,2]}`)
	e.has(t, `"no JSON"`, `{"a":[1,2]}`)
	q.end(t, p)
}

func TestWhatTheEndpointRefusesIsNotPostedAgain(t *testing.T) {
	c, e := reach(t, new(awstest.SQS).Start(t)), newEndpoint(t)
	q := create(t, c, "orders")
	p := start(t, "-data", "", "-to", e.URL)
	e.answer(http.StatusBadRequest)
	q.send(t, `"bad"`)
	p.Logged(t, "event dead-lettered")
	e.answer(0)
	q.send(t, `{"good":1}`)
	e.has(t, `{"good":1}`)
	q.end(t, p)
	assert.Equal(t, 2, e.posts)
}

func TestSaysThatThereIsNoRegion(t *testing.T) {
	reach(t, new(awstest.SQS).Start(t))
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_CONFIG_FILE", "none")
	p := start(t, "-data", "")
	assert.Error(t, p.Wait())
	p.Logged(t, "set AWS_REGION")
}

// The README sends a message without the SDK.
func TestREADME(t *testing.T) {
	server := new(awstest.SQS).Start(t)
	create(t, reach(t, server), "orders")
	commands := program.Commands(t, "curl ")
	require.Len(t, commands, 1)
	parts := regexp.MustCompile(`^curl -H '(.*?): (.*?)' -d '(.*)' 127\.0\.0\.1:9324$`).FindStringSubmatch(commands[0])
	require.NotNil(t, parts, commands[0])
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server, strings.NewReader(parts[3]))
	require.NoError(t, err)
	req.Header.Set(parts[1], parts[2])
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)

	e := newEndpoint(t)
	p := start(t, "-data", "", "-to", e.URL)
	e.has(t, `{"message":"hello"}`)
	p.End(t)
}
