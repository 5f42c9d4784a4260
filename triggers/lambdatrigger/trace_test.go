package lambdatrigger_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/lambdatrigger"
)

// span records its events.
type span struct {
	noop.Span
	events map[string][]attribute.KeyValue
}

func (s *span) IsRecording() bool { return true }

func (s *span) AddEvent(name string, options ...trace.EventOption) {
	c := trace.NewEventConfig(options...)
	s.events[name] = c.Attributes()
}

func TestTheAnswerGoesToTheTrace(t *testing.T) {
	long := `"` + strings.Repeat("x", 1000) + `"`
	url, _ := serve(t, 200, "", long, "X-Amzn-Requestid", "r-1", "X-Amz-Executed-Version", "7", "X-Amz-Function-Error", "Unhandled")
	trigger := &lambdatrigger.Trigger{Client: newClient(t, url), FunctionName: "hello", Payload: hearken.PayloadFunc(payload)}
	s := &span{events: make(map[string][]attribute.KeyValue)}
	assert.Error(t, trigger.Fire(trace.ContextWithSpan(t.Context(), s), firing(t, `{}`)))
	assert.ElementsMatch(t, []attribute.KeyValue{
		attribute.String("faas.invoked_provider", "aws"),
		attribute.String("faas.invoked_name", "hello"),
		attribute.Int("http.response.status_code", 200),
		attribute.String("aws.request_id", "r-1"),
		attribute.String("aws.lambda.executed_version", "7"),
		attribute.String("aws.lambda.function_error", "Unhandled"),
		attribute.Int("aws.lambda.payload.size", 1002),
		attribute.String("aws.lambda.payload", long[:512]),
	}, s.events["lambda.response"])
}

func TestTheFunctionGetsTheTrace(t *testing.T) {
	within := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0xaa, 15: 1}, SpanID: trace.SpanID{0xbb, 7: 1}, TraceFlags: trace.FlagsSampled,
	})
	client := new(recorder)
	trigger := &lambdatrigger.Trigger{Client: client, FunctionName: "hello", Payload: text("1")}
	f := firing(t, `{}`)
	require.NoError(t, trigger.Fire(trace.ContextWithSpanContext(t.Context(), within), f))
	got, err := base64.StdEncoding.DecodeString(*client.asked[0].ClientContext)
	require.NoError(t, err)
	assert.JSONEq(t, `{"custom":{"firing":"`+f.ID+`","traceparent":"00-aa000000000000000000000000000001-bb00000000000001-01"}}`, string(got))
}

var _ lambdatrigger.Client = (*lambda.Client)(nil)
