package webhook_test

import (
	"context"
	"log/slog"
	"net/http"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
)

func TestEmitsWithinTheTraceOfTheRequest(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	around := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	tests := []struct {
		name        string
		traceparent string
		around      trace.SpanContext
		want        string // the span that is the emit's parent
	}{
		{name: "a trace", traceparent: parent, want: "00f067aa0ba902b7"},
		{name: "no trace", want: "0000000000000000"},
		{name: "no trace that is understood", traceparent: "00-1", want: "0000000000000000"},
		{name: "a span of a handler around it", traceparent: parent, around: around, want: around.SpanID().String()},
	}
	bodies := map[string][2]string{
		"plain":      {"application/json", `1`},
		"structured": {"application/cloudevents+json", `{"specversion":"1.0","id":"1","source":"s","type":"t"}`},
		"batched":    {"application/cloudevents-batch+json", `[{"specversion":"1.0","id":"1","source":"s","type":"t"}]`},
	}
	for _, tt := range tests {
		for mode, body := range bodies {
			t.Run(tt.name+", "+mode, func(t *testing.T) {
				var got trace.SpanContext
				s := open()
				run(t, s, hearken.Output{Topic: topic, Logger: slog.New(slog.DiscardHandler), Emit: func(ctx context.Context, _ hearken.Event) error {
					got = trace.SpanContextFromContext(ctx)
					return nil
				}})
				r := post(body[0], body[1])
				if tt.traceparent != "" {
					r.Header.Set("traceparent", tt.traceparent)
					r.Header.Set("tracestate", "vendor=1")
				}
				r = r.WithContext(trace.ContextWithSpanContext(r.Context(), tt.around))
				require.Equal(t, http.StatusOK, send(s, r).Code)
				assert.Equal(t, tt.want, got.SpanID().String())
				if tt.name == "a trace" {
					assert.True(t, got.IsRemote())
					assert.Equal(t, "vendor=1", got.TraceState().String())
				}
			})
		}
	}
}
