package snstrigger_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/hearken-go/hearken"
)

// value returns the text of a message attribute of a request.
func value(form url.Values, name string) string {
	return strings.TrimPrefix(attribute(form, name), "String:")
}

func TestTheMessageBearsTheTrace(t *testing.T) {
	state, err := trace.ParseTraceState("vendor=1")
	require.NoError(t, err)
	within := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0xaa, 15: 1}, SpanID: trace.SpanID{0xbb, 7: 1}, TraceFlags: trace.FlagsSampled, TraceState: state,
	})
	const parent = "00-aa000000000000000000000000000001-bb00000000000001-01"
	for _, tt := range []struct {
		name          string
		span          trace.SpanContext
		own           map[string]string // the application's attributes
		more          int               // and how many beside
		parent, state string
	}{
		{name: "no trace"},
		{name: "no trace, and the application's own", own: map[string]string{"traceparent": "mine", "tracestate": "s"}, parent: "mine", state: "s"},
		{name: "a trace", span: within, parent: parent, state: "vendor=1"},
		{name: "a trace without a state", span: within.WithTraceState(trace.TraceState{}), parent: parent},
		{name: "the application's own", span: within, own: map[string]string{"traceparent": "mine"}, parent: "mine"},
		{name: "the application's state alone", span: within.WithTraceState(trace.TraceState{}), own: map[string]string{"tracestate": "mine=1"}, parent: parent},
		{name: "room for both", span: within, more: 7, parent: parent, state: "vendor=1"},
		{name: "room for one", span: within, more: 8, parent: parent},
		{name: "no room", span: within, more: 9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			service, trigger := start()
			trigger.Attributes = func(hearken.Firing) (map[string]types.MessageAttributeValue, error) {
				all := map[string]types.MessageAttributeValue{}
				for name, value := range tt.own {
					all[name] = str(value)
				}
				for n := range tt.more {
					all[fmt.Sprint("own-", n)] = str("x")
				}
				return all, nil
			}
			f := firing(t, `{}`)
			require.NoError(t, trigger.Fire(trace.ContextWithSpanContext(t.Context(), tt.span), f))
			got := service.all()[0]
			assert.Equal(t, tt.parent, value(got, "traceparent"))
			assert.Equal(t, tt.state, value(got, "tracestate"))
			assert.Equal(t, f.ID, value(got, "firing"))
			assert.NotContains(t, got, "MessageAttributes.entry.11.Name")
			for name, values := range got {
				assert.NotContains(t, values, "", "SNS refuses %s", name)
			}
		})
	}
}
