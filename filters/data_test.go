package filters_test

import (
	"encoding/json"
	"math"
	"regexp"
	"testing"

	"github.com/hearken-go/hearken/filters"
	"github.com/stretchr/testify/assert"
)

type status string

func TestDataComparesByType(t *testing.T) {
	e := newEvent(t, `{
		"s": "hello", "digits": "12", "esc": "a\"b\u00e9\n", "empty": "", "truth": "true",
		"n": 5, "f": 5.0, "exp": 5e0, "frac": 0.1, "neg": -3,
		"max": 9223372036854775807, "umax": 18446744073709551615, "beyond": 18446744073709551616,
		"odd": 9007199254740993, "huge": 1e400,
		"yes": true, "no": false, "nil": null,
		"obj": {"a": 1}, "list": ["x", 2, null], "none": [],
		"items": [{"name": "a", "tags": ["p"]}, {"name": "b", "n": 7}]
	}`)
	tests := []struct {
		name   string
		path   string
		values []any
		want   bool
	}{
		{"equal string", "s", []any{"hello"}, true},
		{"one of several", "s", []any{"hey", "hello"}, true},
		{"none of several", "s", []any{"hey", "ho"}, false},
		{"no part of a string", "s", []any{"hell"}, false},
		{"case counts", "s", []any{"Hello"}, false},
		{"named string type", "s", []any{status("hello")}, true},
		{"unescaped string", "esc", []any{"a\"bé\n"}, true},
		{"empty string", "empty", []any{""}, true},
		{"empty string is not anything", "s", []any{""}, false},
		{"string is no number", "digits", []any{12}, false},
		{"number is no string", "n", []any{"5"}, false},
		{"string is no bool", "truth", []any{true}, false},

		{"int", "n", []any{5}, true},
		{"uint8", "n", []any{uint8(5)}, true},
		{"float for int", "n", []any{5.0}, true},
		{"int for float", "f", []any{5}, true},
		{"int for exponent", "exp", []any{int64(5)}, true},
		{"another int", "n", []any{6}, false},
		{"float", "frac", []any{0.1}, true},
		{"float32 as it is written", "frac", []any{float32(0.1)}, true},
		{"int is no fraction", "frac", []any{0}, false},
		{"negative", "neg", []any{-3}, true},
		{"json.Number", "n", []any{json.Number("5.0")}, true},
		{"int64 exact", "max", []any{int64(math.MaxInt64)}, true},
		{"int64 beside", "max", []any{int64(math.MaxInt64 - 1)}, false},
		{"uint64 exact", "umax", []any{uint64(math.MaxUint64)}, true},
		{"uint64 beside", "umax", []any{uint64(math.MaxUint64 - 1)}, false},
		{"json.Number exact", "umax", []any{json.Number("18446744073709551615")}, true},
		{"beyond uint64 is not uint64", "beyond", []any{uint64(math.MaxUint64)}, false},
		{"beyond uint64 is a float", "beyond", []any{math.Pow(2, 64)}, true},
		{"no rounding to float64", "odd", []any{9007199254740992}, false},
		{"bool is no number", "yes", []any{1}, false},

		{"true", "yes", []any{true}, true},
		{"false", "no", []any{false}, true},
		{"true for false", "no", []any{true}, false},
		{"null is not false", "nil", []any{false}, false},
		{"null", "nil", []any{nil}, true},
		{"null is no empty string", "nil", []any{""}, false},
		{"null is not zero", "nil", []any{0}, false},

		{"absent is no match", "missing.deep", []any{"x"}, false},
		{"absent is not null", "missing", []any{nil}, false},
		{"exists", "s", []any{filters.Exists}, true},
		{"null exists", "nil", []any{filters.Exists}, true},
		{"absent does not exist", "missing", []any{filters.Exists}, false},
		{"absent", "missing", []any{filters.Absent}, true},
		{"null is not absent", "nil", []any{filters.Absent}, false},
		{"absent or a value", "missing", []any{"x", filters.Absent}, true},

		{"prefix", "s", []any{filters.Prefix("he")}, true},
		{"no prefix", "s", []any{filters.Prefix("lo")}, false},
		{"prefix of a number", "n", []any{filters.Prefix("5")}, false},
		{"suffix", "s", []any{filters.Suffix("lo")}, true},
		{"no suffix", "s", []any{filters.Suffix("he")}, false},
		{"regexp", "s", []any{filters.Regexp(`l+o$`)}, true},
		{"regexp without match", "s", []any{filters.Regexp(`^l`)}, false},
		{"regexp on a number", "n", []any{filters.Regexp(`.`)}, false},
		{"regexp on an object", "obj", []any{filters.Regexp(`.`)}, false},
		{"compiled regexp", "s", []any{regexp.MustCompile(`^h`)}, true},
		{"matchers and values mixed", "s", []any{5, filters.Prefix("x"), "hello"}, true},

		{"less", "n", []any{filters.Less(6)}, true},
		{"not less", "n", []any{filters.Less(5)}, false},
		{"at most", "n", []any{filters.AtMost(5)}, true},
		{"not at most", "n", []any{filters.AtMost(4.9)}, false},
		{"greater", "n", []any{filters.Greater(4.9)}, true},
		{"not greater", "n", []any{filters.Greater(uint64(5))}, false},
		{"greater than uint64", "beyond", []any{filters.Greater(uint64(math.MaxUint64))}, true},
		{"huge", "huge", []any{filters.Greater(math.MaxFloat64)}, true},
		{"less than a huge bound", "neg", []any{filters.Less(uint64(math.MaxUint64))}, true},
		{"at least", "n", []any{filters.AtLeast(5)}, true},
		{"not at least", "n", []any{filters.AtLeast(6)}, false},
		{"between, low included", "n", []any{filters.Between(5, 9)}, true},
		{"between, high included", "n", []any{filters.Between(1, 5)}, true},
		{"below the range", "n", []any{filters.Between(5.1, 9)}, false},
		{"above the range", "n", []any{filters.Between(1, 4)}, false},
		{"string in a range", "digits", []any{filters.Between(1, 20)}, false},
		{"null in a range", "nil", []any{filters.AtLeast(0)}, false},

		{"in", "s", []any{filters.In([]string{"hey", "hello"})}, true},
		{"not in", "s", []any{filters.In([]string{"hey"})}, false},
		{"except another", "s", []any{filters.Except("hey", "ho")}, true},
		{"except this", "s", []any{filters.Except("hey", "hello")}, false},
		{"except wants it there", "missing", []any{filters.Except("x")}, false},
		{"except takes null", "nil", []any{filters.Except("x")}, true},

		{"element", "list", []any{filters.Element("y", 2)}, true},
		{"null element", "list", []any{filters.Element(nil)}, true},
		{"no element", "list", []any{filters.Element("2")}, false},
		{"element of nothing", "none", []any{filters.Element(filters.Exists)}, false},
		{"element of an object", "obj", []any{filters.Element(1)}, false},
		{"element of a scalar", "s", []any{filters.Element("hello")}, false},
		{"element of all", "items.#.name", []any{filters.Element("b")}, true},
		{"array is no scalar", "items.#.name", []any{"b"}, false},
		{"query", `items.#(name=="b").n`, []any{7}, true},
		{"query without a hit", `items.#(name=="c").n`, []any{filters.Absent}, true},
		{"length", "items.#", []any{2}, true},
		{"length in a range", "none.#", []any{filters.Greater(0)}, false},
		{"wildcard", "ob*.a", []any{1}, true},
		{"index", "list.0", []any{"x"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, matches(t, filters.Data(tt.path, tt.values...), e))
		})
	}
}

func TestDataOfOtherShapes(t *testing.T) {
	tests := []struct {
		name, data, contentType, path string
		want                          bool
	}{
		{"array", `["x"]`, "application/json", "0", true},
		{"scalar", `"x"`, "application/json", "@this", true},
		{"no content type is JSON", `{"a":"x"}`, "", "a", true},
		{"parameters", `{"a":"x"}`, "Application/JSON; charset=utf-8", "a", true},
		{"suffix", `{"a":"x"}`, "application/vnd.github+json", "a", true},
		{"text/json", `{"a":"x"}`, "text/json", "a", true},
		{"text is not searched", `say {"a":"x"}`, "text/plain", "a", false},
		{"JSON said to be text", `{"a":"x"}`, "text/plain", "a", false},
		{"no data", "", "application/json", "a", false},
		{"first of duplicate keys", `{"a":"x","a":"y"}`, "application/json", "a", true},
		{"not JSON after all", `{"a":`, "application/json", "a", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEvent(t, tt.data)
			e.SetDataContentType(tt.contentType)
			assert.Equal(t, tt.want, matches(t, filters.Data(tt.path, "x"), e))
		})
	}
}

// What gjson makes something of, and is none of JSON's words or numbers.
func TestDataThatIsNoJSONMatchesNoValue(t *testing.T) {
	for _, data := range []string{
		`{"a":tru}`, `{"a":fals}`, `{"a":nul}`, `{"a":n}`, `{"a":nan}`, `{"a":Infinity}`, `{"a":0x10}`, `{"a":01}`, `{"a":-}`,
	} {
		for _, value := range []any{true, false, nil, 0, 1, filters.AtLeast(0), filters.Exists} {
			assert.False(t, matches(t, filters.Data("a", value), newEvent(t, data)), "%s, %v", data, value)
		}
		assert.False(t, matches(t, filters.Data("@this", filters.Element(true, nil, 0, 1)), newEvent(t, "["+data[5:len(data)-1]+"]")), data)
	}
}
