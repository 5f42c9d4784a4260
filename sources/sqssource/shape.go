package sqssource

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/cloudevents/sdk-go/v2/event"
	cetypes "github.com/cloudevents/sdk-go/v2/types"
	"github.com/hearken-go/hearken"
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
	metadata         map[string]string
}

func newShape(s *Source) shape {
	return shape{s.Body, s.UnwrapSNS, s.UnwrapEventBridge, s.DropS3Tests, s.Metadata}
}

// data is an event's data, in the order in which it is written.
type data struct {
	MessageID         string               `json:"messageId"`
	MessageAttributes map[string]attribute `json:"messageAttributes"`
	Attributes        map[string]string    `json:"attributes"`
	SNS               json.RawMessage      `json:"sns,omitempty"`
	EventBridge       json.RawMessage      `json:"eventBridge,omitempty"`
	Body              json.RawMessage      `json:"body"`
	Metadata          map[string]string    `json:"metadata,omitempty"`
}

// attribute is a message attribute, by the names of the SDK.
type attribute struct {
	DataType    string  `json:"DataType"`
	StringValue *string `json:"StringValue,omitempty"`
	BinaryValue []byte  `json:"BinaryValue,omitempty"`
}

// event returns the event of a message, or that it is to be dropped, or a
// Permanent error.
func (s shape) event(m types.Message) (e hearken.Event, drop bool, err error) {
	text := aws.ToString(m.Body)
	d := data{
		MessageID:         aws.ToString(m.MessageId),
		MessageAttributes: make(map[string]attribute, len(m.MessageAttributes)),
		Attributes:        m.Attributes,
		Metadata:          s.metadata,
	}
	if d.Attributes == nil {
		d.Attributes = map[string]string{}
	}
	for name, a := range m.MessageAttributes {
		d.MessageAttributes[name] = attribute{aws.ToString(a.DataType), a.StringValue, a.BinaryValue}
	}
	if s.sns {
		text, d.SNS = unwrapSNS(text)
	}
	if s.dropTests && isS3Test(text) {
		return hearken.Event{}, true, nil
	}
	if s.eventBridge {
		text, d.EventBridge = unwrapEventBridge(text)
	}
	if d.Body, err = s.read(text); err != nil {
		return hearken.Event{}, false, err
	}
	raw, err := marshal(d)
	if err != nil {
		return hearken.Event{}, false, hearken.Permanent(fmt.Errorf("data of message %s: %w", d.MessageID, err))
	}
	return newEvent(d, raw), false, nil
}

func newEvent(d data, raw []byte) hearken.Event {
	contentType := event.ApplicationJSON
	c := &event.EventContextV1{ID: d.MessageID, Type: eventType, DataContentType: &contentType}
	if sent, err := strconv.ParseInt(d.Attributes["SentTimestamp"], 10, 64); err == nil {
		c.Time = &cetypes.Timestamp{Time: time.UnixMilli(sent).UTC()}
	}
	if group := d.Attributes["MessageGroupId"]; group != "" {
		c.Extensions = map[string]any{partitionKey: group}
	}
	return hearken.Event{Context: c, DataEncoded: raw}
}

var errNotJSON = errors.New("the body of the message is not JSON")

// read returns a body as JSON.
func (s shape) read(text string) (json.RawMessage, error) {
	switch s.body {
	case Base64:
		return marshal(base64.StdEncoding.EncodeToString([]byte(text)))
	case JSON:
		if !json.Valid([]byte(text)) {
			return nil, hearken.Permanent(errNotJSON)
		}
		return json.RawMessage(text), nil
	case Auto:
		if isContainer(text) && json.Valid([]byte(text)) {
			return json.RawMessage(text), nil
		}
	case Text:
	}
	return marshal(text)
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

// marshal returns v as JSON, in which <, > and & are left alone.
func marshal(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}
