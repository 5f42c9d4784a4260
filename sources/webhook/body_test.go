package webhook_test

import (
	"strings"
	"testing"

	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/hearken-go/hearken/sources/webhook"
	"github.com/stretchr/testify/assert"
	"github.com/tidwall/gjson"
)

const curl = "application/x-www-form-urlencoded"

func TestBodyByContentType(t *testing.T) {
	tests := []struct {
		name        string
		contentType string
		body        string
		want        string // of the data
	}{
		{"JSON", "application/json", `{"message":"hello"}`, `{"message":"hello"}`},
		{"JSON as it is", "application/json; charset=utf-8", " [1.0, 2e3,\n\"\\u0041\"]\n", " [1.0, 2e3,\n\"\\u0041\"]\n"},
		{"JSON scalar", "Application/JSON", `null`, `null`},
		{"JSON of a kind", "application/vnd.github+json", `{}`, `{}`},
		{"text JSON", "text/json", `{}`, `{}`},
		{"JSON without a content type", "", `{"a":1}`, `{"a":1}`},
		{"JSON from curl", curl, `{"message":"hello"}`, `{"message":"hello"}`},
		{"JSON list from curl, after space", curl, "\n [1]", "\n [1]"},
		{"JSON with = from curl", curl, `{"a":"b=c"}`, `{"a":"b=c"}`},
		{"form", curl, `b=2&a=1&a=x%20y+z&c`, `{"a":["1","x y z"],"b":["2"],"c":[""]}`},
		{"form with parameters", curl + "; charset=utf-8", `a=%C3%B6`, `{"a":["ö"]}`},
		{"empty form", curl, ``, `{}`},
		{"text", "text/plain", "a \"b\"\n<ö>", `"a \"b\"\n\u003cö\u003e"`},
		{"text that is JSON", "text/plain", `{"a":1}`, `"{\"a\":1}"`},
		{"empty text", "text/csv; header=present", ``, `""`},
		{"bytes", "application/octet-stream", "\x00\xff", `"AP8="`},
		{"empty bytes", "image/png", "", `""`},
		{"XML", "application/xml", "<a/>", `"PGEvPg=="`},
		{"a content type that is none", "nonsense;;", "x", `"eA=="`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, rec := open(), &sourcetest.Recorder{}
			start(t, s, rec)
			w := send(s, post(tt.contentType, tt.body))
			assert.Equal(t, 200, w.Code, w.Body)
			data := only(t, rec).Data()
			assert.True(t, gjson.ValidBytes(data))
			_, got, _ := strings.Cut(string(data), `"body":`)
			assert.Equal(t, tt.want+"}", got)
		})
	}
}

func TestBodyThatIsRefused(t *testing.T) {
	deep := strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001)
	tests := []struct {
		name        string
		contentType string
		body        string
		status      int
		reason      string
	}{
		{"no JSON", "application/json", `not json`, 400, "the body is not valid JSON: invalid character 'o' in literal null (expecting 'u')"},
		{"no JSON, of a kind", "application/x+json", `{`, 400, "the body is not valid JSON: unexpected end of JSON input"},
		{"no JSON from curl", curl, `not json`, 400, "the body is neither JSON nor a form: it begins with neither { nor [, and holds no name=value"},
		{"half JSON from curl", curl, `{"a=1`, 400, "the body begins as JSON but is not valid JSON: unexpected end of JSON input"},
		{"no JSON without a content type", "", `hello`, 400, "the body has no content type and is not valid JSON: invalid character 'h' looking for beginning of value"},
		{"two values", "application/json", `{} {}`, 400, "the body is not valid JSON: invalid character '{' after top-level value"},
		{"empty JSON", "application/json", ``, 400, "the body is not valid JSON: unexpected end of JSON input"},
		{"JSON that is not UTF-8", "application/json", "\"\xff\"", 400, "the body is not valid JSON: it is not UTF-8"},
		{"JSON too deep", "application/json", deep, 400, "the body is not valid JSON: invalid character '[' exceeded max depth"},
		{"malformed form", curl, `a=%zz`, 400, `the form is malformed: invalid URL escape "%zz"`},
		{"form that is not UTF-8", curl, `a=%ff`, 400, `the form is not UTF-8: "\xff"`},
		{"form name that is not UTF-8", curl, `%ff=a`, 400, `the form is not UTF-8: "\xff"`},
		{"text that is not UTF-8", "text/plain", "\xff", 400, "the body is not UTF-8, as text has to be"},
		{"multipart", "multipart/form-data; boundary=x", "--x--", 415, "multipart forms are not understood: send JSON or an urlencoded form"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, rec := open(), &sourcetest.Recorder{}
			start(t, s, rec)
			w := send(s, post(tt.contentType, tt.body))
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, tt.reason+"\n", w.Body.String())
			assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
			assert.Empty(t, rec.Attempts())
		})
	}
}

func TestBodyAsDeepAsItMayBe(t *testing.T) {
	s := open()
	start(t, s, &sourcetest.Recorder{})
	deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
	assert.Equal(t, 200, send(s, post("", deep)).Code)
	wide := "[" + strings.Repeat("{},", 50_000) + "{}]"
	assert.Equal(t, 200, send(s, post("", wide)).Code, "many brackets, but not deep")
}

func TestQueryIsTheBody(t *testing.T) {
	tests := []struct {
		method, target, contentType, body string
		want                              string
	}{
		{"GET", "/?b=2&a=1&a=x%20y", "", "", `{"a":["1","x y"],"b":["2"]}`},
		{"GET", "/", "", "", `{}`},
		{"GET", "/?a=1", "application/json", `{"ignored":1}`, `{"a":["1"]}`},
		{"HEAD", "/?a=1", "", "", `{"a":["1"]}`},
		{"DELETE", "/?id=7", "", "", `{"id":["7"]}`},
		{"POST", "/?a=1", "", "", `{"a":["1"]}`},
		{"POST", "/?a=1", "", "2", `2`},
	}
	for _, tt := range tests {
		s, rec := open(), &sourcetest.Recorder{}
		s.Methods = []string{"GET", "HEAD", "DELETE", "POST"}
		start(t, s, rec)
		w := send(s, request(tt.method, tt.target, tt.contentType, tt.body))
		assert.Equal(t, 200, w.Code, w.Body)
		assert.Equal(t, tt.want, gjson.GetBytes(only(t, rec).Data(), "body").Raw)
	}

	s := &webhook.Source{Verify: webhook.AllowUnauthenticated, Methods: []string{"GET"}}
	start(t, s, &sourcetest.Recorder{})
	w := send(s, request("GET", "/?a=%zz", "", ""))
	assert.Equal(t, 400, w.Code)
	assert.Equal(t, "the query is malformed: invalid URL escape \"%zz\"\n", w.Body.String())
}
