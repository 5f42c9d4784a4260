package httptrigger_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/hearken-go/hearken/triggers/httptrigger"
)

func TestRequestBearsTheTrace(t *testing.T) {
	state, err := trace.ParseTraceState("vendor=1")
	require.NoError(t, err)
	within := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0xaa, 15: 1}, SpanID: trace.SpanID{0xbb, 7: 1}, TraceFlags: trace.FlagsSampled, TraceState: state,
	})
	const parent = "00-aa000000000000000000000000000001-bb00000000000001-01"
	tests := []struct {
		name          string
		span          trace.SpanContext
		header        http.Header
		parent, state []string
	}{
		{name: "no trace"},
		{name: "a trace", span: within, parent: []string{parent}, state: []string{"vendor=1"}},
		{name: "the application's own", span: within, header: http.Header{"traceparent": {"mine"}}, parent: []string{"mine"}},
		{
			name: "the application's state alone", span: within.WithTraceState(trace.TraceState{}), header: http.Header{"Tracestate": {"mine=1"}},
			parent: []string{parent},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSink(t, nil)
			ctx := trace.ContextWithSpanContext(t.Context(), tt.span)
			require.NoError(t, use(t, &httptrigger.Trigger{URL: s.URL, Header: tt.header}).Fire(ctx, firing(t)))
			got := s.requests[0].Header
			assert.Equal(t, tt.parent, got["Traceparent"])
			assert.Equal(t, tt.state, got["Tracestate"])
		})
	}
}
