package snssource

import (
	"encoding/json"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// The types of what SNS posts.
const (
	notification   = "Notification"
	subscription   = "SubscriptionConfirmation"
	unsubscription = "UnsubscribeConfirmation"
)

// maxFields is how many fields an envelope may have. SNS sends at most eleven.
const maxFields = 32

// envelope is a message as SNS posts it.
type envelope struct {
	raw     []byte
	fields  map[string]gjson.Result
	time    time.Time
	message gjson.Result
}

// parseEnvelope reads what was posted. Who has sent it is not known yet.
//
// A name that is there twice is refused, also in another case: readers differ
// in which they take, and so one could be signed and the other one read.
func parseEnvelope(body []byte) (*envelope, error) {
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, malformed("the body is not JSON")
	}
	root := gjson.ParseBytes(body)
	if !root.IsObject() {
		return nil, malformed("the body is no JSON object")
	}
	e := &envelope{raw: body, fields: map[string]gjson.Result{}}
	var mistake error
	root.ForEach(func(key, value gjson.Result) bool {
		mistake = e.add(key.Str, value)
		return mistake == nil
	})
	if mistake != nil {
		return nil, mistake
	}
	return e, e.check()
}

func (e *envelope) add(name string, value gjson.Result) error {
	if len(e.fields) == maxFields {
		return malformed("the message has more than %d fields", maxFields)
	}
	for known := range e.fields {
		if strings.EqualFold(known, name) {
			return malformed("the message has %.40q twice", name)
		}
	}
	e.fields[name] = value
	return nil
}

// check finds what a message of SNS has. That all but the Message are one line
// leaves one way only to split the text that is signed into fields.
func (e *envelope) check() error {
	required := []string{"MessageId", "TopicArn", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL"}
	switch kind := e.text("Type"); kind {
	case notification:
	case subscription, unsubscription:
		required = append(required, "Token", "SubscribeURL")
	default:
		return malformed("the Type %.40q is none of SNS's", kind)
	}
	for _, name := range required {
		if !isLine(e.text(name)) {
			return malformed("the %s is not one line of text", name)
		}
	}
	if s := e.fields["Subject"]; s.Type != gjson.Null && (s.Type != gjson.String || s.Str != "" && !isLine(s.Str)) {
		return malformed("the Subject is not one line of text")
	}
	if e.message = e.fields["Message"]; e.message.Type != gjson.String {
		return malformed("the Message is no text")
	}
	if len(e.text("MessageId")) > maxID {
		return malformed("the MessageId is longer than %d bytes", maxID)
	}
	var err error
	if e.time, err = time.Parse(time.RFC3339, e.text("Timestamp")); err != nil {
		return malformed("the Timestamp is none: %.40q", e.text("Timestamp"))
	}
	return nil
}

// maxID bounds a message's id, in bytes. SNS's have 36.
const maxID = 256

// isLine reports whether s is a line of text that is not empty.
func isLine(s string) bool {
	return s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// text returns a field that is text, or "".
func (e *envelope) text(name string) string {
	if f := e.fields[name]; f.Type == gjson.String {
		return f.Str
	}
	return ""
}

// signed returns the text that SNS has signed.
func (e *envelope) signed() []byte {
	names := []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	if e.text("Type") != notification {
		names = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	}
	var text []byte
	for _, name := range names {
		if f := e.fields[name]; f.Type == gjson.String {
			text = append(append(text, name...), '\n')
			text = append(append(text, f.Str...), '\n')
		}
	}
	return text
}
