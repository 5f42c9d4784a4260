package sqssource_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What SQS documents, and a server that stands in for it may get wrong. Each is
// tried by the SDK, so that errors are what its deserialisers make of them.
type behaviour struct {
	name  string
	queue string // appended to the name: ".fifo"
	check func(q *queueUnderTest)
}

// queueUnderTest is a new queue with a dead-letter queue after two receives.
type queueUnderTest struct {
	t testing.TB
	*sqs.Client
	url, dead string
}

func newQueueUnderTest(t testing.TB, c *sqs.Client, name, suffix string) *queueUnderTest {
	t.Helper()
	create := func(name string, attributes map[string]string) string {
		if suffix != "" {
			attributes["FifoQueue"] = "true"
		}
		out, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(name + suffix), Attributes: attributes})
		require.NoError(t, err)
		return *out.QueueUrl
	}
	dead := create(name+"-dead", map[string]string{})
	attributes, err := c.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &dead, AttributeNames: []types.QueueAttributeName{"QueueArn"}})
	require.NoError(t, err)
	url := create(name, map[string]string{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"2"}`, attributes.Attributes["QueueArn"])})
	return &queueUnderTest{t, c, url, dead}
}

func (q *queueUnderTest) send(body string) string {
	q.t.Helper()
	in := &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: &body}
	if strings.HasSuffix(q.url, ".fifo") {
		in.MessageGroupId, in.MessageDeduplicationId = aws.String(body[:1]), aws.String("id-"+body[:2])
	}
	out, err := q.SendMessage(q.t.Context(), in)
	require.NoError(q.t, err)
	return *out.MessageId
}

func (q *queueUnderTest) receive(set func(in *sqs.ReceiveMessageInput)) []types.Message {
	q.t.Helper()
	in := &sqs.ReceiveMessageInput{
		QueueUrl: &q.url, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"SentTimestamp", "ApproximateReceiveCount", "MessageGroupId", "AWSTraceHeader"},
	}
	if set != nil {
		set(in)
	}
	out, err := q.ReceiveMessage(q.t.Context(), in)
	require.NoError(q.t, err)
	return out.Messages
}

// waiting polls for so many seconds for what it hides for so many seconds.
func (q *queueUnderTest) waiting(wait, visibility int32) []types.Message {
	q.t.Helper()
	return q.receive(func(in *sqs.ReceiveMessageInput) { in.WaitTimeSeconds, in.VisibilityTimeout = wait, visibility })
}

func texts(messages []types.Message) []string {
	var texts []string
	for _, m := range messages {
		texts = append(texts, aws.ToString(m.Body))
	}
	return texts
}

func (q *queueUnderTest) change(m types.Message, seconds int32) error {
	_, err := q.ChangeMessageVisibility(q.t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &q.url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds})
	return err
}

func (q *queueUnderTest) deleteBatch(handles ...*string) (*sqs.DeleteMessageBatchOutput, error) {
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &q.url, Entries: []types.DeleteMessageBatchRequestEntry{}}
	for i, h := range handles {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: h})
	}
	return q.DeleteMessageBatch(q.t.Context(), in)
}

// code returns the code of an error of SQS.
func code(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return fmt.Sprint(err)
	}
	return api.ErrorCode()
}

func behaviours() []behaviour {
	return []behaviour{
		{"a long poll wakes on arrival", "", func(q *queueUnderTest) {
			sent := make(chan struct{})
			time.AfterFunc(300*time.Millisecond, func() {
				defer close(sent)
				q.send("hello")
			})
			defer func() { <-sent }()
			began := time.Now()
			assert.Equal(q.t, []string{"hello"}, texts(q.waiting(20, 30)))
			assert.Less(q.t, time.Since(began), 15*time.Second)
		}},
		{"a long poll ends empty", "", func(q *queueUnderTest) {
			began := time.Now()
			assert.Empty(q.t, q.waiting(1, 30))
			assert.Greater(q.t, time.Since(began), 300*time.Millisecond)
			assert.Less(q.t, time.Since(began), 15*time.Second)
		}},
		{"a message is hidden and comes again, counted", "", func(q *queueUnderTest) {
			id := q.send("hello")
			for n := 1; n <= 2; n++ {
				m := q.waiting(20, 6)
				require.Len(q.t, m, 1)
				assert.Equal(q.t, id, *m[0].MessageId)
				assert.Equal(q.t, fmt.Sprint(n), m[0].Attributes["ApproximateReceiveCount"])
				if n == 1 {
					assert.Empty(q.t, q.receive(nil))
				}
			}
		}},
		{"the trace header of X-Ray is handed on", "", func(q *queueUnderTest) {
			header := aws.String("Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1")
			_, err := q.SendMessage(q.t.Context(), &sqs.SendMessageInput{
				QueueUrl: &q.url, MessageBody: aws.String("hello"),
				MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: aws.String("String"), StringValue: header}},
			})
			require.NoError(q.t, err)
			m := q.waiting(20, 30)
			require.Len(q.t, m, 1)
			assert.Equal(q.t, *header, m[0].Attributes["AWSTraceHeader"])
		}},
		{"a long poll wakes for what becomes visible", "", func(q *queueUnderTest) {
			q.send("hello")
			q.waiting(0, 1)
			began := time.Now()
			assert.Len(q.t, q.waiting(20, 30), 1)
			assert.Less(q.t, time.Since(began), 15*time.Second)
		}},
		{"visibility 0 in a batch gives back at once", "", func(q *queueUnderTest) {
			q.send("hello")
			m := q.waiting(0, 30)
			require.Len(q.t, m, 1)
			out, err := q.ChangeMessageVisibilityBatch(q.t.Context(), &sqs.ChangeMessageVisibilityBatchInput{
				QueueUrl: &q.url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{{Id: aws.String("0"), ReceiptHandle: m[0].ReceiptHandle}},
			})
			require.NoError(q.t, err)
			assert.Len(q.t, out.Successful, 1)
			assert.Len(q.t, q.receive(nil), 1)
		}},
		{"visibility is extended", "", func(q *queueUnderTest) {
			q.send("hello")
			m := q.waiting(0, 6)
			require.Len(q.t, m, 1)
			require.NoError(q.t, q.change(m[0], 15))
			assert.Empty(q.t, q.waiting(7, 30))
			assert.Len(q.t, q.waiting(20, 30), 1)
		}},
		{"an old receipt handle deletes nothing", "", func(q *queueUnderTest) {
			q.send("hello")
			old := q.waiting(0, 1)
			require.Len(q.t, old, 1)
			now := q.waiting(20, 30)
			require.Len(q.t, now, 1)
			_, err := q.deleteBatch(old[0].ReceiptHandle)
			require.NoError(q.t, err)
			require.NoError(q.t, q.change(now[0], 0), "it is still there")
		}},
		{"too many receives move to the dead-letter queue", "", func(q *queueUnderTest) {
			id := q.send("poison")
			for range 2 {
				require.Len(q.t, q.waiting(20, 1), 1)
			}
			assert.Empty(q.t, q.waiting(3, 1))
			q.url = q.dead
			m := q.waiting(20, 30)
			require.Len(q.t, m, 1)
			assert.Equal(q.t, id, *m[0].MessageId)
		}},
		{"the dead-letter queue goes on counting", "", func(q *queueUnderTest) {
			q.send("poison")
			for range 2 {
				require.Len(q.t, q.waiting(20, 1), 1)
			}
			q.waiting(3, 1)
			q.url = q.dead
			m := q.waiting(20, 30)
			require.Len(q.t, m, 1)
			assert.Equal(q.t, "3", m[0].Attributes["ApproximateReceiveCount"])
		}},
		{"a batch fails by entry", "", func(q *queueUnderTest) {
			q.send("hello")
			m := q.waiting(0, 30)
			require.Len(q.t, m, 1)
			out, err := q.deleteBatch(m[0].ReceiptHandle, aws.String("made up"))
			require.NoError(q.t, err)
			require.Len(q.t, out.Successful, 1)
			require.Len(q.t, out.Failed, 1)
			assert.Equal(q.t, "0", *out.Successful[0].Id)
			assert.Equal(q.t, []any{"1", "ReceiptHandleIsInvalid", true}, []any{*out.Failed[0].Id, *out.Failed[0].Code, out.Failed[0].SenderFault})
		}},
		{"deleting again succeeds", "", func(q *queueUnderTest) {
			q.send("hello")
			m := q.waiting(0, 30)
			for range 2 {
				out, err := q.deleteBatch(m[0].ReceiptHandle)
				require.NoError(q.t, err)
				assert.Len(q.t, out.Successful, 1)
			}
		}},
		{"a missing queue is a typed error", "", func(q *queueUnderTest) {
			var missing *types.QueueDoesNotExist
			_, err := q.GetQueueUrl(q.t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("missing")})
			require.ErrorAs(q.t, err, &missing)
			_, err = q.ReceiveMessage(q.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(q.url + "missing")})
			require.ErrorAs(q.t, err, &missing)
		}},
		{"errors have the codes of older protocols too", "", func(q *queueUnderTest) {
			_, err := q.GetQueueUrl(q.t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("missing")})
			assert.Equal(q.t, "AWS.SimpleQueueService.NonExistentQueue", code(err))
		}},
		{"visibility beyond 12 hours is refused", "", func(q *queueUnderTest) {
			q.send("hello")
			m := q.waiting(0, 30)
			require.Len(q.t, m, 1)
			require.NoError(q.t, q.change(m[0], 43_190))
			assert.Equal(q.t, "InvalidParameterValue", code(q.change(m[0], 43_201)))
		}},
		{"visibility beyond 12 hours from the receive is refused", "", func(q *queueUnderTest) {
			q.send("hello")
			m := q.waiting(0, 30)
			require.Len(q.t, m, 1)
			<-time.After(1100 * time.Millisecond)
			assert.Equal(q.t, "InvalidParameterValue", code(q.change(m[0], 43_200)))
		}},
		{"visibility of what is not held is refused", "", func(q *queueUnderTest) {
			q.send("hello")
			m := q.waiting(0, 30)
			require.Len(q.t, m, 1)
			require.NoError(q.t, q.change(m[0], 0))
			assert.Contains(q.t, code(q.change(m[0], 30)), "MessageNotInflight")
		}},
		{"an empty batch is refused", "", func(q *queueUnderTest) {
			_, err := q.deleteBatch()
			assert.Contains(q.t, code(err), "EmptyBatchRequest")
		}},
		{"a batch of eleven is refused", "", func(q *queueUnderTest) {
			many := make([]*string, 11)
			for i := range many {
				many[i] = aws.String(fmt.Sprint("x", i))
			}
			_, err := q.deleteBatch(many...)
			assert.Contains(q.t, code(err), "TooManyEntriesInBatchRequest")
		}},
		{"attributes come along", "", func(q *queueUnderTest) {
			_, err := q.SendMessage(q.t.Context(), &sqs.SendMessageInput{
				QueueUrl: &q.url, MessageBody: aws.String("hello"), MessageAttributes: map[string]types.MessageAttributeValue{
					"kind": {DataType: aws.String("String"), StringValue: aws.String("order")},
					"raw":  {DataType: aws.String("Binary"), BinaryValue: []byte{1, 255}},
				},
			})
			require.NoError(q.t, err)
			m := q.receive(nil)
			require.Len(q.t, m, 1)
			assert.Equal(q.t, "order", *m[0].MessageAttributes["kind"].StringValue)
			assert.Equal(q.t, []byte{1, 255}, m[0].MessageAttributes["raw"].BinaryValue)
			assert.NotEmpty(q.t, m[0].Attributes["SentTimestamp"])
			assert.NotContains(q.t, m[0].Attributes, "SenderId", "which was not asked for")
		}},
		{"a message of 1 MiB is taken", "", func(q *queueUnderTest) {
			q.send(strings.Repeat("x", 1<<20))
			assert.Len(q.t, q.receive(nil), 1)
		}},
		{"a message of more is refused", "", func(q *queueUnderTest) {
			_, err := q.SendMessage(q.t.Context(), &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: aws.String(strings.Repeat("x", 1<<20+1))})
			assert.Equal(q.t, "InvalidParameterValue", code(err))
		}},
		{"a held group is locked", ".fifo", func(q *queueUnderTest) {
			for _, body := range []string{"a1", "a2", "b1"} {
				q.send(body)
			}
			first := q.receive(func(in *sqs.ReceiveMessageInput) { in.MaxNumberOfMessages, in.VisibilityTimeout = 1, 3 })
			assert.Equal(q.t, []string{"a1"}, texts(first))
			assert.Equal(q.t, "a", first[0].Attributes["MessageGroupId"])
			assert.Equal(q.t, []string{"b1"}, texts(q.waiting(0, 30)))
			assert.Equal(q.t, []string{"a1", "a2"}, texts(q.waiting(20, 30)))
		}},
		{"a group comes in order in one receive", ".fifo", func(q *queueUnderTest) {
			for _, body := range []string{"a1", "a2", "a3"} {
				q.send(body)
			}
			assert.Equal(q.t, []string{"a1", "a2", "a3"}, texts(q.waiting(0, 30)))
		}},
		{"a duplicate is dropped", ".fifo", func(q *queueUnderTest) {
			q.send("a1")
			q.send("a1 again")
			assert.Equal(q.t, []string{"a1"}, texts(q.waiting(0, 30)))
		}},
		{"a duplicate has the id of the first", ".fifo", func(q *queueUnderTest) {
			assert.Equal(q.t, q.send("a1"), q.send("a1 again"))
		}},
		{"a receive that is made again gives the same", ".fifo", func(q *queueUnderTest) {
			q.send("a1")
			again := func(in *sqs.ReceiveMessageInput) { in.ReceiveRequestAttemptId = aws.String("one") }
			first := q.receive(again)
			require.Len(q.t, first, 1)
			second := q.receive(again)
			require.Len(q.t, second, 1)
			assert.Equal(q.t, *first[0].ReceiptHandle, *second[0].ReceiptHandle)
			assert.Empty(q.t, q.receive(nil))
		}},
		{"deleting what is held no longer is refused", ".fifo", func(q *queueUnderTest) {
			q.send("a1")
			m := q.waiting(0, 1)
			require.Len(q.t, m, 1)
			<-time.After(1100 * time.Millisecond)
			out, err := q.deleteBatch(m[0].ReceiptHandle)
			require.NoError(q.t, err)
			require.Len(q.t, out.Failed, 1)
			assert.Equal(q.t, "InvalidParameterValue", *out.Failed[0].Code)
		}},
	}
}

func TestTheServerInTheProcess(t *testing.T) {
	for _, b := range behaviours() {
		t.Run(b.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &awstest.SQS{}
				b.check(newQueueUnderTest(t, newClient("http://sqs.test", s.Client()), "q", b.queue))
			})
		})
	}
}
