//go:build aws

package sqssource_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/hearken-go/hearken/sources/sqssource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// visibility is short, to be waited for, and long enough for a busy machine to
// extend it in time.
const visibility = 6 * time.Second

// witness is a client that remembers what SQS was told of each message.
type witness struct {
	*sqs.Client
	mu       sync.Mutex
	messages map[string]string // by receipt handle
	outcomes map[string]sourcetest.Outcome
	produced map[int]string
}

func (w *witness) tell(message string, o sourcetest.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outcomes[message] = o
}

func (w *witness) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, opts ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	out, err := w.Client.ReceiveMessage(ctx, in, opts...)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range out.Messages {
		w.messages[*m.ReceiptHandle] = *m.MessageId
	}
	return out, nil
}

func (w *witness) DeleteMessageBatch(ctx context.Context, in *sqs.DeleteMessageBatchInput, opts ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	out, err := w.Client.DeleteMessageBatch(ctx, in, opts...)
	if err == nil && len(out.Failed) == 0 {
		for _, e := range in.Entries {
			w.tell(w.of(e.ReceiptHandle), sourcetest.Settled)
		}
	}
	return out, err
}

func (w *witness) ChangeMessageVisibilityBatch(ctx context.Context, in *sqs.ChangeMessageVisibilityBatchInput, opts ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	out, err := w.Client.ChangeMessageVisibilityBatch(ctx, in, opts...)
	for _, e := range in.Entries {
		if err == nil && e.VisibilityTimeout == 0 {
			w.tell(w.of(e.ReceiptHandle), sourcetest.Later)
		}
	}
	return out, err
}

func (w *witness) of(handle *string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.messages[*handle]
}

// upstreamOn is a source on a new queue of a server.
func upstreamOn(server, endpoint, suffix string, number *atomic.Int64) func(testing.TB) sourcetest.Upstream {
	return func(t testing.TB) sourcetest.Upstream {
		transport := &http.Transport{}
		client := newClient(endpoint, &http.Client{Transport: transport})
		q := newQueueUnderTest(t, client, fmt.Sprintf("conformance-%d", number.Add(1)), suffix)
		w := &witness{Client: client, messages: map[string]string{}, outcomes: map[string]sourcetest.Outcome{}, produced: map[int]string{}}
		source := &sqssource.Source{Client: w, Queue: q.url, Visibility: visibility, Wait: time.Second}
		if server == "moto" {
			source.Pollers = 1 // it gives one message to two receives at once
		}
		return sourcetest.Upstream{
			Source:    source,
			CloseIdle: transport.CloseIdleConnections,
			Produce: func(ctx context.Context, n int) error {
				in := &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: aws.String(fmt.Sprintf(`{"n":%d}`, n))}
				if suffix != "" {
					in.MessageGroupId, in.MessageDeduplicationId = aws.String(fmt.Sprint("group", n)), aws.String(fmt.Sprint(n))
				}
				w.mu.Lock() // so that it is not told of before it is known
				defer w.mu.Unlock()
				out, err := client.SendMessage(ctx, in)
				if err == nil {
					w.produced[n] = *out.MessageId
				}
				return err
			},
			Outcome: func(n int) sourcetest.Outcome { return w.outcome(q, n) },
		}
	}
}

// outcome looks into the dead-letter queue too.
func (w *witness) outcome(q *queueUnderTest, n int) sourcetest.Outcome {
	w.mu.Lock()
	id := w.produced[n]
	o := w.outcomes[id]
	w.mu.Unlock()
	if o == sourcetest.Settled || o == sourcetest.Refused {
		return o
	}
	out, err := w.Client.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{QueueUrl: &q.dead, MaxNumberOfMessages: 10})
	if err != nil {
		return o
	}
	for _, m := range out.Messages {
		w.tell(*m.MessageId, sourcetest.Refused)
		if *m.MessageId == id {
			o = sourcetest.Refused
		}
	}
	return o
}

func TestConformanceOnServers(t *testing.T) {
	t.Parallel()
	var number atomic.Int64
	for _, s := range started {
		for _, suffix := range []string{"", ".fifo"} {
			t.Run(s.Kind.Name+suffix, func(t *testing.T) {
				t.Parallel()
				sourcetest.Run(t, sourcetest.Harness{New: upstreamOn(s.Kind.Name, s.Endpoint, suffix, &number), Concurrent: true, Wait: time.Minute})
			})
		}
	}
}

// TestFullBusOnServers keeps the bus full for longer than two visibilities.
func TestFullBusOnServers(t *testing.T) {
	for _, suffix := range []string{"", ".fifo"} {
		onServers(t, func(t *testing.T, server string, c *sqs.Client) {
			q := newQueueUnderTest(t, c, "full", suffix)
			const groups, each = "abcde", 12
			for n := range each {
				for _, g := range groups {
					in := &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: aws.String(fmt.Sprintf("%c%02d", g, n))}
					if suffix != "" {
						in.MessageGroupId, in.MessageDeduplicationId = aws.String(string(g)), in.MessageBody
					}
					_, err := c.SendMessage(t.Context(), in)
					require.NoError(t, err)
				}
			}
			rec := &sourcetest.Recorder{Then: fails(errFull, 2*visibility+2*time.Second)}
			source := &sqssource.Source{Client: c, Queue: q.url, Visibility: visibility, Wait: time.Second}
			if server == "moto" {
				source.Pollers = 1 // it gives one message to two receives at once
			}
			ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
			defer stop()
			ended := make(chan error)
			go func() { ended <- source.Run(ctx, rec.Output()) }()
			events, err := rec.Wait(ctx, len(groups)*each)
			require.NoError(t, err)
			stop()
			require.NoError(t, <-ended)

			bodies := bodies(events)
			for _, e := range events {
				assert.Equal(t, "1", field(e, "attributes.ApproximateReceiveCount"))
			}
			if suffix != "" {
				ordered(t, bodies)
			}
			assert.Len(t, uniq(bodies), len(groups)*each, "each once")
			assert.Empty(t, q.waiting(1, 1), "all are deleted")
			q.url = q.dead
			assert.Empty(t, q.waiting(0, 1))
			assert.Nil(t, source.Report().Trouble)
		})
	}
}

// TestHandOverOnServers has a second consumer take over what a first one held.
func TestHandOverOnServers(t *testing.T) {
	onServers(t, func(t *testing.T, _ string, c *sqs.Client) {
		q := newQueueUnderTest(t, c, "handover", "")
		id := q.send("held")
		rec := &sourcetest.Recorder{Then: func(context.Context, hearken.Event) error { return errAway }}
		source := &sqssource.Source{Client: c, Queue: q.url, Visibility: visibility, Wait: time.Second}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- source.Run(ctx, rec.Output()) }()
		_, err := rec.WaitAttempts(ctx, 1)
		require.NoError(t, err)
		assert.Empty(t, q.waiting(int32(visibility.Seconds())+5, 1), "beyond its visibility")
		stop()
		require.NoError(t, <-ended)
		m := q.receive(nil)
		require.Len(t, m, 1, "at once")
		assert.Equal(t, []string{id, "2"}, []string{*m[0].MessageId, m[0].Attributes["ApproximateReceiveCount"]})
	})
}

func uniq(all []string) map[string]bool {
	set := map[string]bool{}
	for _, s := range all {
		set[s] = true
	}
	return set
}
