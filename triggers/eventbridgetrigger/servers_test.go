//go:build aws

package eventbridgetrigger_test

import (
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/awstest/servers"
	"github.com/hearken-go/hearken/triggers/eventbridgetrigger"
)

// TestServers puts events on a bus of a server of others that speaks
// EventBridge's protocol. An archive counts what arrived and matches a pattern.
func TestServers(t *testing.T) {
	kind := servers.Moto()
	t.Logf("running against %s %s", kind.Name, kind.Version)
	server, err := servers.Start(t.Context(), kind)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	client := newClient(server.Endpoint, &http.Client{Transport: transport})

	bus, err := client.CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: aws.String("builds")})
	require.NoError(t, err)
	f, other := firing(t, `{"branch":"größe"}`), firing(t, `{"branch":"main"}`)
	_, err = client.CreateArchive(t.Context(), &eventbridge.CreateArchiveInput{
		ArchiveName: aws.String("kept"), EventSourceArn: bus.EventBusArn,
		EventPattern: aws.String(`{"source":["com.example.ci"],"detail-type":["push"],"detail":{"firing":["` + f.ID + `"],"branch":["größe"]}}`),
	})
	require.NoError(t, err)

	for _, name := range []string{"builds", *bus.EventBusArn} {
		trigger := &eventbridgetrigger.Trigger{
			Client: client, EventBus: name, Source: "com.example.ci", DetailType: "push", Payload: hearken.PayloadFunc(payload),
		}
		require.NoError(t, trigger.Validate())
		require.NoError(t, trigger.Fire(t.Context(), f))
		require.NoError(t, trigger.Fire(t.Context(), other))
	}
	kept, err := client.DescribeArchive(t.Context(), &eventbridge.DescribeArchiveInput{ArchiveName: aws.String("kept")})
	require.NoError(t, err)
	assert.EqualValues(t, 2, kept.EventCount)

	t.Run("refusals", func(t *testing.T) {
		trigger := &eventbridgetrigger.Trigger{Client: client, Source: "com.example.ci", Payload: text(`{}`)}
		err := trigger.Fire(t.Context(), f) // without a detail type, which Validate finds
		var failure *eventbridgetrigger.EntryError
		if !assert.ErrorAs(t, err, &failure) {
			return
		}
		assert.True(t, hearken.IsPermanent(err), "%v", err)
	})
}
