package snssource_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

func TestBothSignatureVersionsAreTaken(t *testing.T) {
	for _, version := range []string{"1", "2"} {
		inBubble(t, version, func(t *testing.T) {
			s := source(newSNS(t, nil))
			rec := start(t, s)
			body := notify("a\tb\n\"ü\"").with("SignatureVersion", version, "Subject", "s").signed(t)
			w := send(s, post(body))
			require.Equal(t, http.StatusOK, w.Code, w.Body)
			assert.Equal(t, "message-1", only(t, rec).ID())
		})
	}
}

func TestCertificatesComeFromTheTopicsOwnHostOnly(t *testing.T) {
	for _, address := range []string{
		"http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem",
		"https://sns.s3-eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem",
		"https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0123.pem",
		"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123.pem",
		"https://sns.eu-west-1.amazonaws.com.cn/SimpleNotificationService-0123.pem",
		"https://SNS.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem",
		"https://xsns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem",
		"https://sns-eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem",
		"https://sns.eu-west-1.amazonaws.com./SimpleNotificationService-0123.pem",
		"https://sns.eu-west-1.amazonaws.com:443/SimpleNotificationService-0123.pem",
		"https://u:p@sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem",
		"https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-0123.pem",
		`https://sns.eu-west-1.amazonaws.com\@evil.example/SimpleNotificationService-0123.pem`,
		"https://evil.example/#https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem?x",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem#x",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem/",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-.pem",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-xyz.pem",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-01/../../23.pem",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-" + strings.Repeat("0", 200) + ".pem",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService.pem",
		"https://sns.eu-west-1.amazonaws.com//SimpleNotificationService-0123.pem",
		"//sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem",
	} {
		inBubble(t, address, func(t *testing.T) {
			fake := newSNS(t, nil)
			fake.Answer(address, http.StatusOK, toPEM(fake.Leaf))
			s := source(fake)
			rec := start(t, s)
			w := send(s, post(notify("x").with("SigningCertURL", address).signed(t)))
			assert.Equal(t, http.StatusUnauthorized, w.Code)
			assert.Equal(t, "unauthorized\n", w.Body.String(), "the sender is not told why")
			assert.Empty(t, fake.Asked(), "nothing is fetched")
			assert.Empty(t, rec.Attempts())
		})
	}
}

func TestWhatIsNotOfTheTopicOrOfThisHourIsRefusedUnasked(t *testing.T) {
	stamp := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339Nano) }
	for name, change := range map[string]func(m message) message{
		"another topic":     func(m message) message { return m.with("TopicArn", topicARN+"2") },
		"another account":   func(m message) message { return m.with("TopicArn", "arn:aws:sns:eu-west-1:210987654321:news") },
		"old":               func(m message) message { return m.with("Timestamp", stamp(-75*time.Minute-time.Second)) },
		"of the future":     func(m message) message { return m.with("Timestamp", stamp(75*time.Minute+time.Second)) },
		"signature version": func(m message) message { return m.with("SignatureVersion", "3") },
	} {
		inBubble(t, name, func(t *testing.T) {
			fake := newSNS(t, nil)
			s := source(fake)
			rec := start(t, s)
			w := send(s, post(change(notify("x")).signed(t)))
			assert.Equal(t, http.StatusUnauthorized, w.Code, w.Body)
			assert.Empty(t, fake.Asked())
			assert.Empty(t, rec.Attempts())
		})
	}
}

func TestWhatIsNotSignedIsRefused(t *testing.T) {
	for name, signature := range map[string]any{"not base64": "?", "empty by base64": "====", "of something else": "AAAA"} {
		inBubble(t, name, func(t *testing.T) {
			s := source(newSNS(t, nil))
			rec := start(t, s)
			w := send(s, post(notify("x").with("Signature", signature).plain(t)))
			assert.Equal(t, http.StatusUnauthorized, w.Code, w.Body)
			assert.Empty(t, rec.Attempts())
		})
	}
}

// Messages have no Subject, null or a text for it; SNS signs it where it is text.
func TestSubjects(t *testing.T) {
	m := notify("x")
	for name, c := range map[string]struct {
		signed, posted message
		want           int
	}{
		"absent":              {m, m, http.StatusOK},
		"null":                {m, m.with("Subject", json.RawMessage("null")), http.StatusOK},
		"text":                {m.with("Subject", "s"), m.with("Subject", "s"), http.StatusOK},
		"empty":               {m.with("Subject", ""), m.with("Subject", ""), http.StatusOK},
		"added":               {m, m.with("Subject", "s"), http.StatusUnauthorized},
		"added, empty":        {m, m.with("Subject", ""), http.StatusUnauthorized},
		"taken away":          {m.with("Subject", "s"), m, http.StatusUnauthorized},
		"taken away by null":  {m.with("Subject", "s"), m.with("Subject", json.RawMessage("null")), http.StatusUnauthorized},
		"of two lines":        {m.with("Subject", "a\nb"), m.with("Subject", "a\nb"), http.StatusBadRequest},
		"version 1 for 2":     {m, m.with("SignatureVersion", "1"), http.StatusUnauthorized},
		"version 2 for 1":     {m.with("SignatureVersion", "1"), m, http.StatusUnauthorized},
		"version of a number": {m, m.with("SignatureVersion", 2), http.StatusBadRequest},
	} {
		inBubble(t, name, func(t *testing.T) {
			s := source(newSNS(t, nil))
			rec := start(t, s)
			stamp := time.Now().UTC().Format(time.RFC3339)
			var m message
			decode(t, c.signed.with("Timestamp", stamp).signed(t), &m)
			w := send(s, post(c.posted.with("Timestamp", stamp, "Signature", m["Signature"]).plain(t)))
			assert.Equal(t, c.want, w.Code, w.Body)
			assert.Equal(t, c.want == http.StatusOK, len(rec.Events()) == 1)
		})
	}
}

// What is not signed can be changed by who else gets a message, and is documented
// to be so.
func TestAttributesAreNotSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(newSNS(t, nil))
		rec := start(t, s)
		var m message
		decode(t, notify("x").signed(t), &m)
		w := send(s, post(m.with("MessageAttributes", map[string]any{"role": map[string]any{"Type": "String", "Value": "admin"}}).plain(t)))
		assert.Equal(t, http.StatusOK, w.Code, w.Body)
		assert.Equal(t, "admin", gjson.GetBytes(only(t, rec).Data(), "body.MessageAttributes.role.Value").String())
	})
}

// What is signed is one text, so that fields could be moved over each other's
// ends if they could hold lines.
func TestSignedTextCannotBeSplitAnew(t *testing.T) {
	for name, c := range map[string]struct{ signed, posted message }{
		"message into id": {
			notify("x\nMessageId\nforged"),
			notify("x").with("MessageId", "forged\nMessageId\nmessage-1"),
		},
		"message into subject": {
			notify("x\nMessageId\nforged\nSubject\ns"),
			notify("x").with("MessageId", "forged", "Subject", "s\nMessageId\nmessage-1"),
		},
	} {
		inBubble(t, name, func(t *testing.T) {
			require.Equal(t, string(c.signed.canonical()), string(c.posted.canonical()), "it is one text")
			s := source(newSNS(t, nil))
			rec := start(t, s)
			var m message
			decode(t, c.signed.signed(t), &m)
			w := send(s, post(c.posted.with("Signature", m["Signature"]).plain(t)))
			assert.Equal(t, http.StatusBadRequest, w.Code, w.Body)
			assert.Empty(t, rec.Attempts())
		})
	}
}

func TestWhatIsNoMessageIsRefused(t *testing.T) {
	m := message{
		"Type": "Notification", "MessageId": "1", "TopicArn": topicARN, "Message": "x", "Timestamp": "2000-01-01T00:00:00Z",
		"SignatureVersion": "1", "Signature": "AAAA", "SigningCertURL": certURL,
	}
	many := m
	for range 40 {
		many = many.with(strings.Repeat("a", len(many)), "")
	}
	bodies := map[string]string{
		"nothing":           "",
		"no JSON":           "hello",
		"list":              "[]",
		"not UTF-8":         "{\"Type\":\"\xff\"}",
		"empty":             "{}",
		"twice":             `{"Message":"forged",` + string(m.plain(t))[1:],
		"twice, escaped":    `{"M\u0065ssage":"forged",` + string(m.plain(t))[1:],
		"twice in case":     `{"message":"forged",` + string(m.plain(t))[1:],
		"twice in script":   `{"Me\u017f\u017fage":"forged",` + string(m.plain(t))[1:],
		"many fields":       string(many.plain(t)),
		"kind":              string(m.with("Type", "Other").plain(t)),
		"no token":          string(m.with("Type", "SubscriptionConfirmation", "SubscribeURL", "x").plain(t)),
		"subject of number": string(m.with("Subject", 1).plain(t)),
		"message object":    string(m.with("Message", map[string]any{}).plain(t)),
		"long id":           string(m.with("MessageId", strings.Repeat("x", 257)).plain(t)),
		"no time":           string(m.with("Timestamp", "today").plain(t)),
	}
	for name := range m {
		bodies["without "+name] = string(m.with(name, nil).plain(t))
		bodies["of number "+name] = string(m.with(name, 1).plain(t))
	}
	for name, body := range bodies {
		inBubble(t, name, func(t *testing.T) {
			fake := newSNS(t, nil)
			s := source(fake)
			rec := start(t, s)
			w := send(s, post([]byte(body)))
			assert.Equal(t, http.StatusBadRequest, w.Code, w.Body)
			assert.Empty(t, fake.Asked())
			assert.Empty(t, rec.Attempts())
		})
	}
}
