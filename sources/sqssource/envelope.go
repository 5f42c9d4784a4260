package sqssource

import (
	"bytes"
	"encoding/json"
)

// object is a JSON object by the names as they are written: a struct would take
// "message" for "Message" too, and so an application's message for an envelope.
type object map[string]json.RawMessage

// objectOf returns the object that text is; nil: it is none.
func objectOf(text string) object {
	var o object
	if !isContainer(text) || json.Unmarshal([]byte(text), &o) != nil {
		return nil
	}
	return o
}

// text returns a field that is text, and whether it is.
func (o object) text(name string) (string, bool) {
	var s *string
	if json.Unmarshal(o[name], &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}

// snsData is what is kept of the envelope that SNS puts into a queue without raw
// delivery.
type snsData struct {
	MessageID         string          `json:"messageId"`
	TopicArn          string          `json:"topicArn"`
	Subject           string          `json:"subject,omitempty"`
	Timestamp         string          `json:"timestamp"`
	MessageAttributes json.RawMessage `json:"messageAttributes,omitempty"`
}

// unwrapSNS returns the message in an SNS envelope and the rest of it; what is
// none it returns as it is.
func unwrapSNS(text string) (string, json.RawMessage) {
	e := objectOf(text)
	message, isText := e.text("Message")
	kept := snsData{MessageAttributes: e["MessageAttributes"]}
	kept.TopicArn, _ = e.text("TopicArn")
	if kind, _ := e.text("Type"); kind != "Notification" || kept.TopicArn == "" || !isText {
		return text, nil
	}
	kept.MessageID, _ = e.text("MessageId")
	kept.Subject, _ = e.text("Subject")
	kept.Timestamp, _ = e.text("Timestamp")
	rest, err := marshal(kept)
	if err != nil {
		return text, nil
	}
	return message, rest
}

// unwrapEventBridge returns the detail of an EventBridge event and the rest of
// it; what is none it returns as it is.
func unwrapEventBridge(text string) (string, json.RawMessage) {
	e := objectOf(text)
	for _, name := range []string{"id", "detail-type", "source", "account", "time", "region", "detail"} {
		if e[name] == nil {
			return text, nil
		}
	}
	detail := string(e["detail"])
	delete(e, "detail")
	rest, err := marshal(e)
	if err != nil {
		return text, nil
	}
	return detail, rest
}

// isS3Test reports whether text is what S3 sends when a bucket's notifications
// are set up.
func isS3Test(text string) bool {
	e := objectOf(text)
	service, _ := e.text("Service")
	event, _ := e.text("Event")
	return service == "Amazon S3" && event == "s3:TestEvent"
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
