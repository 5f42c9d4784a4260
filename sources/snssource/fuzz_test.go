package snssource_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hearken-go/hearken/sources/snssource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

// What is accepted means the same to every reader: to gjson, which takes the
// first of two, and to encoding/json, which takes the last and any case.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"notification-v1-subject.json", "notification-v2.json", "subscription-v1.json", "unsubscription-v2.json"} {
		f.Add(recorded(f, name))
	}
	m := notify("x").with("Signature", "AAAA", "Subject", "s").plain(f)
	f.Add(m)
	f.Add(append([]byte(`{"message":"y",`), m[1:]...))
	f.Add(append([]byte(`{"M\u0065ssage":"y",`), m[1:]...))
	f.Fuzz(func(t *testing.T, body []byte) {
		signed, err := snssource.Parse(body)
		if err != nil {
			return
		}
		var m struct{ Message, MessageId, Subject, SubscribeURL, Timestamp, Token, TopicArn, Type string }
		require.NoError(t, json.Unmarshal(body, &m))
		fields := message{"Message": m.Message, "MessageId": m.MessageId, "Timestamp": m.Timestamp, "TopicArn": m.TopicArn, "Type": m.Type}
		switch {
		case m.Type != "Notification":
			fields = fields.with("SubscribeURL", m.SubscribeURL, "Token", m.Token)
		case m.Subject != "":
			fields = fields.with("Subject", m.Subject)
		}
		assert.Equal(t, string(fields.canonical()), string(signed))
		for name, value := range fields {
			assert.Equal(t, value, gjson.GetBytes(body, name).String())
		}
		assert.Equal(t, string(signed), string(split(t, signed).canonical()), "it can be split in one way only")
		assert.Equal(t, len(fields), len(split(t, signed)))
	})
}

// split finds the fields of a signed text from its end, where each is a line.
func split(t *testing.T, signed []byte) message {
	lines := strings.Split(strings.TrimSuffix(string(signed), "\n"), "\n")
	m := message{}
	for len(lines) > 2 && lines[len(lines)-2] != "MessageId" {
		m[lines[len(lines)-2]] = lines[len(lines)-1]
		lines = lines[:len(lines)-2]
	}
	require.GreaterOrEqual(t, len(lines), 4)
	m["MessageId"] = lines[len(lines)-1]
	m["Message"] = strings.Join(lines[1:len(lines)-2], "\n")
	return m
}

// Whatever is posted without a good signature makes no event, and whatever makes
// one has data that is JSON.
func FuzzServe(f *testing.F) {
	fake := newSNS(f, nil)
	f.Add([]byte("hello"), "", false)
	f.Add([]byte(`{"order":7}`), "", true)
	f.Add(notify("x").with("Signature", "AAAA").plain(f), "", false)
	f.Add([]byte(`{"a":"\u2028"}`), "subject", true)
	f.Fuzz(func(t *testing.T, text []byte, subject string, asJSON bool) {
		s := source(fake)
		s.MessageAsJSON = asJSON
		rec := start(t, s)
		assert.NotEqual(t, http.StatusOK, send(s, post(text)).Code)
		require.Empty(t, rec.Attempts())
		m := notify(string(bytes.ToValidUTF8(text, nil)))
		if subject != "" {
			m = m.with("Subject", strings.ToValidUTF8(subject, ""))
		}
		if w := send(s, post(m.signed(t))); w.Code != http.StatusOK {
			require.Equal(t, http.StatusBadRequest, w.Code, w.Body)
			require.Empty(t, rec.Attempts())
			return
		}
		data := only(t, rec).Data()
		require.True(t, json.Valid(data), fmt.Sprintf("%q", data))
		got := gjson.GetBytes(data, "body.Message")
		if got.Type == gjson.String {
			assert.Equal(t, m["Message"], got.String())
		} else {
			assert.JSONEq(t, m["Message"].(string), got.Raw)
		}
	})
}
