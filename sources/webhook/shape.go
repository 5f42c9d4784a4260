package webhook

import (
	"encoding/json"
	"net/http"
	"net/textproto"
	"slices"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken"
	"github.com/tidwall/gjson"
)

// Masked stands in events for the value of a header that may hold a secret. It
// is what Argo Events writes there.
const Masked = "*** Masked Auth Secret ***"

// eventType is the type of events made from plain requests.
const eventType = "webhook"

// shape makes events of plain requests.
type shape struct {
	masked map[string]bool // canonical names of headers
	mask   []string        // their values
	end    []byte          // what follows the body: metadata, and the brace
}

func newShape(s *Source) shape {
	masked := map[string]bool{"Authorization": true, "Proxy-Authorization": true, "Cookie": true}
	names := s.Mask
	if v, ok := s.Verify.(interface{ MaskedHeaders() []string }); ok {
		names = slices.Concat(names, v.MaskedHeaders())
	}
	for _, name := range names {
		masked[textproto.CanonicalMIMEHeaderKey(name)] = true
	}
	end := []byte("}")
	if len(s.Metadata) > 0 {
		// A map of strings always marshals.
		metadata, _ := json.Marshal(s.Metadata)
		end = slices.Concat([]byte(`,"metadata":`), metadata, end)
	}
	return shape{masked: masked, mask: []string{Masked}, end: end}
}

// event returns the event of a plain request.
func (s shape) event(r *http.Request, body []byte, id string) (hearken.Event, error) {
	data := make([]byte, 0, s.estimate(r.Header, body))
	data = s.appendHeader(append(data, `{"header":`...), r.Header)
	data, err := appendBody(append(data, `,"body":`...), r, body)
	if err != nil {
		return hearken.Event{}, err
	}
	return newEvent(id, append(data, s.end...)), nil
}

// plainContext is the context of an event of a plain request with what it points
// to, in one allocation.
type plainContext struct {
	event.EventContextV1
	contentType string
}

// newEvent is hearken.NewEvent for data that is known to be JSON.
func newEvent(id string, data []byte) hearken.Event {
	c := &plainContext{
		EventContextV1: event.EventContextV1{ID: id, Type: eventType},
		contentType:    event.ApplicationJSON,
	}
	c.DataContentType = &c.contentType
	return hearken.Event{Context: &c.EventContextV1, DataEncoded: data}
}

// estimate returns about how long the data will be.
func (s shape) estimate(h http.Header, body []byte) int {
	n := len(`{"header":{},"body":`) + len(body) + len(s.end)
	for name, values := range h {
		n += len(name) + len(`"":[],`)
		for _, v := range values {
			n += max(len(v), len(Masked)) + len(`"",`)
		}
	}
	return n
}

// appendHeader appends h as an object, ordered by name.
func (s shape) appendHeader(dst []byte, h http.Header) []byte {
	names := make([]string, 0, 32)
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	return appendLists(dst, names, func(name string) []string {
		if s.masked[name] {
			return s.mask
		}
		return h[name]
	})
}

// appendLists appends an object with these names and their lists of strings.
func appendLists(dst []byte, names []string, values func(name string) []string) []byte {
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, name), ':', '[')
		for i, v := range values(name) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, v)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// appendString appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return gjson.AppendJSONString(dst, s)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
