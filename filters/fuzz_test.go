package filters_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/filters"
)

// FuzzData compares Data on a path of one or two plain keys with a lookup by
// encoding/json, and looks for panics on all others.
func FuzzData(f *testing.F) {
	f.Add([]byte(`{"body":{"message":"hello"}}`), "body.message", "hello")
	f.Add([]byte(`{"a":5,"b":[1,2],"c":null}`), "a", "5")
	f.Add([]byte(`{"a":{"b":1.50}}`), "a.b", "1.5")
	f.Add([]byte(`[{"a":1}]`), "#.a", "1")
	f.Add([]byte(`{"a":[{"n":"x"}]}`), `a.#(n=="x")`, "x")
	f.Add([]byte(`{"a":`), "a", "")
	f.Add([]byte(`{"a":"\ud83d\ude00\u0000"}`), "a", "😀\x00")
	f.Fuzz(func(t *testing.T, data []byte, path, want string) {
		e, err := hearken.NewEvent("fuzz", "1", data)
		if err != nil {
			t.Fatal(err)
		}
		filter := filters.Data(path, want, filters.Element(want), filters.AtLeast(0))
		ok, err := filter.Match(t.Context(), e)
		if invalid := mistakesOf(filter); (err != nil) != (invalid != nil) {
			t.Fatalf("Match: %v, Validate: %v", err, invalid)
		}
		_ = explain(filter, e)
		if v, sure := model(data, path); sure && err == nil && ok != wants(v, want) {
			t.Fatalf("%s of %s: got %v, want %v (%v)", path, data, ok, !ok, v)
		}
	})
}

// model returns what encoding/json finds at a path of plain keys; not sure
// where gjson promises otherwise (duplicate keys, other syntax).
func model(data []byte, path string) (v any, sure bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if !json.Valid(data) || d.Decode(&v) != nil || bytes.Count(data, []byte("{")) > 2 || bytes.ContainsRune(data, '\\') {
		return nil, false
	}
	for key := range strings.SplitSeq(path, ".") {
		object, ok := v.(map[string]any)
		if !ok || key == "" || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz") != "" || bytes.Count(data, []byte(`"`+key+`"`)) != 1 {
			return nil, false
		}
		if v, ok = object[key]; !ok {
			return nil, false
		}
	}
	return v, true
}

// wants is the fuzzed filter on a value that is there.
func wants(v any, want string) bool {
	switch v := v.(type) {
	case string:
		return v == want
	case json.Number:
		f, _ := v.Float64() // out of range: an infinity of the right sign
		return f >= 0
	case []any:
		return slices.Contains(v, any(want))
	}
	return false
}
