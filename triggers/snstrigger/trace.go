package snstrigger

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// maxAttributes is how many attributes a subscription to SQS with raw delivery
// takes.
const maxAttributes = 10

// addTrace adds the trace of ctx to a message's attributes (W3C Trace Context),
// unless the application has set one, and as far as there is room: a message
// without its trace is better than none.
func addTrace(ctx context.Context, all map[string]types.MessageAttributeValue) {
	if _, ok := all["traceparent"]; ok || !trace.SpanContextFromContext(ctx).IsValid() {
		return
	}
	delete(all, "tracestate") // without a traceparent it is of no trace
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	for _, name := range []string{"traceparent", "tracestate"} {
		if value := carrier[name]; value != "" && len(all) < maxAttributes {
			all[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
		}
	}
}
