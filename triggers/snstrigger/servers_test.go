//go:build aws

package snstrigger_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/awstest/servers"
	"github.com/hearken-go/hearken/triggers/snstrigger"
)

// notification is what SNS posts to a subscriber.
type notification struct{ Type, Message, Subject string }

// TestServers publishes to a server of others that speaks SNS's protocol.
func TestServers(t *testing.T) {
	kind := servers.Moto()
	t.Logf("running against %s %s", kind.Name, kind.Version)
	server, err := servers.Start(t.Context(), kind)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	client := newClient(server.Endpoint, &http.Client{Transport: transport})
	t.Run("standard", func(t *testing.T) { standardTopic(t, client) })
	t.Run("FIFO", func(t *testing.T) { fifoTopic(t, client) })
	t.Run("refusals", func(t *testing.T) { refusals(t, client) })
}

func createTopic(t *testing.T, client *sns.Client, name string, attributes map[string]string) string {
	t.Helper()
	out, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name, Attributes: attributes})
	require.NoError(t, err)
	return *out.TopicArn
}

func standardTopic(t *testing.T, client *sns.Client) {
	got := make(chan notification, 10)
	subscriber := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n notification
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if n.Type == "Notification" {
			got <- n
		}
	}))
	t.Cleanup(subscriber.Close)
	trigger := &snstrigger.Trigger{
		Client: client, TopicARN: createTopic(t, client, "builds", nil), Payload: hearken.PayloadFunc(payload),
		Subject: func(f hearken.Firing) (string, error) { return "about " + f.Sensor, nil },
		Attributes: func(f hearken.Firing) (map[string]types.MessageAttributeValue, error) {
			return map[string]types.MessageAttributeValue{"sensor": str(f.Sensor)}, nil
		},
	}
	require.NoError(t, trigger.Validate())
	f, other := firing(t, `{"branch":"größe"}`), firing(t, `{"branch":"main"}`)
	_, err := client.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: &trigger.TopicARN, Protocol: aws.String("http"), Endpoint: &subscriber.URL,
		// moto does not tell an HTTP subscriber of attributes, and filters by them.
		Attributes: map[string]string{"FilterPolicy": `{"firing":["` + f.ID + `"],"sensor":["sensor"],"traceparent":["00-aa000000000000000000000000000001-bb00000000000001-00"]}`},
	})
	require.NoError(t, err)
	within := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{0xaa, 15: 1}, SpanID: trace.SpanID{0xbb, 7: 1}})
	traced := trace.ContextWithSpanContext(t.Context(), within)
	require.NoError(t, trigger.Fire(traced, other))
	require.NoError(t, trigger.Fire(t.Context(), f))
	require.NoError(t, trigger.Fire(traced, f))
	select {
	case n := <-got:
		assert.Equal(t, notification{"Notification", `{"branch":"größe"}`, "about sensor"}, n)
	case <-time.After(time.Minute):
		t.Fatal("the subscriber got nothing")
	}
}

func fifoTopic(t *testing.T, client *sns.Client) {
	trigger := &snstrigger.Trigger{
		Client: client, Payload: hearken.PayloadFunc(payload), Group: group,
		TopicARN: createTopic(t, client, "builds.fifo", map[string]string{"FifoTopic": "true"}),
	}
	require.NoError(t, trigger.Validate())
	assert.NoError(t, trigger.Fire(t.Context(), firing(t, `{"n":1}`)))

	trigger.Group = nil // which Validate finds
	err := trigger.Fire(t.Context(), firing(t, `{"n":2}`))
	assert.ErrorContains(t, err, "MessageGroupId")
	assert.True(t, hearken.IsPermanent(err), "%v", err)
}

func refusals(t *testing.T, client *sns.Client) {
	arn := createTopic(t, client, "refusals", nil)
	for name, trigger := range map[string]*snstrigger.Trigger{
		"no such topic": {TopicARN: strings.TrimSuffix(arn, "refusals") + "missing", Payload: text("x")},
		"too large":     {TopicARN: arn, Payload: text(strings.Repeat("x", 2<<20))},
	} {
		trigger.Client = client
		err := trigger.Fire(t.Context(), firing(t, `{}`))
		assert.Error(t, err, name)
		assert.True(t, hearken.IsPermanent(err), "%s: %v", name, err)
	}
}
