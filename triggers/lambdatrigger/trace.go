package lambdatrigger

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// trace adds an answer to the span of ctx, which is the firing's and may hold
// several attempts: hence an event.
func trace(ctx context.Context, function string, out *lambda.InvokeOutput) {
	span := oteltrace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	attrs := []attribute.KeyValue{
		attribute.String("faas.invoked_provider", "aws"),
		attribute.String("faas.invoked_name", function),
		attribute.Int("http.response.status_code", int(out.StatusCode)),
		attribute.Int("aws.lambda.payload.size", len(out.Payload)),
	}
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, attribute.String(key, value))
		}
	}
	id, _ := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
	add("aws.request_id", id)
	add("aws.lambda.executed_version", aws.ToString(out.ExecutedVersion))
	add("aws.lambda.function_error", aws.ToString(out.FunctionError))
	add("aws.lambda.payload", beginning(string(out.Payload)))
	span.AddEvent("lambda.response", oteltrace.WithAttributes(attrs...))
}
