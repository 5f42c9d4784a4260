package sqssource

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/cloudevents/sdk-go/v2/event"
	cetypes "github.com/cloudevents/sdk-go/v2/types"
	"github.com/hearken-go/hearken"
	"github.com/tidwall/gjson"
	"go.opentelemetry.io/otel/propagation"
)

// eventType is the type of the events.
const eventType = "sqs"

// partitionKey is CloudEvents' extension for what belongs together and keeps its
// order.
const partitionKey = "partitionkey"

// shape makes events of messages.
type shape struct {
	body             Body
	sns, eventBridge bool
	dropTests        bool
	end              []byte // what follows the body: metadata, and the brace
}

func newShape(s *Source) shape {
	end := []byte("}")
	if len(s.Metadata) > 0 {
		end = append(appendStrings([]byte(`,"metadata":`), s.Metadata), '}')
	}
	return shape{s.Body, s.UnwrapSNS, s.UnwrapEventBridge, s.DropS3Tests, end}
}

// event returns the event of a message, or that it is to be dropped, or a
// Permanent error.
func (s shape) event(m types.Message) (e hearken.Event, drop bool, err error) {
	text := aws.ToString(m.Body)
	var sns, eventBridge json.RawMessage
	if s.sns {
		text, sns = unwrapSNS(text)
	}
	if s.dropTests && isS3Test(text) {
		return hearken.Event{}, true, nil
	}
	if s.eventBridge {
		text, eventBridge = unwrapEventBridge(text)
	}
	data := make([]byte, 0, len(text)+len(sns)+len(eventBridge)+len(s.end)+256)
	data = appendString(append(data, `{"messageId":`...), aws.ToString(m.MessageId))
	data = appendAttributes(append(data, `,"messageAttributes":`...), m.MessageAttributes)
	data = appendStrings(append(data, `,"attributes":`...), m.Attributes)
	data = appendRaw(data, `,"sns":`, sns)
	data = appendRaw(data, `,"eventBridge":`, eventBridge)
	if data, err = s.appendBody(append(data, `,"body":`...), text); err != nil {
		return hearken.Event{}, false, err
	}
	return newEvent(m, append(data, s.end...), traceOf(m, sns)), false, nil
}

// eventContext is the context of an event with what it points to, in one allocation.
type eventContext struct {
	event.EventContextV1
	contentType string
	time        cetypes.Timestamp
}

func newEvent(m types.Message, data []byte, trace propagation.MapCarrier) hearken.Event {
	c := &eventContext{
		EventContextV1: event.EventContextV1{ID: aws.ToString(m.MessageId), Type: eventType},
		contentType:    event.ApplicationJSON,
	}
	c.DataContentType = &c.contentType
	if sent, err := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64); err == nil {
		c.time.Time = time.UnixMilli(sent).UTC()
		c.Time = &c.time
	}
	group := m.Attributes["MessageGroupId"]
	if group != "" || len(trace) > 0 {
		c.Extensions = make(map[string]any, 1+len(trace))
	}
	if group != "" {
		c.Extensions[partitionKey] = group
	}
	for name, value := range trace {
		c.Extensions[name] = value
	}
	return hearken.Event{Context: &c.EventContextV1, DataEncoded: data}
}

var errNotJSON = errors.New("the body of the message is not JSON")

// appendBody appends a body as JSON.
func (s shape) appendBody(dst []byte, text string) ([]byte, error) {
	switch s.body {
	case Base64:
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), []byte(text))
		return append(dst, '"'), nil
	case JSON:
		if !json.Valid([]byte(text)) {
			return nil, hearken.Permanent(errNotJSON)
		}
		return append(dst, text...), nil
	case Auto:
		if isContainer(text) && json.Valid([]byte(text)) {
			return append(dst, text...), nil
		}
	case Text:
	}
	return appendString(dst, text), nil
}

// appendAttributes appends message attributes by the names of the SDK.
func appendAttributes(dst []byte, all map[string]types.MessageAttributeValue) []byte {
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(all)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		a := all[name]
		dst = appendString(append(appendString(dst, name), `:{"DataType":`...), aws.ToString(a.DataType))
		if a.StringValue != nil {
			dst = appendString(append(dst, `,"StringValue":`...), *a.StringValue)
		}
		if a.BinaryValue != nil {
			dst = base64.StdEncoding.AppendEncode(append(dst, `,"BinaryValue":"`...), a.BinaryValue)
			dst = append(dst, '"')
		}
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// appendStrings appends an object of strings, ordered by name.
func appendStrings(dst []byte, all map[string]string) []byte {
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(all)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(append(appendString(dst, name), ':'), all[name])
	}
	return append(dst, '}')
}

// appendRaw appends a field that is JSON already, unless there is none.
func appendRaw(dst []byte, field string, raw json.RawMessage) []byte {
	if raw == nil {
		return dst
	}
	return append(append(dst, field...), raw...)
}

// appendString appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return gjson.AppendJSONString(dst, s)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

// isContainer reports whether JSON in text would be an object or an array.
func isContainer(text string) bool {
	for i := range len(text) {
		switch text[i] {
		case ' ', '\t', '\r', '\n':
		default:
			return text[i] == '{' || text[i] == '['
		}
	}
	return false
}
