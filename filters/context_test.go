package filters_test

import (
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/filters"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestContext(t *testing.T) {
	e := event.New()
	e.SetID("id-1")
	e.SetSource("https://example.com/shop")
	e.SetType("com.example.order")
	e.SetSubject("order/7")
	e.SetTime(time.Date(2026, 3, 1, 9, 30, 0, 0, time.FixedZone("", 3600)))
	e.SetDataContentType("application/json")
	e.SetDataSchema("https://example.com/schema")
	e.SetExtension("count", 5)
	e.SetExtension("level", "7")
	e.SetExtension("flag", true)
	e.SetExtension("sign", "+1")
	e.SetExtension("word", "Inf")
	e.SetExtension("zeros", "007")
	e.SetExtension("point", "7.")
	e.SetExtension("bytes", []byte("hi"))
	require.NoError(t, e.Validate())

	tests := []struct {
		name      string
		attribute string
		values    []any
		want      bool
	}{
		{"id", "id", []any{"id-1"}, true},
		{"source", "source", []any{"https://example.com/shop"}, true},
		{"source suffix", "source", []any{filters.Suffix("/shop")}, true},
		{"type", "type", []any{"x", "com.example.order"}, true},
		{"another type", "type", []any{"com.example"}, false},
		{"subject", "subject", []any{filters.Prefix("order/")}, true},
		{"time in UTC", "time", []any{"2026-03-01T08:30:00Z"}, true},
		{"content type", "datacontenttype", []any{"application/json"}, true},
		{"schema", "dataschema", []any{filters.Regexp(`schema$`)}, true},
		{"specversion is text", "specversion", []any{"1.0"}, true},
		{"specversion is a number too", "specversion", []any{1}, true},
		{"integer extension", "count", []any{5}, true},
		{"integer extension as text", "count", []any{"5"}, true},
		{"integer extension in a range", "count", []any{filters.Between(1, 4)}, false},
		{"number that came as text", "level", []any{7}, true},
		{"text that is no JSON number", "sign", []any{1}, false},
		{"leading zeros", "zeros", []any{7}, false},
		{"point without a fraction", "point", []any{7}, false},
		{"text that only strconv takes", "word", []any{filters.Greater(0)}, false},
		{"bool", "flag", []any{true}, true},
		{"bool as text", "flag", []any{"true"}, true},
		{"another bool", "flag", []any{false}, false},
		{"bytes in base64", "bytes", []any{"aGk="}, true},
		{"exists", "flag", []any{filters.Exists}, true},
		{"absent extension", "other", []any{filters.Absent}, true},
		{"absent extension has no value", "other", []any{""}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, matches(t, filters.Context(tt.attribute, tt.values...), e))
		})
	}
}

func TestContextOfEmptyEvent(t *testing.T) {
	for _, e := range []hearken.Event{{}, {Context: &event.EventContextV1{}}} {
		for _, name := range []string{"id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "other"} {
			assert.True(t, matches(t, filters.Context(name, filters.Absent), e), name)
		}
	}
}
