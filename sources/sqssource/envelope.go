package sqssource

import (
	"bytes"
	"encoding/json"
)

// snsEnvelope is what SNS puts into a queue without raw delivery.
type snsEnvelope struct {
	Type              string          `json:"Type"`
	MessageID         string          `json:"MessageId"`
	TopicArn          string          `json:"TopicArn"`
	Subject           string          `json:"Subject"`
	Message           *string         `json:"Message"`
	Timestamp         string          `json:"Timestamp"`
	MessageAttributes json.RawMessage `json:"MessageAttributes"`
}

// snsData is what is kept of the envelope.
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
	var e snsEnvelope
	if !isContainer(text) || json.Unmarshal([]byte(text), &e) != nil ||
		e.Type != "Notification" || e.TopicArn == "" || e.Message == nil {
		return text, nil
	}
	rest, err := marshal(snsData{e.MessageID, e.TopicArn, e.Subject, e.Timestamp, e.MessageAttributes})
	if err != nil {
		return text, nil
	}
	return *e.Message, rest
}

// unwrapEventBridge returns the detail of an EventBridge event and the rest of
// it; what is none it returns as it is.
func unwrapEventBridge(text string) (string, json.RawMessage) {
	var e map[string]json.RawMessage
	if !isContainer(text) || json.Unmarshal([]byte(text), &e) != nil {
		return text, nil
	}
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
	var e struct{ Service, Event string }
	return isContainer(text) && json.Unmarshal([]byte(text), &e) == nil && e.Service == "Amazon S3" && e.Event == "s3:TestEvent"
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
