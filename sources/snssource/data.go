package snssource

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hearken-go/hearken"
	"github.com/tidwall/gjson"
)

// Masked stands in events for the value of a header that may hold a secret. It
// is what Argo Events writes there.
const Masked = "*** Masked Auth Secret ***"

// eventType is the type of the events.
const eventType = "sns"

// shape makes events of messages.
type shape struct {
	masked   []string // canonical names of headers
	asJSON   bool
	metadata []byte // what follows the body, and the brace
}

func newShape(s *Source) shape {
	sh := shape{asJSON: s.MessageAsJSON, metadata: []byte("}")}
	for _, name := range append([]string{"Authorization", "Proxy-Authorization", "Cookie"}, s.Mask...) {
		sh.masked = append(sh.masked, textproto.CanonicalMIMEHeaderKey(name))
	}
	if len(s.Metadata) > 0 {
		// A map of strings always marshals.
		metadata, _ := json.Marshal(s.Metadata)
		sh.metadata = slices.Concat([]byte(`,"metadata":`), metadata, sh.metadata)
	}
	return sh
}

// event returns the event of a message that was delivered with header h.
func (s shape) event(h http.Header, e *envelope) (hearken.Event, error) {
	event, err := s.wrap(h, e.text("MessageId"), s.body(e))
	if err == nil {
		event.SetTime(e.time)
		setTrace(&event, e)
	}
	return event, err
}

// body returns e's envelope, with the message as it is asked for.
func (s shape) body(e *envelope) []byte {
	if !s.asJSON || !isContainer(e.message.Str) {
		return e.raw
	}
	from := e.message.Index
	return slices.Concat(e.raw[:from], []byte(e.message.Str), e.raw[from+len(e.message.Raw):])
}

// isContainer reports whether s is a JSON object or array.
func isContainer(s string) bool {
	start := strings.TrimLeft(s, " \t\r\n")
	return start != "" && (start[0] == '{' || start[0] == '[') && json.Valid([]byte(s))
}

// rawEvent returns the event of a message that was delivered raw. It gets an
// envelope of what is known, so that paths mean the same.
func (s shape) rawEvent(h http.Header, id, arn string, message []byte) (hearken.Event, error) {
	if !utf8.Valid(message) {
		return hearken.Event{}, malformed("the message is not UTF-8")
	}
	body := append([]byte(`{"Type":"`+notification+`","MessageId":`), quote(id)...)
	body = append(append(body, `,"TopicArn":`...), quote(arn)...)
	body = append(body, `,"Message":`...)
	if s.asJSON && isContainer(string(message)) {
		body = append(body, message...)
	} else {
		body = append(body, quote(string(message))...)
	}
	return s.wrap(h, id, append(body, '}'))
}

func quote(s string) []byte { return gjson.AppendJSONString(nil, s) }

// wrap returns the event with a body.
func (s shape) wrap(h http.Header, id string, body []byte) (hearken.Event, error) {
	data := s.appendHeader([]byte(`{"header":`), h)
	data = append(append(data, `,"body":`...), body...)
	return hearken.NewEvent(eventType, id, append(data, s.metadata...))
}

// appendHeader appends h as an object of lists, ordered by name. Bytes that are
// not UTF-8 become U+FFFD.
func (s shape) appendHeader(dst []byte, h http.Header) []byte {
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(h)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		values := h[name]
		if slices.Contains(s.masked, name) {
			values = []string{Masked}
		}
		dst = append(gjson.AppendJSONString(dst, name), ':', '[')
		for j, v := range values {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = gjson.AppendJSONString(dst, v)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}
