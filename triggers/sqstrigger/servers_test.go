//go:build aws

package sqstrigger_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/awstest/servers"
	"github.com/hearken-go/hearken/triggers/sqstrigger"
)

// TestServers sends to the servers of others that speak SQS's protocol.
func TestServers(t *testing.T) {
	for _, kind := range servers.Kinds() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Logf("running against %s %s", kind.Name, kind.Version)
			server, err := servers.Start(t.Context(), kind)
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, server.Stop()) })
			transport := new(http.Transport)
			t.Cleanup(transport.CloseIdleConnections)
			client := newClient(server.Endpoint, &http.Client{Transport: transport})
			t.Run("standard", func(t *testing.T) { standardQueue(t, client) })
			t.Run("FIFO", func(t *testing.T) { fifoQueue(t, client) })
			t.Run("refusals", func(t *testing.T) {
				// moto takes an empty message, which SQS does not.
				refusals(t, client, kind.Name == servers.ElasticMQ().Name)
			})
		})
	}
}

func createQueue(t *testing.T, client *sqs.Client, name string, attributes map[string]string) string {
	t.Helper()
	out, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	require.NoError(t, err)
	return *out.QueueUrl
}

// receive takes what is in a queue.
func receive(t *testing.T, client *sqs.Client, url string) []types.Message {
	t.Helper()
	out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1,
		MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	require.NoError(t, err)
	return out.Messages
}

func standardQueue(t *testing.T, client *sqs.Client) {
	trigger := &sqstrigger.Trigger{
		Client: client, QueueURL: createQueue(t, client, "builds", nil), Payload: hearken.PayloadFunc(payload),
		Attributes: func(f hearken.Firing) (map[string]types.MessageAttributeValue, error) {
			return map[string]types.MessageAttributeValue{"sensor": str(f.Sensor)}, nil
		},
	}
	require.NoError(t, trigger.Validate())
	f := firing(t, `{"branch":"größe"}`)
	within := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{0xaa, 15: 1}, SpanID: trace.SpanID{0xbb, 7: 1}})
	require.NoError(t, trigger.Fire(trace.ContextWithSpanContext(t.Context(), within), f))
	got := receive(t, client, trigger.QueueURL)
	require.Len(t, got, 1)
	assert.Equal(t, `{"branch":"größe"}`, *got[0].Body)
	assert.Equal(t, f.ID, *got[0].MessageAttributes["firing"].StringValue)
	assert.Equal(t, "sensor", *got[0].MessageAttributes["sensor"].StringValue)
	assert.Equal(t, "00-aa000000000000000000000000000001-bb00000000000001-00", *got[0].MessageAttributes["traceparent"].StringValue)
}

func fifoQueue(t *testing.T, client *sqs.Client) {
	trigger := &sqstrigger.Trigger{
		Client: client, Payload: hearken.PayloadFunc(payload), Group: group,
		QueueURL: createQueue(t, client, "builds.fifo", map[string]string{"FifoQueue": "true"}),
	}
	require.NoError(t, trigger.Validate())
	f, other := firing(t, `{"n":1}`), firing(t, `{"n":2}`)
	for _, f := range []hearken.Firing{f, f, other, f} {
		require.NoError(t, trigger.Fire(t.Context(), f))
	}
	got := receive(t, client, trigger.QueueURL)
	require.Len(t, got, 2)
	assert.Equal(t, f.ID, *got[0].MessageAttributes["firing"].StringValue)
	assert.Equal(t, other.ID, *got[1].MessageAttributes["firing"].StringValue)
	assert.Equal(t, "g", got[0].Attributes["MessageGroupId"])
}

func refusals(t *testing.T, client *sqs.Client, empty bool) {
	url := createQueue(t, client, "refusals", nil)
	triggers := map[string]*sqstrigger.Trigger{
		"no such queue": {QueueURL: strings.TrimSuffix(url, "refusals") + "missing", Payload: text("x")},
		"too large":     {QueueURL: url, Payload: text(strings.Repeat("x", 2<<20))},
	}
	if empty {
		triggers["empty"] = &sqstrigger.Trigger{QueueURL: url, Payload: text("")}
	}
	for name, trigger := range triggers {
		trigger.Client = client
		err := trigger.Fire(t.Context(), firing(t, `{}`))
		assert.Error(t, err, name)
		assert.True(t, hearken.IsPermanent(err), "%s: %v", name, err)
	}
}
