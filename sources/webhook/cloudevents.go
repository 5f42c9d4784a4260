package webhook

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/hearken-go/hearken"
	"github.com/tidwall/gjson"
)

// mode is a content mode of the CloudEvents HTTP binding 1.0.2, section 3.
type mode int

const (
	plain      mode = iota // no CloudEvent
	binary                 // attributes in the header
	structured             // one event in JSON
	batched                // a list of events in JSON
	unknown                // a CloudEvent in a format that is not understood
)

const (
	structuredJSON = "application/cloudevents+json"
	batchJSON      = "application/cloudevents-batch+json"
)

// modeOf tells the mode by the content type, and then by ce-specversion, as the
// binding says.
func modeOf(h http.Header) mode {
	const formats = "application/cloudevents"
	contentType := h.Get("Content-Type")
	if len(contentType) >= len(formats) && strings.EqualFold(contentType[:len(formats)], formats) {
		switch mediaType(contentType) {
		case structuredJSON:
			return structured
		case batchJSON:
			return batched
		default:
			return unknown
		}
	}
	if _, ok := h["Ce-Specversion"]; ok {
		return binary
	}
	return plain
}

// decodeCloudEvent returns the event of a request in a mode other than plain and
// batched.
func decodeCloudEvent(m mode, h http.Header, body []byte) (hearken.Event, error) {
	switch m {
	case binary:
		return decodeBinary(h, body)
	case structured:
		if !validJSON(body) {
			return hearken.Event{}, malformed("the CloudEvent is not valid JSON: %s", jsonMistake(body))
		}
		return decodeStructured(gjson.ParseBytes(body))
	default:
		return hearken.Event{}, refuse(http.StatusUnsupportedMediaType,
			"the CloudEvents format %.100q is not understood: send %s or %s", h.Get("Content-Type"), structuredJSON, batchJSON)
	}
}

// decodeBatch returns the events of a batch, all or none.
func decodeBatch(body []byte) ([]hearken.Event, error) {
	if !validJSON(body) {
		return nil, malformed("the batch is not valid JSON: %s", jsonMistake(body))
	}
	list := gjson.ParseBytes(body)
	if !list.IsArray() {
		return nil, malformed("the batch is no JSON array")
	}
	var events []hearken.Event
	var err error
	list.ForEach(func(_, v gjson.Result) bool {
		var e hearken.Event
		if e, err = decodeStructured(v); err != nil {
			err = malformed("event %s of the batch: %v", nth(len(events)), err)
			return false
		}
		events = append(events, e)
		return true
	})
	return events, err
}

// decodeBinary reads attributes from the header as section 3.1.3 says.
func decodeBinary(h http.Header, body []byte) (hearken.Event, error) {
	d := newDecoder()
	for name, values := range h {
		if attribute, ok := strings.CutPrefix(name, "Ce-"); ok {
			d.header(strings.ToLower(attribute), values)
		}
	}
	if d.err != nil {
		return hearken.Event{}, d.err
	}
	if contentType := h.Get("Content-Type"); contentType != "" {
		d.context.DataContentType = &contentType
	}
	if len(body) > 0 {
		d.event.DataEncoded = bytes.Clone(body)
		d.event.DataBase64 = !d.jsonData() && !utf8.Valid(body)
	}
	return d.finish()
}

// decodeStructured reads the JSON event format 1.0.2, of JSON that is valid.
func decodeStructured(v gjson.Result) (hearken.Event, error) {
	if !v.IsObject() {
		return hearken.Event{}, malformed("the CloudEvent is no JSON object")
	}
	d := newDecoder()
	var data, data64 gjson.Result
	v.ForEach(func(name, value gjson.Result) bool {
		switch {
		case name.Str == "data":
			data = value
		case value.Type == gjson.Null: // as if absent
		case name.Str == "data_base64":
			data64 = value
		case name.Str == "datacontenttype":
			d.string(name.Str, value, func(s string) { d.context.DataContentType = &s })
		default:
			d.member(name.Str, value)
		}
		return d.err == nil
	})
	if d.err == nil {
		d.data(data, data64)
	}
	return d.finish()
}

// decoder gathers the parts of an event, and the first error.
type decoder struct {
	event   hearken.Event
	context *event.EventContextV1
	version bool
	err     error
}

func newDecoder() *decoder {
	c := &event.EventContextV1{}
	return &decoder{context: c, event: hearken.Event{Context: c}}
}

func (d *decoder) failf(format string, args ...any) {
	if d.err == nil {
		d.err = malformed("the CloudEvent is malformed: "+format, args...)
	}
}

// header takes an attribute of binary mode.
func (d *decoder) header(name string, values []string) {
	if len(values) != 1 {
		d.failf("header ce-%s comes %d times", name, len(values))
		return
	}
	value, ok := decodeHeader(values[0])
	if !ok {
		d.failf("header ce-%s is not UTF-8", name)
		return
	}
	d.attribute(name, value)
}

// member takes an attribute of structured mode.
func (d *decoder) member(name string, v gjson.Result) {
	switch v.Type {
	case gjson.String:
		d.attribute(name, v.Str)
	case gjson.True, gjson.False:
		d.extension(name, v.Bool())
	case gjson.Number:
		if n := v.Float(); n != math.Trunc(n) || n < math.MinInt32 || n > math.MaxInt32 {
			d.failf("%.40q is no integer of 32 bits", name)
			return
		}
		d.extension(name, int32(v.Int()))
	default:
		d.failf("%.40q is no string, number or boolean", name)
	}
}

// string takes an attribute that must be a string.
func (d *decoder) string(name string, v gjson.Result, take func(string)) {
	if v.Type != gjson.String {
		d.failf("%s is no string", name)
		return
	}
	take(v.Str)
}

// attribute takes an attribute in its string form.
func (d *decoder) attribute(name, value string) {
	switch name {
	case "specversion":
		d.version = true
		if value != event.CloudEventsVersionV1 {
			d.failf("specversion %.40q is not understood, only %q", value, event.CloudEventsVersionV1)
		}
	case "id":
		d.context.ID = value
	case "type":
		d.context.Type = value
	case "subject":
		d.context.Subject = &value
	case "source":
		if u := types.ParseURIRef(value); u != nil {
			d.context.Source = *u
		} else if value != "" {
			d.failf("source %.100q is no URI reference", value)
		}
	case "dataschema":
		if d.context.DataSchema = types.ParseURI(value); d.context.DataSchema == nil {
			d.failf("dataschema %.100q is no URI", value)
		}
	case "time":
		t, err := types.ParseTime(value)
		if err != nil {
			d.failf("time %.100q is not as RFC 3339 says", value)
		}
		d.context.Time = &types.Timestamp{Time: t}
	default:
		d.extension(name, value)
	}
}

func (d *decoder) extension(name string, value any) {
	if name == "data" {
		d.failf("no extension may be named data")
		return
	}
	if err := d.context.SetExtension(name, value); err != nil {
		d.failf("%.40q: %v", name, err)
	}
}

// data takes the data of structured mode, section 3.1 of the JSON format.
func (d *decoder) data(data, data64 gjson.Result) {
	switch {
	case data.Exists() && data64.Exists():
		d.failf("it has both data and data_base64")
	case data64.Exists():
		d.string("data_base64", data64, func(s string) {
			raw, err := base64.StdEncoding.DecodeString(s)
			if err != nil {
				d.failf("data_base64: %v", err)
			}
			d.event.DataEncoded, d.event.DataBase64 = raw, true
		})
	case !data.Exists():
	case d.jsonData():
		d.event.DataEncoded = []byte(data.Raw)
	case data.Type == gjson.Null:
	default:
		d.string("data of type "+d.context.GetDataContentType(), data, func(s string) {
			d.event.DataEncoded = []byte(s)
		})
	}
}

// jsonData reports whether the data is JSON, as it is when nothing else is
// said.
func (d *decoder) jsonData() bool {
	return d.context.DataContentType == nil || isJSON(mediaType(*d.context.DataContentType))
}

// finish returns the event, if it is valid.
func (d *decoder) finish() (hearken.Event, error) {
	if !d.version {
		d.failf("it has no specversion")
	}
	if d.err == nil {
		if err := d.event.Validate(); err != nil {
			d.failf("%s", oneLine(err))
		}
	}
	if data := d.event.DataEncoded; len(data) > 0 && d.jsonData() && !validJSON(data) {
		d.failf("its data is not valid JSON, and no content type says that it is something else")
	}
	if d.err != nil {
		return hearken.Event{}, d.err
	}
	return d.event, nil
}

// oneLine returns the text of an SDK's error, which has a line for each
// mistake.
func oneLine(err error) string {
	return strings.ReplaceAll(strings.TrimSpace(fmt.Sprint(err)), "\n", "; ")
}
