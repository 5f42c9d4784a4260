package sqssource

import (
	"context"
	"encoding/json"
	"strings"

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

// xRay is the system attribute of X-Ray's trace header.
const xRay = string(types.MessageSystemAttributeNameAWSTraceHeader)

// traceOf returns the trace that a message was sent in, by its attributes (W3C
// Trace Context), or else by those in the envelope of SNS that was taken off, or
// else as X-Ray writes it, the one form that services of AWS hand on by
// themselves. Nil or empty: there is none.
func traceOf(m types.Message, sns json.RawMessage) propagation.MapCarrier {
	get := func(name string) string { return aws.ToString(m.MessageAttributes[name].StringValue) }
	if sns != nil && get(traceParent) == "" {
		get = func(name string) string { return gjson.GetBytes(sns, "messageAttributes."+name+".Value").String() }
	}
	parent := get(traceParent)
	if parent == "" {
		parent = fromXRay(m.Attributes[xRay])
	}
	if parent == "" {
		return nil
	}
	// What is not understood is not passed on.
	var w3c propagation.TraceContext
	trace := propagation.MapCarrier{}
	w3c.Inject(w3c.Extract(context.Background(), propagation.MapCarrier{traceParent: parent, traceState: get(traceState)}), trace)
	return trace
}

// fromXRay returns the traceparent of a trace header of X-Ray, such as
// "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
// (AWS X-Ray Developer Guide, "Tracing header"). OpenTelemetry's propagator of
// X-Ray would link OpenTelemetry's SDK.
func fromXRay(header string) string {
	if header == "" {
		return ""
	}
	var id, span string
	flags := "00"
	for field := range strings.SplitSeq(header, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Root":
			if version, rest, _ := strings.Cut(value, "-"); version == "1" {
				id = strings.Replace(rest, "-", "", 1)
			}
		case "Parent":
			span = value
		case "Sampled":
			if value == "1" {
				flags = "01"
			}
		}
	}
	return "00-" + id + "-" + span + "-" + flags
}
