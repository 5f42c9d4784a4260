package sqssource_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/hearken-go/hearken/sources/sqssource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// odd is a client whose answers are changed. Fields may be nil.
type odd struct {
	sqssource.Client
	received func(*sqs.ReceiveMessageOutput)
	deleted  func(*sqs.DeleteMessageBatchOutput)
	extended func(*sqs.ChangeMessageVisibilityBatchOutput)
	silent   func() bool // about a batch: nothing is done, and nothing is said
}

func changed[T any](out *T, err error, change func(*T)) (*T, error) {
	if err == nil && change != nil {
		change(out)
	}
	return out, err
}

func (c *odd) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, opts ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	out, err := c.Client.ReceiveMessage(ctx, in, opts...)
	return changed(out, err, c.received)
}

func (c *odd) DeleteMessageBatch(ctx context.Context, in *sqs.DeleteMessageBatchInput, opts ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	if c.silent != nil && c.silent() {
		return changed(new(sqs.DeleteMessageBatchOutput), nil, c.deleted)
	}
	out, err := c.Client.DeleteMessageBatch(ctx, in, opts...)
	return changed(out, err, c.deleted)
}

func (c *odd) ChangeMessageVisibilityBatch(ctx context.Context, in *sqs.ChangeMessageVisibilityBatchInput, opts ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	if c.silent != nil && c.silent() {
		return changed(new(sqs.ChangeMessageVisibilityBatchOutput), nil, c.extended)
	}
	out, err := c.Client.ChangeMessageVisibilityBatch(ctx, in, opts...)
	return changed(out, err, c.extended)
}

func TestMessagesThatLackFields(t *testing.T) {
	for name, c := range map[string]struct {
		strip func(m *types.Message)
		want  string
	}{
		"id":         {func(m *types.Message) { m.MessageId = nil }, `{"messageId":"","messageAttributes":{},"attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"946684800000"},"body":"x"}`},
		"body":       {func(m *types.Message) { m.Body = nil }, `{"messageId":"00000001-0000-4000-8000-000000000001","messageAttributes":{},"attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"946684800000"},"body":""}`},
		"attributes": {func(m *types.Message) { m.Attributes = nil }, `{"messageId":"00000001-0000-4000-8000-000000000001","messageAttributes":{},"attributes":{},"body":"x"}`},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, "q", func(t *testing.T, w *world) {
				w.source.Client = &odd{Client: w.source.Client, received: func(out *sqs.ReceiveMessageOutput) {
					for i := range out.Messages {
						c.strip(&out.Messages[i])
					}
				}}
				w.Send("q", "x", "")
				w.start()
				assert.Equal(t, c.want, string(w.events(1)[0].Data()))
				time.Sleep(time.Second)
				assert.Empty(t, w.Messages("q"))
			})
		})
	}
}

// A message without a handle is in nobody's way.
func TestMessageWithoutAReceiptHandle(t *testing.T) {
	for name, handle := range map[string]*string{"none": nil, "empty": aws.String("")} {
		t.Run(name, func(t *testing.T) {
			bubble(t, "q", func(t *testing.T, w *world) {
				strange := true
				w.source.Client = &odd{Client: w.source.Client, received: func(out *sqs.ReceiveMessageOutput) {
					for i := range out.Messages {
						if strange && *out.Messages[i].Body == "3" {
							out.Messages[i].ReceiptHandle, strange = handle, false
						}
					}
				}}
				w.rec.Then = fails(errFull, time.Minute)
				for n := range 10 {
					w.Send("q", fmt.Sprint(n), "")
				}
				w.start()
				time.Sleep(50 * time.Second) // beyond the visibility of 30 s
				require.NoError(t, w.trouble())
				assert.Equal(t, []string{"3"}, w.visible(), "the others are kept hidden")
				assert.ElementsMatch(t, strings.Split("0123456789", ""), bodies(w.events(10)))
				time.Sleep(time.Second)
				assert.Empty(t, w.Messages("q"))
				assert.Contains(t, w.log.String(), "without a receipt handle")
				assert.Equal(t, 10, w.counter("received"))
			})
		})
	}
}

func TestMessageTwiceInOneAnswer(t *testing.T) {
	for _, queue := range []string{"q", "q.fifo"} {
		t.Run(queue, func(t *testing.T) {
			bubble(t, queue, func(t *testing.T, w *world) {
				w.source.Client = &odd{Client: w.source.Client, received: func(out *sqs.ReceiveMessageOutput) {
					if len(out.Messages) > 0 {
						old := out.Messages[0]
						old.ReceiptHandle = aws.String("old")
						out.Messages = append([]types.Message{old}, out.Messages...)
					}
				}}
				for n := range 3 {
					w.Send(queue, fmt.Sprint(n), "g")
				}
				w.start()
				assert.ElementsMatch(t, []string{"0", "1", "2"}, bodies(w.events(3)))
				time.Sleep(time.Second)
				assert.Empty(t, w.Messages(queue))
				assert.Len(t, w.rec.Attempts(), 3)
				assert.NotContains(t, w.log.String(), "could not be deleted")
			})
		})
	}
}

func TestMoreMessagesThanAskedFor(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		client := w.source.Client
		w.source.Held, w.source.Pollers = 5, 1
		w.source.Client = &odd{Client: client, received: func(out *sqs.ReceiveMessageOutput) {
			for len(out.Messages) > 0 && len(out.Messages) < 23 {
				url := "http://sqs.test/" + awstest.Account + "/q"
				more, err := client.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{
					QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: 30,
					MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
				})
				if err != nil || len(more.Messages) == 0 {
					return
				}
				out.Messages = append(out.Messages, more.Messages...)
			}
		}}
		w.rec.Then = fails(errFull, 2*time.Minute)
		for n := range 30 {
			w.Send("q", fmt.Sprint(n), "")
		}
		w.start()
		time.Sleep(time.Minute)
		assert.Greater(t, w.counter("received"), 20, "at once")
		w.events(30)
		time.Sleep(time.Second)
		assert.Empty(t, w.Messages("q"))
		assert.Zero(t, w.counter("lost"), "all of them were kept hidden")
	})
}

// What an answer says nothing of may not have been done, and what it says of
// entries that nobody sent is of no interest.
func TestEntriesThatAreLeftOutOfTheAnswer(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		calls := 0
		first := func() bool { calls++; return calls == 1 }
		w.source.Client = &odd{Client: w.source.Client, silent: first, deleted: func(out *sqs.DeleteMessageBatchOutput) {
			if calls == 1 {
				for _, id := range []string{"", "7", "01", "x"} {
					out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: &id, SenderFault: true, Code: aws.String("ReceiptHandleIsInvalid")})
					out.Successful = append(out.Successful, types.DeleteMessageBatchResultEntry{Id: &id})
				}
				out.Successful = append(out.Successful, types.DeleteMessageBatchResultEntry{})
			}
		}}
		for n := range 3 {
			w.Send("q", fmt.Sprint(n), "")
		}
		w.start()
		w.events(3)
		time.Sleep(300 * time.Millisecond)
		require.ErrorContains(t, w.trouble(), "says nothing of it")
		assert.Zero(t, w.counter("deleted"))
		time.Sleep(time.Minute)
		require.NoError(t, w.trouble())
		assert.Empty(t, w.Messages("q"))
		assert.Len(t, w.rec.Attempts(), 3, "none came again")
		assert.Equal(t, 3, w.counter("deleted"))
	})
}

func TestHeartbeatsThatAreLeftOutOfTheAnswer(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		gate := &sourcetest.Gate{}
		w.rec.Then = gate.Emit
		var calls atomic.Int32
		everyOther := func() bool { return calls.Add(1)%2 == 1 }
		w.source.Client = &odd{Client: w.source.Client, silent: everyOther, extended: func(out *sqs.ChangeMessageVisibilityBatchOutput) {
			slices.Reverse(out.Successful)
		}}
		w.Send("q", "a", "")
		w.Send("q", "b", "")
		w.start()
		time.Sleep(5 * time.Minute)
		assert.Equal(t, []int{1, 1}, w.receives(), "they stay hidden")
		gate.Open()
	})
}

// A message may come again, with another handle, while its emit is under way: the
// calls of one do not spoil those of the other.
func TestHeldMessageComesAgain(t *testing.T) {
	for _, queue := range []string{"q", "q.fifo"} {
		t.Run(queue, func(t *testing.T) {
			bubble(t, queue, func(t *testing.T, w *world) {
				gate := &sourcetest.Gate{}
				w.rec.Then = gate.Emit
				w.failing("ChangeMessageVisibilityBatch", awstest.ErrLost, 40*time.Second)
				id := w.Send(queue, "held", "g")
				w.start()
				time.Sleep(5 * time.Minute)
				assert.Len(t, w.rec.Attempts(), 2)
				assert.Equal(t, []int{2}, w.receives(), "only once more")
				gate.Open()
				for _, e := range w.events(2) {
					assert.Equal(t, id, e.ID(), "so the bus drops one")
				}
				time.Sleep(time.Minute)
				assert.Empty(t, w.Messages(queue))
				require.NoError(t, w.trouble())
			})
		})
	}
}

func TestQueueThatIsMadeAnewWhileMessagesAreHeld(t *testing.T) {
	for _, queue := range []string{"q", "q.fifo"} {
		t.Run(queue, func(t *testing.T) {
			bubble(t, queue, func(t *testing.T, w *world) {
				w.rec.Then = fails(errFull, 2*time.Minute, "old")
				w.Send(queue, "old", "a")
				w.start()
				w.attempts(2)
				w.DeleteQueue(queue)
				time.Sleep(50 * time.Second)
				require.ErrorContains(t, w.trouble(), "does not exist")
				w.CreateQueue(queue, nil)
				w.Send(queue, "new", "a")
				assert.Equal(t, []string{"new"}, bodies(w.events(1)))
				time.Sleep(5 * time.Minute)
				assert.Empty(t, w.Messages(queue))
				require.NoError(t, w.trouble())
				assert.Equal(t, []int{2, 1}, []int{w.counter("received"), w.counter("lost")})
			})
		})
	}
}

// One message of a group is refused, and the pipeline ends meanwhile: what
// follows it is handed back, in order, and nothing of it is lost.
func TestGroupWithARefusedMessageOverAShutdown(t *testing.T) {
	bubble(t, "q.fifo", func(t *testing.T, w *world) {
		w.rec.Then = fails(errNever, forever, "1")
		var underWay atomic.Bool
		w.Intercept(func(_ context.Context, c awstest.Call, next func() error) error {
			if c.Operation == "ChangeMessageVisibilityBatch" {
				underWay.Store(true)
				time.Sleep(3 * time.Second)
			}
			return next()
		})
		for n := range 5 {
			w.Send("q.fifo", fmt.Sprint(n), "g")
		}
		w.start()
		w.attempts(2)
		for !underWay.Load() {
			time.Sleep(time.Millisecond)
		}
		w.finish()
		assert.Equal(t, []string{"0"}, bodies(w.events(1)))
		assert.Equal(t, []int{3, 1, 1}, []int{w.counter("handed_back"), w.counter("refused"), w.counter("deleted")})

		w.rec.Then = nil
		w.start()
		assert.Equal(t, []string{"0", "1", "2", "3", "4"}, bodies(w.events(5)))
	})
}

// That a message is held no longer, or something of an entry that nobody sent, is
// no trouble of the source's.
func TestFailuresThatAreNoTrouble(t *testing.T) {
	for name, f := range map[string]types.BatchResultErrorEntry{
		"held no longer": {Id: aws.String("0"), SenderFault: true, Code: aws.String("ReceiptHandleIsInvalid")},
		"of no entry":    {Id: aws.String("7"), Code: aws.String("InternalError")},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, "q", func(t *testing.T, w *world) {
				w.source.Client = &odd{Client: w.source.Client, deleted: func(out *sqs.DeleteMessageBatchOutput) {
					out.Failed = append(out.Failed, f)
				}}
				w.Send("q", "x", "")
				w.start()
				w.events(1)
				time.Sleep(300 * time.Millisecond)
				require.NoError(t, w.trouble())
				assert.NotContains(t, w.log.String(), "did not answer as it should")
				assert.Empty(t, w.Messages("q"))
			})
		})
	}
}

func TestMessagesWithoutIdsAreSeveral(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.source.Client = &odd{Client: w.source.Client, received: func(out *sqs.ReceiveMessageOutput) {
			for i := range out.Messages {
				out.Messages[i].MessageId = nil
			}
		}}
		w.Send("q", "a", "")
		w.Send("q", "b", "")
		w.start()
		w.events(2)
		time.Sleep(time.Second)
		assert.Empty(t, w.Messages("q"))
		assert.Equal(t, 2, w.counter("received"))
	})
}
