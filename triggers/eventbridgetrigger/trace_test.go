package eventbridgetrigger_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
)

func TestTheEventBearsTheTrace(t *testing.T) {
	within := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x5b, 0xa0, 15: 1}, SpanID: trace.SpanID{0xbb, 7: 1}, TraceFlags: trace.FlagsSampled,
	})
	for name, tt := range map[string]struct {
		span trace.SpanContext
		want *string
	}{
		"no trace":    {trace.SpanContext{}, nil},
		"a trace":     {within, aws.String("Root=1-5ba00000-000000000000000000000001;Parent=bb00000000000001;Sampled=1")},
		"not sampled": {within.WithTraceFlags(0), aws.String("Root=1-5ba00000-000000000000000000000001;Parent=bb00000000000001;Sampled=0")},
	} {
		t.Run(name, func(t *testing.T) {
			service, trigger := start()
			f := firing(t, `{}`)
			require.NoError(t, trigger.Fire(trace.ContextWithSpanContext(t.Context(), tt.span), f))
			got := service.all()[0]
			assert.Equal(t, tt.want, got.TraceHeader)
			assert.JSONEq(t, `{"firing":"`+f.ID+`"}`, got.Detail, "rules see the detail")
		})
	}
}
