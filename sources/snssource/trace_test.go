package snssource_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheEventBearsTheTraceOfTheMessage(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	attribute := func(value any) map[string]any { return map[string]any{"Type": "String", "Value": value} }
	for name, c := range map[string]struct {
		attributes any
		want       map[string]any
	}{
		"none": {attributes: nil},
		"a trace": {
			attributes: map[string]any{"traceparent": attribute(parent), "tracestate": attribute("vendor=1")},
			want:       map[string]any{"traceparent": parent, "tracestate": "vendor=1"},
		},
		"without a state": {attributes: map[string]any{"traceparent": attribute(parent)}, want: map[string]any{"traceparent": parent}},
		"a state alone":   {attributes: map[string]any{"tracestate": attribute("vendor=1")}},
		"not understood":  {attributes: map[string]any{"traceparent": attribute("00-1")}},
		"a number":        {attributes: map[string]any{"traceparent": attribute(1)}},
		"no attributes":   {attributes: []any{"traceparent"}},
	} {
		inBubble(t, name, func(t *testing.T) {
			s := source(newSNS(t, nil))
			rec := start(t, s)
			m := notify("x").with("MessageAttributes", c.attributes)
			require.Equal(t, http.StatusOK, send(s, post(m.signed(t))).Code)
			assert.Equal(t, c.want, only(t, rec).Extensions())
		})
	}
}
