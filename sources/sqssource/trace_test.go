package sqssource_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheEventBearsTheTraceOfTheMessage(t *testing.T) {
	const parent, other = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba90001-01"
	const sns = `{"Type":"Notification","MessageId":"m","TopicArn":"t","Message":"hi","MessageAttributes":{` +
		`"traceparent":{"Type":"String","Value":"` + parent + `"},"tracestate":{"Type":"String","Value":"vendor=1"}}}`
	const root = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736"
	whole := map[string]any{"traceparent": parent, "tracestate": "vendor=1"}
	for _, c := range []struct {
		name, queue, parent, state, body, xray string
		unwrap                                 bool
		want                                   map[string]any
	}{
		{name: "none", queue: "q"},
		{name: "a trace", queue: "q", parent: parent, state: "vendor=1", want: whole},
		{name: "without a state", queue: "q", parent: parent, want: map[string]any{"traceparent": parent}},
		{name: "with a group", queue: "q.fifo", parent: parent, want: map[string]any{"traceparent": parent, "partitionkey": "g"}},
		{name: "a state alone", queue: "q", state: "vendor=1"},
		{name: "not understood", queue: "q", parent: "00-1"},
		{name: "all zero", queue: "q", parent: "00-00000000000000000000000000000000-0000000000000000-01"},
		{name: "a state that is not understood", queue: "q", parent: parent, state: "\u00e9", want: map[string]any{"traceparent": parent}},
		{name: "of SNS", queue: "q", body: sns, unwrap: true, want: whole},
		{name: "of SNS that is not to be unwrapped", queue: "q", body: sns},
		{name: "of SNS, and its own", queue: "q", parent: other, body: sns, unwrap: true, want: map[string]any{"traceparent": other}},
		{name: "of X-Ray", queue: "q", xray: root + ";Parent=00f067aa0ba902b7;Sampled=1", want: map[string]any{"traceparent": parent}},
		{name: "of X-Ray, in another order", queue: "q", xray: "Self=1-2-3; Sampled=0; Parent=00f067aa0ba902b7; " + root, want: map[string]any{"traceparent": parent[:53] + "00"}},
		{name: "of X-Ray, where nobody has decided", queue: "q", xray: root + ";Parent=00f067aa0ba902b7;Sampled=?", want: map[string]any{"traceparent": parent[:53] + "00"}},
		{name: "of X-Ray, and its own", queue: "q", parent: other, xray: root + ";Parent=00f067aa0ba902b7;Sampled=1", want: map[string]any{"traceparent": other}},
		{name: "of X-Ray, without a span", queue: "q", xray: root},
		{name: "of X-Ray, of another version", queue: "q", xray: "Root=2-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7"},
		{name: "of X-Ray, not understood", queue: "q", xray: "=;;Root;Parent=-"},
		{name: "of SNS without attributes", queue: "q", body: inSNS(t, "hi"), unwrap: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, c.queue, func(t *testing.T, w *world) {
				url := w.CreateQueue(c.queue, nil)
				in := &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(c.body + " "), MessageAttributes: map[string]types.MessageAttributeValue{}}
				for name, value := range map[string]string{"traceparent": c.parent, "tracestate": c.state} {
					if value != "" {
						in.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
					}
				}
				if c.xray != "" {
					in.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: aws.String("String"), StringValue: &c.xray}}
				}
				if strings.HasSuffix(c.queue, ".fifo") {
					in.MessageGroupId, in.MessageDeduplicationId = aws.String("g"), aws.String("d")
				}
				_, err := newClient("http://sqs.test", w.Client()).SendMessage(t.Context(), in)
				require.NoError(t, err)
				w.source.UnwrapSNS = c.unwrap
				w.start()
				assert.Equal(t, c.want, w.events(1)[0].Extensions())
			})
		})
	}
}
