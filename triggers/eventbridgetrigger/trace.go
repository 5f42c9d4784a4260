package eventbridgetrigger

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"go.opentelemetry.io/otel/trace"
)

// traceHeader returns the trace of ctx as X-Ray writes it, since EventBridge
// hands on no other to the targets. Nil: there is none.
func traceHeader(ctx context.Context) *string {
	c := trace.SpanContextFromContext(ctx)
	if !c.IsValid() {
		return nil
	}
	sampled := "0"
	if c.IsSampled() {
		sampled = "1"
	}
	id := c.TraceID().String()
	return aws.String("Root=1-" + id[:8] + "-" + id[8:] + ";Parent=" + c.SpanID().String() + ";Sampled=" + sampled)
}
