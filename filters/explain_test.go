package filters_test

import (
	"strings"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/filters"
	"github.com/stretchr/testify/assert"
)

func TestExplain(t *testing.T) {
	e := eventAt(t, "2026-01-05T08:00:00Z")
	e.SetType("com.example.test")
	e.SetDataContentType("application/json")
	e.DataEncoded = []byte(`{"s":"bye","n":5,"b":true,"l":[1],"nil":null,"long":"` + strings.Repeat("é", 80) + `"}`)
	yes, no := say(true, nil), say(false, nil)
	tests := []struct {
		name   string
		filter hearken.Filter
		want   string
	}{
		{"string", filters.Data("s", "hello", "hey"), `data "s" is "bye", want "hello" or "hey"`},
		{"number", filters.Data("n", filters.Greater(7), filters.Between(1, 2.5)), `data "n" is 5, want > 7 or 1 to 2.5`},
		{"bool", filters.Data("b", false, nil), `data "b" is true, want false or null`},
		{"array", filters.Data("l", filters.Element("x")), `data "l" is [1], want an array with "x"`},
		{"length", filters.Data("l.#", 7), `data "l.#" is 1, want 7`},
		{"null", filters.Data("nil", uint64(1<<63), 1.5), `data "nil" is null, want 9223372036854775808 or 1.5`},
		{"absent", filters.Data("x.y", filters.Exists), `data "x.y" is absent, want anything`},
		{"present", filters.Data("s", filters.Absent), `data "s" is "bye", want nothing`},
		{"texts", filters.Data("s", filters.Prefix("a"), filters.Suffix("z"), filters.Regexp("^x")), `data "s" is "bye", want "a"... or ..."z" or /^x/`},
		{"except", filters.Data("s", filters.Except("bye", "x")), `data "s" is "bye", want anything but "bye" or "x"`},
		{"long", filters.Data("long", "x"), `data "long" is "` + strings.Repeat("é", 50) + `...(160 bytes)", want "x"`},
		{"attribute", filters.Context("type", "x"), `type is "com.example.test", want "x"`},
		{"time", filters.TimeOfDay("09:00", "17:00", nil), `time is 08:00:00 UTC, want TimeOfDay("09:00", "17:00")`},
		{"all names the first", filters.All(filters.Data("n", 5), filters.Data("s", "x"), filters.Data("n", 6)), `All[1]: data "s" is "bye", want "x"`},
		{"all with functions", filters.All(yes, filters.Data("s", "x")), `All[1]: data "s" is "bye", want "x"`},
		{"all by a function", filters.All(filters.Data("n", 5), no), `All[1]: a function said no`},
		{"any names each", filters.Any(filters.Data("n", 6), no), `Any[0]: data "n" is 5, want 6; Any[1]: a function said no`},
		{"nested", filters.All(filters.Any(filters.Data("n", 5), no), filters.Not(filters.Data("s", "bye"))), `All[1]: data "s" is "bye", want not "bye"`},
		{"not of a group", filters.Not(filters.All(filters.Data("n", 5))), `Not: the filter matched`},
		{"foreign", filters.Any(strange{}), `Any[0]: filters_test.strange said no`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, explain(tt.filter, e))
		})
	}
}

func TestExplainOtherData(t *testing.T) {
	e := newEvent(t, "hello")
	e.SetDataContentType("text/plain")
	assert.Equal(t, `data is "text/plain", not JSON, want "x"`, explain(filters.Data("s", "x"), e))
	assert.Equal(t, `time is absent, want TimeOfDay("09:00", "17:00")`, explain(filters.TimeOfDay("09:00", "17:00", nil), e))
}
