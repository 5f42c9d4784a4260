package natsbus_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func sample() event.Event {
	e := event.New()
	e.SetID("3f2504e0-4f89-11d3-9a0c-0305e82c3301")
	e.SetSource("webhook")
	e.SetType("webhook")
	e.SetSubject("example")
	e.SetTime(time.Date(2026, 1, 2, 3, 4, 5, 678900000, time.UTC))
	e.SetDataContentType(event.ApplicationJSON)
	e.SetExtension("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	e.DataEncoded = []byte(`{"header":{"Content-Type":["application/json"]},"body":{"message":"hello"}}`)
	return e
}

// The attributes are headers as the NATS binding names them, and no base64.
func TestEncodeOnTheWire(t *testing.T) {
	e := sample()
	e.SetExtension("n", int32(-7))
	e.SetExtension("ok", true)
	e.SetSubject("50% \"ü\"")
	h, err := natsbus.Encode(e)
	require.NoError(t, err)
	assert.Equal(t, nats.Header{
		"ce-specversion":     {"1.0"},
		"ce-id":              {"3f2504e0-4f89-11d3-9a0c-0305e82c3301"},
		"ce-source":          {"webhook"},
		"ce-type":            {"webhook"},
		"ce-subject":         {"50%25%20%22%C3%BC%22"},
		"ce-time":            {"2026-01-02T03:04:05.6789Z"},
		"ce-datacontenttype": {"application/json"},
		"ce-traceparent":     {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
		"traceparent":        {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
		"ce-n":               {"-7"},
		"ce-ok":              {"true"},
	}, h)
}

// Tools for NATS find the trace in headers of its own names, as it is; what a
// header cannot hold they do without.
func TestTraceOnTheWire(t *testing.T) {
	for state, want := range map[string][]string{`a=b c%,d="e"`: {`a=b c%,d="e"`}, "a=\r\nb": nil, "a=ü": nil, "": nil, " a=b": nil} {
		e := sample()
		e.SetExtension("tracestate", state)
		h, err := natsbus.Encode(e)
		require.NoError(t, err)
		assert.Equal(t, want, h["tracestate"], "%q", state)
		got, err := natsbus.Decode(h, nil)
		require.NoError(t, err)
		assert.Equal(t, state, got.Extensions()["tracestate"])
		size, err := natsbus.EncodedSize(e)
		require.NoError(t, err)
		assert.Equal(t, natsbus.HeaderSize(h), size)
	}
}

// The header of another hop says nothing of where the event's journey began.
func TestTraceOfTheMessageIsNotTheEvents(t *testing.T) {
	h, err := natsbus.Encode(sample())
	require.NoError(t, err)
	h["traceparent"] = []string{"00-00000000000000000000000000000001-0000000000000001-01"}
	e, err := natsbus.Decode(h, nil)
	require.NoError(t, err)
	assert.Equal(t, sample().Extensions(), e.Extensions())
}

// Who publishes without Hearken, by a tracing library for NATS, writes the trace
// into the message's headers alone.
func TestTraceOfOthers(t *testing.T) {
	const parent, state = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "a=b%25"
	minimal := nats.Header{"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"s"}, "ce-type": {"t"}}
	structured := nats.Header{"content-type": {"application/cloudevents+json"}}
	for _, h := range []nats.Header{minimal, structured} {
		decoded := func() map[string]any {
			e, err := natsbus.Decode(h, []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t"}`))
			require.NoError(t, err)
			return e.Extensions()
		}
		h["Tracestate"] = []string{state}
		assert.Empty(t, decoded(), "a state of no trace")
		h["Traceparent"] = []string{parent}
		assert.Equal(t, map[string]any{"traceparent": parent, "tracestate": state}, decoded())
		delete(h, "Tracestate")
		assert.Equal(t, map[string]any{"traceparent": parent}, decoded())
	}
}

// Each delivery that is held is one: past 480 bytes the allocator gives 512.
func TestSizeOfAMessage(t *testing.T) {
	assert.LessOrEqual(t, int(natsbus.MessageSize), 480)
}

func TestRoundTrip(t *testing.T) {
	tests := []struct {
		name   string
		change func(*event.Event)
	}{
		{"an event", func(*event.Event) {}},
		{"no data", func(e *event.Event) { e.DataEncoded = nil }},
		{"binary data", func(e *event.Event) { e.DataEncoded, e.DataBase64 = []byte{0, 255}, true }},
		{"a source with a host", func(e *event.Event) { e.SetSource("https://u@h:1/a%20b?q=1#f") }},
		{"a source that begins as a host would", func(e *event.Event) { e.SetSource("//host/path") }},
		{"a source of odd letters", func(e *event.Event) { e.SetSource("/ä b") }},
		{"an opaque source", func(e *event.Event) { e.SetSource("urn:a:b") }},
		{"a schema", func(e *event.Event) { e.SetDataSchema("https://example.com/s") }},
		{"an id of odd letters", func(e *event.Event) { e.Context.(*event.EventContextV1).ID = " %41\r\n\x00ü " }},
		{"an event of CloudEvents 0.3", func(e *event.Event) { e.SetSpecVersion(event.CloudEventsVersionV03) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := sample()
			tt.change(&want)
			h, err := natsbus.Encode(want)
			require.NoError(t, err)
			got, err := natsbus.Decode(h, want.Data())
			require.NoError(t, err)
			want.Context = want.Context.AsV1()
			assert.Equal(t, want.String(), got.String())
			assert.Equal(t, want.DataBase64, got.DataBase64)
			assert.Equal(t, bus.IdentityOf(bus.Topic{}, want), bus.IdentityOf(bus.Topic{}, got))
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	_, err := natsbus.Encode(event.Event{})
	require.Error(t, err, "no context")
	e := sample()
	e.Context.(*event.EventContextV1).Extensions["bad"] = struct{}{}
	_, err = natsbus.Encode(e)
	require.ErrorContains(t, err, `"bad"`)
}

// What could not be read again is refused, not stored: an event whose extension
// takes an attribute's place would arrive as another event.
func TestEncodeRefusesWhatDoesNotArrive(t *testing.T) {
	for _, name := range []string{"foo_bar", "", "ü", "id", "Source", "x\r\nNats-Rollup: all\r\nce-y"} {
		e := sample()
		e.Context.(*event.EventContextV1).Extensions[name] = "v"
		_, err := natsbus.Encode(e)
		require.ErrorIs(t, err, bus.ErrRejected, "%q", name)
	}
	for _, year := range []int{-1, 10_000} {
		e := sample()
		e.SetTime(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))
		_, err := natsbus.Encode(e)
		require.ErrorIs(t, err, bus.ErrRejected, "%d", year)
	}
	for name, lack := range map[string]func(*event.EventContextV1){
		"id":     func(c *event.EventContextV1) { c.ID = "" },
		"source": func(c *event.EventContextV1) { c.Source.URL = url.URL{} },
		"type":   func(c *event.EventContextV1) { c.Type = "" },
	} {
		e := sample()
		lack(e.Context.(*event.EventContextV1))
		_, err := natsbus.Encode(e)
		require.ErrorIs(t, err, bus.ErrRejected, name)
	}
}

func TestExtensionsOfAllTypes(t *testing.T) {
	want := map[string]any{
		"a": int32(1), "b": false, "c": []byte{1, 2}, "d": types.URI{URL: url.URL{Scheme: "s", Host: "h"}},
		"e": types.URIRef{URL: url.URL{Path: "p"}}, "f": types.Timestamp{Time: time.Unix(1, 2).UTC()}, "g": "",
	}
	e := sample()
	for k, v := range want {
		e.SetExtension(k, v)
	}
	h, err := natsbus.Encode(e)
	require.NoError(t, err)
	got, err := natsbus.Decode(h, nil)
	require.NoError(t, err)
	for k, v := range want {
		s, err := types.Format(v)
		require.NoError(t, err)
		assert.Equal(t, s, got.Extensions()[k], k)
	}
}

// Publishers of other making write the headers in other ways.
func TestDecodeOfOthers(t *testing.T) {
	minimal := func(change func(nats.Header)) nats.Header {
		h := nats.Header{"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"s"}, "ce-type": {"t"}}
		change(h)
		return h
	}
	tests := []struct {
		name   string
		header nats.Header
		data   string
		err    string
	}{
		{"minimal", minimal(func(nats.Header) {}), "x", ""},
		{"other case", nats.Header{"Ce-Specversion": {"1.0"}, "CE-ID": {"1"}, "ce-Source": {"s"}, "Ce-Type": {"t"}}, "x", ""},
		{"values not escaped", minimal(func(h nats.Header) { h["ce-subject"] = []string{`a "b" ü`} }), "x", ""},
		{"structured", nats.Header{"Content-Type": {"application/cloudevents+json; charset=utf-8"}}, `{"specversion":"1.0","id":"1","source":"s","type":"t","data":"x"}`, ""},
		{"structured, lower case", nats.Header{"content-type": {"Application/CloudEvents+JSON"}}, `{"specversion":"1.0","id":"1","source":"s","type":"t"}`, ""},
		{"no headers", nil, "x", "no CloudEvent"},
		{"header without value", minimal(func(h nats.Header) { h["ce-id"] = nil }), "x", "lacks"},
		{"no type", minimal(func(h nats.Header) { delete(h, "ce-type") }), "x", "lacks"},
		{"empty source", minimal(func(h nats.Header) { h["ce-source"] = []string{""} }), "x", "lacks"},
		{"version 2", minimal(func(h nats.Header) { h["ce-specversion"] = []string{"2.0"} }), "x", "2.0"},
		{"half an escape", minimal(func(h nats.Header) { h["ce-id"] = []string{"%4"} }), "x", "ce-id"},
		{"half an escape in an extension", minimal(func(h nats.Header) { h["ce-x"] = []string{"%"} }), "x", "ce-x"},
		{"no such time", minimal(func(h nats.Header) { h["ce-time"] = []string{"yesterday"} }), "x", "ce-time"},
		{"no such source", minimal(func(h nats.Header) { h["ce-source"] = []string{"%3A"} }), "x", "ce-source"},
		{"no such schema", minimal(func(h nats.Header) { h["ce-dataschema"] = []string{"%3A"} }), "x", "ce-dataschema"},
		{"no name of an extension", minimal(func(h nats.Header) { h["ce-a_b"] = []string{"1"} }), "x", "a_b"},
		{"structured, not JSON", nats.Header{"content-type": {"application/cloudevents+json"}}, `{`, "structured"},
		{"structured, not valid", nats.Header{"content-type": {"application/cloudevents+json"}}, `{"specversion":"1.0","id":"1"}`, "structured"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := natsbus.Decode(tt.header, []byte(tt.data))
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.NoError(t, e.Validate())
			assert.Equal(t, "1", e.ID())
		})
	}
}

func TestContentTypeOfOthers(t *testing.T) {
	h := nats.Header{"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"s"}, "ce-type": {"t"}, "Content-Type": {"text/plain"}}
	e, err := natsbus.Decode(h, []byte("x"))
	require.NoError(t, err)
	assert.Equal(t, "text/plain", e.DataContentType())
	h["ce-datacontenttype"] = []string{"application/json"}
	e, err = natsbus.Decode(h, []byte("x"))
	require.NoError(t, err)
	assert.Equal(t, "application/json", e.DataContentType(), "the attribute is the event's, the header the message's")
}

func TestHeaderSize(t *testing.T) {
	assert.Equal(t, len("NATS/1.0\r\na: bc\r\nd: e\r\n\r\n"), natsbus.HeaderSize(nats.Header{"a": {"bc"}, "d": {"e"}}))
}

// The size that encoding finds is that of the header as nats.go writes it.
func TestEncodedSize(t *testing.T) {
	e := sample()
	e.SetDataSchema("https://example.com/s")
	e.SetSubject("50% \"ü\"")
	e.DataBase64 = true
	h, err := natsbus.Encode(e)
	require.NoError(t, err)
	size, err := natsbus.EncodedSize(e)
	require.NoError(t, err)
	m := nats.Msg{Header: h}
	assert.Equal(t, m.Size(), size)
}

// FuzzDecode proves that no message of another's making is a panic, or an event
// that would come back as another after it was published here.
func FuzzDecode(f *testing.F) {
	f.Add("NATS/1.0\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\nce-time: 2026-01-02T03:04:05Z\r\n\r\n", []byte("{}"))
	f.Add("NATS/1.0\r\ncontent-type: application/cloudevents+json\r\n\r\n", []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","data":{}}`))
	f.Add("NATS/1.0\r\nce-specversion: 1.0\r\nce-id: %00\r\nce-source: a:b?%\r\nce-type: t\r\nce-x1: %C3\r\n\r\n", []byte(nil))
	f.Fuzz(func(t *testing.T, head string, data []byte) {
		h, err := nats.DecodeHeadersMsg([]byte(head))
		if err != nil {
			return
		}
		e, err := natsbus.Decode(h, data)
		if err != nil {
			return
		}
		again, err := natsbus.Encode(e)
		if err != nil {
			return // an extension of a type that structured mode alone can hold
		}
		for k, v := range again {
			if strings.ContainsAny(v[0], "\r\n\x00") || k != "tracestate" && strings.Contains(v[0], " ") {
				t.Fatalf("header %q: %q is not as it must be", k, v)
			}
		}
		back, err := natsbus.Decode(again, e.Data())
		if err != nil {
			t.Fatalf("%q was an event and is none any more: %v", head, err)
		}
		if bus.IdentityOf(bus.Topic{}, e) != bus.IdentityOf(bus.Topic{}, back) {
			t.Fatalf("the identity changed: %v is not %v", e, back)
		}
	})
}

// The limits: what must be done by hand at the least. Encoding: the map of
// headers that nats.go takes, and its values as text. Decoding: a time and an
// event, from values that are looked up.
func BenchmarkEncode(b *testing.B) {
	e := sample()
	limit := perOp(func(n int) {
		for range n {
			h := make(nats.Header, 9)
			v := []string{"1.0", e.ID(), "webhook", e.Type(), e.Subject(), e.Time().Format(time.RFC3339Nano), event.ApplicationJSON, "00-4bf92f"}
			for i, k := range []string{"ce-specversion", "ce-id", "ce-source", "ce-type", "ce-subject", "ce-time", "ce-datacontenttype", "ce-traceparent"} {
				h[k] = v[i : i+1]
			}
			sink = h
		}
	})
	b.ReportAllocs()
	for b.Loop() {
		h, err := natsbus.Encode(e)
		if err != nil {
			b.Fatal(err)
		}
		sink = h
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/limit, "x-limit")
}

func BenchmarkDecode(b *testing.B) {
	e := sample()
	h, err := natsbus.Encode(e)
	require.NoError(b, err)
	limit := perOp(func(n int) {
		for range n {
			at, _ := time.Parse(time.RFC3339Nano, h["ce-time"][0])
			got := event.EventContextV1{
				ID: h["ce-id"][0], Type: h["ce-type"][0], Subject: &h["ce-subject"][0], DataContentType: &h["ce-datacontenttype"][0],
				Time: &types.Timestamp{Time: at}, Extensions: map[string]any{"traceparent": h["ce-traceparent"][0]},
			}
			got.Source.Path = h["ce-source"][0]
			sink = &got
		}
	})
	b.ReportAllocs()
	for b.Loop() {
		got, err := natsbus.Decode(h, e.Data())
		if err != nil {
			b.Fatal(err)
		}
		sink = got.Context
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/limit, "x-limit")
}

// BenchmarkStructured is what binary mode spares.
func BenchmarkStructured(b *testing.B) {
	e := sample()
	b.ReportAllocs()
	for b.Loop() {
		data, err := json.Marshal(e)
		if err != nil {
			b.Fatal(err)
		}
		sink = data
	}
}

var sink any

// perOp returns how many nanoseconds f takes for each of its rounds.
func perOp(f func(n int)) float64 {
	const n = 200_000
	f(n / 10)
	start := time.Now()
	f(n)
	return float64(time.Since(start).Nanoseconds()) / n
}
