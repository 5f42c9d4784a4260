package sqssource

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/tidwall/gjson"
	"go.opentelemetry.io/otel/propagation"
)

// What a trace is called among the attributes of messages, and in CloudEvents'
// extension for Distributed Tracing.
const (
	traceParent = "traceparent"
	traceState  = "tracestate"
)

// traceOf returns the trace that a message was sent in, by its attributes (W3C
// Trace Context), or else by those in the envelope of SNS that was taken off.
// Nil or empty: there is none.
func traceOf(m types.Message, sns json.RawMessage) propagation.MapCarrier {
	get := func(name string) string { return aws.ToString(m.MessageAttributes[name].StringValue) }
	if sns != nil && get(traceParent) == "" {
		get = func(name string) string { return gjson.GetBytes(sns, "messageAttributes."+name+".Value").String() }
	}
	parent := get(traceParent)
	if parent == "" {
		return nil
	}
	// What is not understood is not passed on.
	var w3c propagation.TraceContext
	trace := propagation.MapCarrier{}
	w3c.Inject(w3c.Extract(context.Background(), propagation.MapCarrier{traceParent: parent, traceState: get(traceState)}), trace)
	return trace
}
