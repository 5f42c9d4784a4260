package awstest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

// answer is what a call came back with.
type answer struct {
	status int
	header http.Header
	gjson.Result
}

// post calls an operation with a body of JSON.
func post(ctx context.Context, t *testing.T, c *http.Client, endpoint, operation, body string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewBufferString(body))
	require.NoError(t, err)
	r.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	resp, err := c.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.True(t, json.Valid(raw), "%s", raw)
	return answer{resp.StatusCode, resp.Header, gjson.ParseBytes(raw)}
}

// world is an SQS with one queue in a bubble of time.
type world struct {
	*awstest.SQS
	t     *testing.T
	name  string
	queue string // URL
}

// bubble runs f with a queue whose messages go to the dead-letter queue after
// three receives.
func bubble(t *testing.T, name string, f func(w world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &awstest.SQS{}
		f(world{s, t, name, s.CreateQueueWithDLQ(name, 3)})
	})
}

func (w world) call(operation, fields string) answer {
	w.t.Helper()
	return post(w.t.Context(), w.t, w.Client(), "http://sqs.test/", operation, `{"QueueUrl":`+strconv.Quote(w.queue)+`,`+fields+`}`)
}

// receive returns the bodies of what there is.
func (w world) receive(fields string) (bodies, handles []string) {
	w.t.Helper()
	a := w.call("ReceiveMessage", `"MaxNumberOfMessages":10`+fields)
	require.Equal(w.t, http.StatusOK, a.status, a.Raw)
	for _, m := range a.Get("Messages").Array() {
		bodies = append(bodies, m.Get("Body").String())
		handles = append(handles, m.Get("ReceiptHandle").String())
	}
	return bodies, handles
}

func TestPollWakesOnArrival(t *testing.T) {
	bubble(t, "q", func(w world) {
		began := time.Now()
		go func() {
			time.Sleep(3 * time.Second)
			w.Send("q", "hello", "")
		}()
		bodies, _ := w.receive(`,"WaitTimeSeconds":20`)
		assert.Equal(w.t, []string{"hello"}, bodies)
		assert.Equal(w.t, 3*time.Second, time.Since(began))

		bodies, _ = w.receive(`,"WaitTimeSeconds":20`)
		assert.Empty(w.t, bodies, "it is hidden for 30 s")
		assert.Equal(w.t, 23*time.Second, time.Since(began))
		bodies, _ = w.receive(`,"WaitTimeSeconds":20`)
		assert.Equal(w.t, []string{"hello"}, bodies)
		assert.Equal(w.t, 33*time.Second, time.Since(began), "a poll wakes for what becomes visible")
		bodies, _ = w.receive("")
		assert.Empty(w.t, bodies)
		assert.Equal(w.t, 33*time.Second, time.Since(began), "a short poll does not wait")
		assert.Equal(w.t, 4, w.Calls("ReceiveMessage"))
	})
}

func TestPollEndsWithItsContext(t *testing.T) {
	bubble(t, "q", func(w world) {
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://sqs.test/", bytes.NewBufferString(`{"QueueUrl":"`+w.queue+`","WaitTimeSeconds":20}`))
		require.NoError(w.t, err)
		r.Header.Set("X-Amz-Target", "AmazonSQS.ReceiveMessage")
		resp, err := w.Client().Do(r)
		if err == nil {
			resp.Body.Close()
		}
		require.ErrorIs(w.t, err, context.DeadlineExceeded)
		w.Send("q", "kept", "")
		bodies, _ := w.receive("")
		assert.Equal(w.t, []string{"kept"}, bodies, "nobody received it for a client that was gone")
	})
}

func TestReceiveCountAndRedrive(t *testing.T) {
	bubble(t, "q", func(w world) {
		id := w.Send("q", "poison", "")
		for n := 1; n <= 3; n++ {
			a := w.call("ReceiveMessage", `"MessageSystemAttributeNames":["All"],"VisibilityTimeout":5`)
			assert.Equal(w.t, strconv.Itoa(n), a.Get("Messages.0.Attributes.ApproximateReceiveCount").String())
			assert.Equal(w.t, []awstest.Message{{ID: id, Body: "poison", Receives: n}}, w.Messages("q"))
			time.Sleep(5 * time.Second)
		}
		bodies, _ := w.receive("")
		assert.Empty(w.t, bodies)
		assert.Empty(w.t, w.Messages("q"))
		assert.Equal(w.t, []awstest.Message{{ID: id, Body: "poison", Receives: 3, Visible: true}}, w.Messages("q-dead"))
	})
}

func TestHandles(t *testing.T) {
	bubble(t, "q", func(w world) {
		w.Send("q", "a", "")
		_, first := w.receive(`,"VisibilityTimeout":1`)
		time.Sleep(time.Second)
		_, second := w.receive("")
		assert.Equal(w.t, http.StatusOK, w.call("DeleteMessage", `"ReceiptHandle":"`+first[0]+`"`).status)
		assert.Len(w.t, w.Messages("q"), 1, "an old handle deletes nothing")

		visible := func(seconds int) string { // the error
			return w.call("ChangeMessageVisibility", `"ReceiptHandle":"`+second[0]+`","VisibilityTimeout":`+strconv.Itoa(seconds)).Get("__type").String()
		}
		assert.Empty(w.t, visible(43200))
		time.Sleep(time.Hour)
		assert.Equal(w.t, "com.amazonaws.sqs#InvalidParameterValue", visible(43200), "beyond 12 hours from the receive")
		assert.Empty(w.t, visible(11*3600))
		assert.Empty(w.t, visible(0))
		assert.True(w.t, w.Messages("q")[0].Visible)
		assert.Equal(w.t, "com.amazonaws.sqs#MessageNotInflight", visible(30))
		assert.Equal(w.t, http.StatusOK, w.call("DeleteMessage", `"ReceiptHandle":"`+second[0]+`"`).status)
		assert.Empty(w.t, w.Messages("q"))
		assert.Equal(w.t, "com.amazonaws.sqs#ReceiptHandleIsInvalid", w.call("DeleteMessage", `"ReceiptHandle":"made up"`).Get("__type").String())
	})
}

func TestFIFO(t *testing.T) {
	bubble(t, "q.fifo", func(w world) {
		for _, body := range []string{"a1", "b1", "a2"} {
			w.Send("q.fifo", body, body[:1])
		}
		w.Send("q.fifo", "a1", "a") // a duplicate
		bodies, handles := w.receive(`,"VisibilityTimeout":10`)
		assert.Equal(w.t, []string{"a1", "b1", "a2"}, bodies)
		w.Send("q.fifo", "a3", "a")
		w.Send("q.fifo", "b2", "b")
		w.call("DeleteMessage", `"ReceiptHandle":"`+handles[1]+`"`)
		bodies, _ = w.receive("")
		assert.Equal(w.t, []string{"b2"}, bodies, "group a is locked while a1 is held")
		time.Sleep(10 * time.Second)
		assert.Equal(w.t, "com.amazonaws.sqs#InvalidParameterValue", w.call("DeleteMessage", `"ReceiptHandle":"`+handles[0]+`"`).Get("__type").String(), "expired")
		bodies, _ = w.receive("")
		assert.Equal(w.t, []string{"a1", "a2", "a3"}, bodies)
	})
}

func TestReceiveRequestAttemptID(t *testing.T) {
	bubble(t, "q.fifo", func(w world) {
		w.Send("q.fifo", "a1", "a")
		const attempt = `,"ReceiveRequestAttemptId":"one","VisibilityTimeout":10`
		bodies, first := w.receive(attempt)
		assert.Equal(w.t, []string{"a1"}, bodies)
		time.Sleep(9 * time.Second)
		_, again := w.receive(attempt)
		assert.Equal(w.t, first, again)
		time.Sleep(9 * time.Second)
		bodies, _ = w.receive("")
		assert.Empty(w.t, bodies, "the second receive hid it anew")
		w.call("DeleteMessage", `"ReceiptHandle":"`+first[0]+`"`)
		bodies, _ = w.receive(attempt)
		assert.Empty(w.t, bodies)
	})
}

func TestBatchesFailByEntry(t *testing.T) {
	bubble(t, "q", func(w world) {
		a := w.call("SendMessageBatch", `"Entries":[{"Id":"1","MessageBody":"x"},{"Id":"2","MessageBody":""}]`)
		assert.Equal(w.t, "1", a.Get("Successful.0.Id").String())
		assert.Equal(w.t, "2", a.Get("Failed.0.Id").String())
		w.Send("q", "y", "")
		_, handles := w.receive("")
		failing := w.Messages("q")[0].ID
		w.FailEntries(func(operation, message string) *awstest.Error {
			if operation == "DeleteMessageBatch" && message == failing {
				return &awstest.Error{Status: 500, Code: "InternalError", Message: "asked for"}
			}
			return nil
		})
		entries := `"Entries":[{"Id":"1","ReceiptHandle":"` + handles[0] + `"},{"Id":"2","ReceiptHandle":"` + handles[1] + `"},{"Id":"3","ReceiptHandle":"z"}]`
		a = w.call("DeleteMessageBatch", entries)
		assert.Equal(w.t, `[{"Id":"2"}]`, a.Get("Successful").Raw)
		assert.Equal(w.t, `["InternalError","ReceiptHandleIsInvalid"]`, a.Get("Failed.#.Code").Raw)
		assert.Equal(w.t, `[false,true]`, a.Get("Failed.#.SenderFault").Raw)
		assert.Len(w.t, w.Messages("q"), 1)

		for _, c := range []struct{ entries, code string }{
			{``, "EmptyBatchRequest"},
			{`{"Id":"1"},{"Id":"1"}`, "BatchEntryIdsNotDistinct"},
			{`{},{}`, "InvalidBatchEntryId"},
			{`{},{},{},{},{},{},{},{},{},{},{}`, "TooManyEntriesInBatchRequest"},
		} {
			a := w.call("DeleteMessageBatch", `"Entries":[`+c.entries+`]`)
			assert.Equal(w.t, "com.amazonaws.sqs#"+c.code, a.Get("__type").String())
			assert.Equal(w.t, "AWS.SimpleQueueService."+c.code+";Sender", a.header.Get("X-Amzn-Query-Error"))
		}
	})
}

func TestIntercept(t *testing.T) {
	bubble(t, "q", func(w world) {
		w.Intercept(func(_ context.Context, c awstest.Call, next func() error) error {
			assert.Equal(w.t, "q", c.Queue)
			if c.Number == 1 {
				return &awstest.Error{Status: 503, Code: "ServiceUnavailable", Header: http.Header{"Retry-After": {"3"}}}
			}
			if err := next(); err != nil {
				return err
			}
			return awstest.ErrLost
		})
		a := w.call("SendMessage", `"MessageBody":"x"`)
		assert.Equal(w.t, 503, a.status)
		assert.Equal(w.t, "3", a.header.Get("Retry-After"))
		assert.Equal(w.t, "ServiceUnavailable;Receiver", a.header.Get("X-Amzn-Query-Error"))
		assert.Empty(w.t, w.Messages("q"))

		r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, "http://sqs.test/", bytes.NewBufferString(`{"QueueUrl":"`+w.queue+`","MessageBody":"x"}`))
		require.NoError(w.t, err)
		r.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
		resp, err := w.Client().Do(r)
		if err == nil {
			resp.Body.Close()
		}
		require.Error(w.t, err, "cut off")
		assert.Len(w.t, w.Messages("q"), 1, "but done")
		assert.Equal(w.t, map[string]int{"SendMessage": 2}, w.AllCalls())
	})
}

func TestOverTheNetwork(t *testing.T) {
	s := &awstest.SQS{}
	endpoint := s.Start(t)
	call := func(operation, body string) answer {
		return post(t.Context(), t, http.DefaultClient, endpoint, operation, body)
	}
	url := call("CreateQueue", `{"QueueName":"q","Attributes":{"VisibilityTimeout":"7"}}`).Get("QueueUrl").String()
	assert.Equal(t, endpoint+"/000000000000/q", url)
	assert.Equal(t, url, call("GetQueueUrl", `{"QueueName":"q","QueueOwnerAWSAccountId":"000000000000"}`).Get("QueueUrl").String())
	assert.Equal(t, `{"VisibilityTimeout":"7"}`, call("GetQueueAttributes", `{"QueueUrl":"`+url+`","AttributeNames":["VisibilityTimeout"]}`).Get("Attributes").Raw)
	absent := call("GetQueueUrl", `{"QueueName":"q","QueueOwnerAWSAccountId":"111111111111"}`)
	assert.Equal(t, 400, absent.status)
	assert.Equal(t, "com.amazonaws.sqs#QueueDoesNotExist", absent.Get("__type").String())
	assert.Equal(t, "AWS.SimpleQueueService.NonExistentQueue;Sender", absent.header.Get("X-Amzn-Query-Error"))
	assert.Equal(t, "com.amazonaws.sqs#UnknownOperationException", call("Fly", `{}`).Get("__type").String())
	call("DeleteQueue", `{"QueueUrl":"`+url+`"}`)
	assert.Empty(t, s.Queues())
}
