package httptrigger

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// setTrace adds the trace of ctx to h (W3C Trace Context), unless the
// application has set one. A Client whose transport makes a span of its own
// replaces it by that.
func setTrace(ctx context.Context, h http.Header) {
	if _, ok := h["Traceparent"]; ok || !trace.SpanContextFromContext(ctx).IsValid() {
		return
	}
	delete(h, "Tracestate") // without a traceparent it is of no trace
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(h))
}
