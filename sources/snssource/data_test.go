package snssource_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

func decode(t testing.TB, b []byte, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(b, v))
}

func newContext(t testing.TB, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

func TestTheDataIsThatOfArgoEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(newSNS(t, nil))
		s.Metadata = map[string]string{"team": "ops"}
		s.Mask = []string{"x-secret"}
		rec := start(t, s)
		attributes := map[string]any{"kind": map[string]any{"Type": "String", "Value": "order"}}
		body := notify(`{"order": 7}`).with("Subject", "An <order>", "MessageAttributes", attributes).signed(t)
		r := post(body)
		r.Header.Set("X-Secret", "secret")
		for _, name := range []string{"Authorization", "Proxy-Authorization", "Cookie"} {
			r.Header.Set(name, "Basic secret")
		}
		r.Header.Add("X-Two", "a\xff")
		r.Header.Add("X-Two", "b")
		require.Equal(t, http.StatusOK, send(s, r).Code)
		e := only(t, rec)
		assert.Equal(t, "sns", e.Type())
		assert.Equal(t, "message-1", e.ID())
		assert.Equal(t, "application/json", e.DataContentType())
		assert.Equal(t, time.Now(), e.Time().Local())
		var want, got any
		decode(t, body, &want)
		data := e.Data()
		decode(t, []byte(gjson.GetBytes(data, "body").Raw), &got)
		assert.Equal(t, want, got)
		assert.Equal(t, `{"order": 7}`, gjson.GetBytes(data, "body.Message").String())
		assert.Equal(t, gjson.String, gjson.GetBytes(data, "body.Message").Type)
		assert.JSONEq(t, `{"team":"ops"}`, gjson.GetBytes(data, "metadata").Raw)
		masked := `["*** Masked Auth Secret ***"]`
		assert.JSONEq(t, `{"Authorization":`+masked+`,"Proxy-Authorization":`+masked+`,"Cookie":`+masked+`,"Content-Type":["text/plain; charset=UTF-8"],"X-Amz-Sns-Message-Type":["Notification"],"X-Secret":`+masked+`,"X-Two":["a\ufffd","b"]}`,
			gjson.GetBytes(data, "header").Raw)
		assert.NotContains(t, string(data), "Basic")
	})
}

func TestAMessageIsJSONWhenAskedFor(t *testing.T) {
	for text, want := range map[string]string{
		`{"order": 7}`:     `{"order":7}`,
		" \n[1,2]\t":       `[1,2]`,
		`{"order": `:       `"{\"order\": "`,
		`{"a":1} x`:        `"{\"a\":1} x"`,
		"7":                `"7"`,
		`"7"`:              `"\"7\""`,
		"null":             `"null"`,
		"hello\n\u2028":    `"hello\n\u2028"`,
		"":                 `""`,
		`{"Message":"in"}`: `{"Message":"in"}`,
	} {
		inBubble(t, text, func(t *testing.T) {
			s := source(newSNS(t, nil))
			s.MessageAsJSON = true
			rec := start(t, s)
			w := send(s, post(append([]byte("\r\n \t"), notify(text).signed(t)...)))
			require.Equal(t, http.StatusOK, w.Code, w.Body)
			data := only(t, rec).Data()
			require.True(t, json.Valid(data), "%s", data)
			assert.JSONEq(t, want, gjson.GetBytes(data, "body.Message").Raw)
			assert.Equal(t, "message-1", gjson.GetBytes(data, "body.MessageId").String())
			assert.Equal(t, topicARN, gjson.GetBytes(data, "body.TopicArn").String())
		})
	}
}

func raw(body string) *http.Request {
	r := post([]byte(body))
	r.Header.Set("X-Amz-Sns-Rawdelivery", "true")
	r.Header.Set("X-Amz-Sns-Message-Id", "message-1")
	r.Header.Set("X-Amz-Sns-Topic-Arn", topicARN)
	r.SetBasicAuth("sns", "secret")
	return r
}

func byPassword(r *http.Request, _ []byte) (bool, error) {
	_, password, _ := r.BasicAuth()
	if password == "away" {
		return false, errors.New("nobody knows")
	}
	return password == "secret", nil
}

func TestRawDeliveryIsOffUnlessAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(newSNS(t, nil))
		rec := start(t, s)
		assert.Equal(t, http.StatusUnauthorized, send(s, raw("hello")).Code)
		r := post(notify("x").signed(t))
		r.Header.Set("X-Amz-Sns-Rawdelivery", "true")
		assert.Equal(t, http.StatusUnauthorized, send(s, r).Code)
		assert.Empty(t, rec.Attempts())
	})
}

func TestRawMessagesHaveAnEnvelopeToo(t *testing.T) {
	for text, want := range map[string]struct{ text, json string }{
		`{"order":7}`: {`"{\"order\":7}"`, `{"order":7}`},
		"hello \"ü\"": {`"hello \"ü\""`, `"hello \"ü\""`},
		"":            {`""`, `""`},
	} {
		inBubble(t, text, func(t *testing.T) {
			for _, asJSON := range []bool{false, true} {
				fake := newSNS(t, nil)
				s := source(fake)
				s.AllowRaw, s.MessageAsJSON = byPassword, asJSON
				rec := start(t, s)
				require.Equal(t, http.StatusOK, send(s, raw(text)).Code)
				e := only(t, rec)
				assert.Equal(t, "message-1", e.ID())
				message := want.text
				if asJSON {
					message = want.json
				}
				assert.JSONEq(t, `{"Type":"Notification","MessageId":"message-1","TopicArn":"`+topicARN+`","Message":`+message+`}`,
					gjson.GetBytes(e.Data(), "body").Raw)
				assert.NotContains(t, string(e.Data()), "Basic")
				assert.Empty(t, fake.Asked())
			}
		})
	}
}

func TestRawMessagesAreVerified(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *http.Request)
		body   string
		want   int
	}{
		"wrong password":   {func(r *http.Request) { r.SetBasicAuth("sns", "wrong") }, "x", http.StatusUnauthorized},
		"nobody knows":     {func(r *http.Request) { r.SetBasicAuth("sns", "away") }, "x", http.StatusServiceUnavailable},
		"another topic":    {func(r *http.Request) { r.Header.Set("X-Amz-Sns-Topic-Arn", topicARN+"2") }, "x", http.StatusUnauthorized},
		"no id":            {func(r *http.Request) { r.Header.Del("X-Amz-Sns-Message-Id") }, "x", http.StatusBadRequest},
		"id of many lines": {func(r *http.Request) { r.Header.Set("X-Amz-Sns-Message-Id", "a\nb") }, "x", http.StatusBadRequest},
		"not UTF-8":        {func(*http.Request) {}, "\xff", http.StatusBadRequest},
	} {
		inBubble(t, name, func(t *testing.T) {
			s := source(newSNS(t, nil))
			s.AllowRaw = byPassword
			rec := start(t, s)
			r := raw(c.body)
			c.change(r)
			assert.Equal(t, c.want, send(s, r).Code)
			assert.Empty(t, rec.Attempts())
		})
	}
}

// A request that only says that it is not raw needs a signature.
func TestAVerifierOfRawMessagesLetsNothingElseIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(newSNS(t, nil))
		s.AllowRaw = func(*http.Request, []byte) (bool, error) { return true, nil }
		rec := start(t, s)
		assert.Equal(t, http.StatusUnauthorized, send(s, post(notify("x").with("Signature", "AAAA").plain(t))).Code)
		assert.Empty(t, rec.Attempts())
	})
}
