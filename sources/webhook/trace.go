package webhook

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traced returns the context of a request in the trace that its header names
// (W3C Trace Context), unless a handler around this one has begun a span: it has
// read the header as the application wants it.
func traced(ctx context.Context, h http.Header) context.Context {
	if _, ok := h["Traceparent"]; !ok || trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(h))
}
