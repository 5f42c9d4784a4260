package params_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEvent(t *testing.T) {
	d := newDependency("hook")
	f := newFiring(t, d, `{"a": [1]}`)
	got := payload(t, params.Event(d), f)
	assert.Equal(t, `{"specversion":"1.0","id":"id-1","source":"https://example.com/a?b=c\u0026d","type":"com.example.test",`+
		`"subject":"sub","time":"2026-03-01T08:30:00Z","datacontenttype":"application/json",`+
		`"count":5,"flag":true,"note":"say \"hi\"","data":{"a": [1]}}`, got)

	var back event.Event
	require.NoError(t, json.Unmarshal([]byte(got), &back), "the SDK reads it")
	require.NoError(t, back.Validate())
	original := f.Events["hook"]
	assert.Equal(t, original.Extensions(), back.Extensions())
	assert.JSONEq(t, string(original.Data()), string(back.Data()))
}

func TestEventData(t *testing.T) {
	tests := []struct {
		name, contentType, data string
		want                    string // what "data" and "data_base64" are
	}{
		{"JSON", "application/json", `{"a":1}`, `"data":{"a":1}`},
		{"JSON by suffix", "application/vnd.x+json; charset=utf-8", `[1]`, `"data":[1]`},
		{"no content type", "", `5`, `"data":5`},
		{"text", "text/plain", "a \"b\"\n", `"data":"a \"b\"\n"`},
		{"bytes", "application/octet-stream", "\xff\x00", `"data_base64":"/wA="`},
		{"not JSON after all", "application/json", `{"a"`, `"data_base64":"eyJhIg=="`},
		{"none", "application/json", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDependency("hook")
			f := hearken.Firing{Events: map[string]hearken.Event{"hook": {
				Context:     &event.EventContextV1{ID: "1", Type: "t"},
				DataEncoded: []byte(tt.data),
				DataBase64:  true, // as the SDK has it for JSON set as bytes
			}}}
			e := f.Events["hook"]
			want := `{"specversion":"1.0","id":"1","source":"","type":"t"`
			if tt.contentType != "" {
				e.SetDataContentType(tt.contentType)
				want += `,"datacontenttype":"` + tt.contentType + `"`
			}
			if tt.want != "" {
				want += "," + tt.want
			}
			assert.Equal(t, want+"}", payload(t, params.Event(d), f))
		})
	}
}

func TestRawData(t *testing.T) {
	d := newDependency("hook")
	json := newFiring(t, d, " {\"a\": 1}\n")
	text := newFiring(t, d, "a \"b\"")
	e := text.Events["hook"]
	e.SetDataContentType("text/plain")
	text.Events["hook"] = e
	bytes := newFiring(t, d, "\xff\x00")

	assert.Equal(t, " {\"a\": 1}\n", payload(t, params.RawData(d), json), "byte by byte")
	assert.Equal(t, `{"v":{"a": 1}}`, payload(t, params.Object{"v": params.RawData(d)}, json))
	assert.Equal(t, `a "b"`, payload(t, params.RawData(d), text))
	assert.Equal(t, `{"v":"a \"b\""}`, payload(t, params.Object{"v": params.RawData(d)}, text))
	assert.Equal(t, "\xff\x00", payload(t, params.RawData(d), bytes))
	_, err := params.Object{"v": params.RawData(d)}.Payload(bytes)
	require.EqualError(t, err, `"v": bytes that are not UTF-8 cannot stand in JSON`)
	assert.True(t, hearken.IsPermanent(err))
}

// What overflows the stack cannot be recovered from: it would end the process at
// each delivery of the event.
func TestJSONThatIsNestedWithoutEnd(t *testing.T) {
	const depth = 8_000_000
	d := newDependency("hook")
	f := newFiring(t, d, strings.Repeat("[", depth)+strings.Repeat("]", depth))
	for name, value := range map[string]params.Value{"raw": params.RawData(d), "event": params.Event(d)} {
		got, err := value.Payload(f)
		require.NoError(t, err, name)
		assert.GreaterOrEqual(t, len(got), 2*depth, name)
	}
	_, err := params.Data(d, "@this").Payload(f)
	require.ErrorContains(t, err, "is no JSON")
}
