package sqssource_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/hearken-go/hearken/sources/sqssource"
	"github.com/stretchr/testify/assert"
)

const benchPollers = 4

// contestant takes all messages of a queue until ctx ends, and calls done for
// the event of each that it will not be given again.
type contestant func(ctx context.Context, c sqssource.Client, queue string, done func(e hearken.Event))

// bySource takes them by a Source.
func bySource(ctx context.Context, c sqssource.Client, queue string, done func(hearken.Event)) {
	source := &sqssource.Source{Client: c, Queue: queue, Pollers: benchPollers, Wait: time.Second}
	emit := func(_ context.Context, e hearken.Event) error {
		done(e)
		return nil
	}
	_ = source.Run(ctx, hearken.Output{Emit: emit, Logger: quiet()})
}

// byHand is the loop that one writes: receive ten, handle them, delete them in one
// call.
func byHand(ctx context.Context, c sqssource.Client, queue string, done func(hearken.Event)) {
	var pollers sync.WaitGroup
	for range benchPollers {
		pollers.Go(func() {
			for ctx.Err() == nil {
				out, err := c.ReceiveMessage(context.WithoutCancel(ctx), &sqs.ReceiveMessageInput{
					QueueUrl: &queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, MessageAttributeNames: []string{"All"},
					MessageSystemAttributeNames: []types.MessageSystemAttributeName{"SentTimestamp", "ApproximateReceiveCount", "MessageGroupId"},
				})
				if err != nil || len(out.Messages) == 0 {
					continue
				}
				in := &sqs.DeleteMessageBatchInput{QueueUrl: &queue}
				for i, m := range out.Messages {
					if e, err := hearken.NewEvent("sqs", *m.MessageId, map[string]any{"body": json.RawMessage(*m.Body)}); err == nil {
						done(e)
					}
					in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
				}
				_, _ = c.DeleteMessageBatch(context.WithoutCancel(ctx), in)
			}
		})
	}
	pollers.Wait()
}

// counter counts the calls that messages need: of receives, those that bring some.
type counter struct {
	sqssource.Client
	calls atomic.Int64
}

func (c *counter) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, opts ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	out, err := c.Client.ReceiveMessage(ctx, in, opts...)
	if err == nil && len(out.Messages) > 0 {
		c.calls.Add(1)
	}
	return out, err
}

func (c *counter) DeleteMessageBatch(ctx context.Context, in *sqs.DeleteMessageBatchInput, opts ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	c.calls.Add(1)
	return c.Client.DeleteMessageBatch(ctx, in, opts...)
}

// trialOf has a contestant take so many messages, and returns how long it took to
// the last and how many calls they needed.
func trialOf(ctx context.Context, take contestant, s *awstest.SQS, client sqssource.Client, messages int) (took time.Duration, calls int) {
	queue := s.CreateQueue("q", nil)
	for n := range messages {
		s.Send("q", fmt.Sprintf(`{"n":%d,"text":"%0200d"}`, n, n), "")
	}
	c := &counter{Client: client}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var left atomic.Int64
	left.Store(int64(messages))
	began := time.Now()
	take(ctx, c, queue, func(hearken.Event) {
		if left.Add(-1) == 0 {
			took = time.Since(began)
			stop()
		}
	})
	return took, int(c.calls.Load())
}

// TestCalls counts what both need for the same messages.
func TestCalls(t *testing.T) {
	calls := func(t *testing.T, take contestant) (n int) {
		t.Helper()
		bubble(t, "q", func(t *testing.T, w *world) {
			_, n = trialOf(t.Context(), take, w.SQS, w.source.Client, 1000)
			assert.Empty(t, w.Messages("q"))
		})
		return n
	}
	source, hand := calls(t, bySource), calls(t, byHand)
	assert.LessOrEqual(t, source, hand)
	assert.Equal(t, 200, hand)
}

// BenchmarkSource has both take the same messages in turn: over the loopback,
// where processor time is all there is, and with the time that a call to AWS
// takes. Ratios are those of the rounds.
func BenchmarkSource(b *testing.B) {
	b.Run("loopback", func(b *testing.B) { compare(b, 20_000, 0) })
	b.Run("5ms", func(b *testing.B) { compare(b, 2_000, 5*time.Millisecond) })
}

func compare(b *testing.B, messages int, latency time.Duration) {
	s := &awstest.SQS{}
	s.Intercept(func(_ context.Context, _ awstest.Call, next func() error) error {
		time.Sleep(latency)
		return next()
	})
	c := newClient(s.Start(b), nil)
	figures := map[string][]float64{}
	figure := func(unit string, value float64) { figures[unit] = append(figures[unit], value) }
	for b.Loop() {
		hand, handCalls := trialOf(b.Context(), byHand, s, c, messages)
		source, sourceCalls := trialOf(b.Context(), bySource, s, c, messages)
		figure("events/s", float64(messages)/source.Seconds())
		figure("limit-events/s", float64(messages)/hand.Seconds())
		figure("x-events/s", hand.Seconds()/source.Seconds())
		figure("calls/event", float64(sourceCalls)/float64(messages))
		figure("limit-calls/event", float64(handCalls)/float64(messages))
	}
	b.ReportMetric(0, "ns/op") // of both, and of the waits at their ends
	for unit, all := range figures {
		slices.Sort(all)
		b.ReportMetric(all[len(all)/2], unit)
	}
}
