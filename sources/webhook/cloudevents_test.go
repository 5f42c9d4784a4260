package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	structuredType = "application/cloudevents+json"
	batchType      = "application/cloudevents-batch+json; charset=utf-8"
)

// checkAttributes proves what both modes below say.
func checkAttributes(t *testing.T, e hearken.Event) {
	t.Helper()
	assert.Equal(t, "1.0", e.SpecVersion())
	assert.Equal(t, "A-1", e.ID())
	assert.Equal(t, "com.example.order", e.Type())
	assert.Equal(t, "https://example.com/shop?x=1", e.Source())
	assert.Equal(t, "Euro € 😀", e.Subject())
	assert.Equal(t, "2020-03-01T12:30:00.5Z", e.Time().Format("2006-01-02T15:04:05.999Z07:00"))
	assert.Equal(t, "https://example.com/schema", e.DataSchema())
	assert.Equal(t, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", e.Extensions()["traceparent"])
	assert.NoError(t, e.Validate())
}

func TestCloudEventBinary(t *testing.T) {
	s, rec := open(), &sourcetest.Recorder{}
	start(t, s, rec)
	r := post("application/json", `{"total": 7}`)
	for name, value := range map[string]string{
		"ce-specversion": "1.0", "ce-id": "A-1", "ce-type": "com.example.order",
		"ce-source": "https://example.com/shop?x=1", "ce-subject": "Euro%20%E2%82%AC%20%F0%9F%98%80",
		"ce-time": "2020-03-01T12:30:00.5Z", "ce-dataschema": "https://example.com/schema",
		"ce-traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"ce-quoted":      `"a \"b\" 100%"`, "ce-hearkenx": "the engine refuses it",
	} {
		r.Header.Set(name, value)
	}
	w := send(s, r)
	require.Equal(t, 200, w.Code, w.Body)
	e := only(t, rec)
	checkAttributes(t, e)
	assert.Equal(t, `a "b" 100%`, e.Extensions()["quoted"])
	assert.Equal(t, "the engine refuses it", e.Extensions()["hearkenx"])
	assert.Equal(t, "application/json", e.DataContentType())
	assert.Equal(t, `{"total": 7}`, string(e.Data()))
	assert.False(t, e.DataBase64)
}

func TestCloudEventBinaryData(t *testing.T) {
	for _, tt := range []struct {
		contentType, body string
		base64            bool
	}{{"", "", false}, {"", `{"a":1}`, false}, {"text/plain", "ö", false}, {"image/png", "\x89PNG", true}, {"application/x+json", "1", false}} {
		s, rec := open(), &sourcetest.Recorder{}
		start(t, s, rec)
		w := send(s, binaryEvent(tt.contentType, tt.body))
		require.Equal(t, 200, w.Code, w.Body)
		e := only(t, rec)
		assert.Equal(t, tt.contentType, e.DataContentType())
		assert.Equal(t, tt.body, string(e.Data()))
		assert.Equal(t, tt.base64, e.DataBase64)
	}
}

func TestCloudEventStructured(t *testing.T) {
	s, rec := open(), &sourcetest.Recorder{}
	start(t, s, rec)
	w := send(s, post(structuredType, `{
		"data": {"total": 7, "id": "x"},
		"specversion": "1.0", "id": "A-1", "type": "com.example.order", "source": "https://example.com/shop?x=1",
		"subject": "Euro € \ud83d\ude00", "time": "2020-03-01T12:30:00.5Z", "dataschema": "https://example.com/schema",
		"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"number": -2147483648, "yes": true, "absent": null, "data_base64": null
	}`))
	require.Equal(t, 200, w.Code, w.Body)
	e := only(t, rec)
	checkAttributes(t, e)
	assert.Equal(t, int32(-2147483648), e.Extensions()["number"])
	assert.Equal(t, true, e.Extensions()["yes"])
	assert.NotContains(t, e.Extensions(), "absent")
	assert.Equal(t, `{"total": 7, "id": "x"}`, string(e.Data()))
	assert.Empty(t, e.DataContentType(), "as it was sent")
}

func TestCloudEventStructuredData(t *testing.T) {
	tests := []struct {
		members string
		want    string
		base64  bool
	}{
		{``, "", false},
		{`,"data":null`, "null", false},
		{`,"data":"text"`, `"text"`, false},
		{`,"data":[1, 2],"datacontenttype":"application/json"`, "[1, 2]", false},
		{`,"datacontenttype":"text/plain","data":"a\n\u00f6"`, "a\nö", false},
		{`,"datacontenttype":"text/plain","data":null`, "", false},
		{`,"datacontenttype":"image/png","data_base64":"iVBORw=="`, "\x89PNG", true},
		{`,"data_base64":"eyJhIjoxfQ=="`, `{"a":1}`, true},
	}
	for _, tt := range tests {
		s, rec := open(), &sourcetest.Recorder{}
		start(t, s, rec)
		w := send(s, post(structuredType, `{"specversion":"1.0","id":"1","type":"t","source":"s"`+tt.members+`}`))
		require.Equal(t, 200, w.Code, w.Body)
		e := only(t, rec)
		assert.Equal(t, tt.want, string(e.Data()))
		assert.Equal(t, tt.base64, e.DataBase64)
	}
}

func TestCloudEventsThatAreRefused(t *testing.T) {
	const ok = `"specversion":"1.0","id":"1","type":"t","source":"s"`
	tests := []struct {
		name              string
		contentType, body string
		status            int
		reason            string
	}{
		{"no JSON", structuredType, `{`, 400, "the CloudEvent is not valid JSON: unexpected end"},
		{"no object", structuredType, `[]`, 400, "no JSON object"},
		{"no version", structuredType, `{"id":"1","type":"t","source":"s"}`, 400, "it has no specversion"},
		{"another version", structuredType, `{"specversion":"0.3","id":"1","type":"t","source":"s"}`, 400, `specversion "0.3" is not understood, only "1.0"`},
		{"no id", structuredType, `{"specversion":"1.0","type":"t","source":"s"}`, 400, "id: MUST be a non-empty string"},
		{"no source", structuredType, `{"specversion":"1.0","type":"t","id":"1","source":""}`, 400, "source: REQUIRED"},
		{"id that is no string", structuredType, `{"specversion":"1.0","type":"t","source":"s","id":1}`, 400, `"id": bad key`},
		{"bad source", structuredType, `{` + ok + `,"source":"%zz"}`, 400, `source "%zz" is no URI reference`},
		{"bad time", structuredType, `{` + ok + `,"time":"today"}`, 400, `time "today" is not as RFC 3339 says`},
		{"bad schema", structuredType, `{` + ok + `,"dataschema":"%zz"}`, 400, `dataschema "%zz" is no URI`},
		{"relative schema", structuredType, `{` + ok + `,"dataschema":"a"}`, 400, `dataschema: if present`},
		{"empty subject", structuredType, `{` + ok + `,"subject":""}`, 400, "subject: if present"},
		{"bad content type", structuredType, `{` + ok + `,"datacontenttype":"a b/"}`, 400, "datacontenttype: failed"},
		{"content type that is no string", structuredType, `{` + ok + `,"datacontenttype":1}`, 400, "datacontenttype is no string"},
		{"bad extension name", structuredType, `{` + ok + `,"a-b":"x"}`, 400, `"a-b": bad key`},
		{"object as extension", structuredType, `{` + ok + `,"x":{}}`, 400, `"x" is no string, number or boolean`},
		{"fraction as extension", structuredType, `{` + ok + `,"x":1.5}`, 400, `"x" is no integer of 32 bits`},
		{"large number as extension", structuredType, `{` + ok + `,"x":2147483648}`, 400, `"x" is no integer of 32 bits`},
		{"both data", structuredType, `{` + ok + `,"data":1,"data_base64":"MQ=="}`, 400, "both data and data_base64"},
		{"bad base64", structuredType, `{` + ok + `,"data_base64":"%"}`, 400, "data_base64: illegal base64"},
		{"base64 that is no string", structuredType, `{` + ok + `,"data_base64":1}`, 400, "data_base64 is no string"},
		{"base64 that is no JSON", structuredType, `{` + ok + `,"data_base64":"eA=="}`, 400, "data is not valid JSON"},
		{"text that is no string", structuredType, `{` + ok + `,"datacontenttype":"text/plain","data":{}}`, 400, "data of type text/plain is no string"},
		{"another format", "application/cloudevents+xml", `<x/>`, 415, "is not understood: send application/cloudevents+json"},
		{"batch that is no list", batchType, `{` + ok + `}`, 400, "no JSON array"},
		{"batch that is no JSON", batchType, `[`, 400, "the batch is not valid JSON"},
		{"batch with a bad event", batchType, `[{` + ok + `},{}]`, 400, "event 2 of the batch: the CloudEvent is malformed: it has no specversion"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, rec := open(), &sourcetest.Recorder{}
			start(t, s, rec)
			w := send(s, post(tt.contentType, tt.body))
			assert.Equal(t, tt.status, w.Code)
			assert.Contains(t, w.Body.String(), tt.reason)
			assert.Equal(t, 1, strings.Count(w.Body.String(), "\n"), "one line")
			assert.Empty(t, rec.Attempts(), "all or none")
		})
	}
}

func binaryEvent(contentType, body string, headers ...string) *http.Request {
	r := post(contentType, body)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	for name, value := range map[string]string{"Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Type": "t", "Ce-Source": "s"} {
		if r.Header.Get(name) == "" {
			r.Header.Set(name, value)
		}
	}
	return r
}

func TestCloudEventsBinaryThatAreRefused(t *testing.T) {
	tests := []struct {
		name   string
		r      *http.Request
		reason string
	}{
		{"invalid UTF-8, by escapes", binaryEvent("", "", "Ce-Subject", "%C0%A0"), "header ce-subject is not UTF-8"},
		{"invalid UTF-8", binaryEvent("", "", "Ce-Subject", "\xff"), "header ce-subject is not UTF-8"},
		{"twice", binaryEvent("", "", "Ce-Id", "1", "Ce-Id", "2"), "header ce-id comes 2 times"},
		{"bad name", binaryEvent("", "", "Ce-A-B", "1"), `"a-b": bad key`},
		{"data as an attribute", binaryEvent("", "", "Ce-Data", "1"), "no extension may be named data"},
		{"content type as an attribute", binaryEvent("", "", "Ce-Datacontenttype", "text/plain"), `"datacontenttype": bad key`},
		{"data that is no JSON", binaryEvent("application/json", "x"), "data is not valid JSON"},
		{"data that nobody says what it is", binaryEvent("", "x"), "no content type says"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, rec := open(), &sourcetest.Recorder{}
			start(t, s, rec)
			w := send(s, tt.r)
			assert.Equal(t, 400, w.Code)
			assert.Contains(t, w.Body.String(), tt.reason)
			assert.Empty(t, rec.Attempts())
		})
	}
}

// batch returns a batch of n events with ids from 0.
func batch(n int) string {
	events := make([]string, n)
	for i := range events {
		events[i] = fmt.Sprintf(`{"specversion":"1.0","id":"%d","type":"t","source":"s","data":%d}`, i, i)
	}
	return "[" + strings.Join(events, ",") + "]"
}

func TestCloudEventBatch(t *testing.T) {
	for _, n := range []int{0, 1, 100} {
		s, rec := open(), &sourcetest.Recorder{}
		start(t, s, rec)
		w := send(s, post(batchType, batch(n)))
		assert.Equal(t, 200, w.Code, w.Body)
		seen := map[string]bool{}
		for _, e := range rec.Events() {
			assert.Equal(t, e.ID(), string(e.Data()))
			seen[e.ID()] = true
		}
		assert.Len(t, seen, n)
	}
}

func TestCloudEventBatchOfWhichSomeFail(t *testing.T) {
	never := hearken.Permanent(errors.New("reserved"))
	tests := []struct {
		name   string
		fails  map[int]error
		status int
		reason string
	}{
		{"never", map[int]error{3: never}, 422, "event 4 of the batch: reserved"},
		{"too large", map[int]error{3: bus.ErrRejected, 5: never}, 413, "event 4 of the batch: too large for the bus"},
		{"later is worse than never", map[int]error{3: never, 7: bus.ErrFull}, 503, "there is no room for the event now"},
		{"any other error too", map[int]error{3: never, 7: errors.New("away")}, 503, "the event could not be stored"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, rec := open(), &sourcetest.Recorder{}
			rec.Then = func(_ context.Context, e hearken.Event) error {
				id, err := strconv.Atoi(e.ID())
				return errors.Join(err, tt.fails[id])
			}
			start(t, s, rec)
			w := send(s, post(batchType, batch(20)))
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, tt.reason+"\n", w.Body.String())
			assert.Len(t, rec.Events(), 20-len(tt.fails), "the others are stored")
		})
	}
}

// The events of one batch do not wait for one another, up to a bound.
func TestCloudEventBatchIsEmittedConcurrently(t *testing.T) {
	s, rec := open(), &sourcetest.Recorder{}
	gate := &sourcetest.Gate{}
	rec.Then = gate.Emit
	start(t, s, rec)
	var sent sync.WaitGroup
	sent.Go(func() { assert.Equal(t, 200, send(s, post(batchType, batch(40))).Code) })
	attempts, err := rec.WaitAttempts(t.Context(), 16)
	require.NoError(t, err)
	assert.Len(t, attempts, 16)
	gate.Open()
	sent.Wait()
	assert.Len(t, rec.Events(), 40)
}
