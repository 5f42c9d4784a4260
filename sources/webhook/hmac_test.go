package webhook_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/hearken-go/hearken/sources/webhook"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

// The test vector that GitHub publishes.
const (
	githubBody      = "Hello, World!"
	githubSignature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
)

func githubRequest(headers ...string) *http.Request {
	r := post("text/plain", githubBody)
	r.Header.Set("X-Hub-Signature-256", "sha256="+githubSignature)
	r.Header.Set("X-Hub-Signature", "sha1=00")
	r.Header.Set("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
	return withHeaders(r, headers...)
}

func TestGitHub(t *testing.T) {
	s, rec := &webhook.Source{Verify: webhook.GitHub("new key", githubKey)}, &sourcetest.Recorder{}
	start(t, s, rec)
	require.Equal(t, 200, send(s, githubRequest("X-GitHub-Event", "push")).Code)
	e := only(t, rec)
	assert.Equal(t, "72d3162e-cc78-11e3-81ab-4c9367dc0958", e.ID())
	assert.Equal(t, githubBody, gjson.GetBytes(e.Data(), "body").Str)
	for _, name := range []string{"X-Hub-Signature-256", "X-Hub-Signature"} {
		assert.Equal(t, webhook.Masked, gjson.GetBytes(e.Data(), "header."+name+".0").Str)
	}
	assert.Equal(t, "push", gjson.GetBytes(e.Data(), "header.X-Github-Event.0").Str)

	w := send(s, githubRequest("X-GitHub-Event", "ping"))
	assert.Equal(t, 200, w.Code)
	assert.Equal(t, "success", w.Body.String())
	assert.Len(t, rec.Events(), 1, "a ping is no event")

	forged := githubRequest("X-GitHub-Event", "ping")
	forged.Header.Set("X-Hub-Signature-256", "sha256="+githubSignature[2:]+"00")
	assert.Equal(t, 401, send(s, forged).Code, "a ping is signed too")
}

func TestHMACSignatures(t *testing.T) {
	github := webhook.GitHub("new key", githubKey, "newer key")
	tests := []struct {
		name   string
		header []string
		body   string
		reason string
	}{
		{"good", []string{"sha256=" + githubSignature}, githubBody, ""},
		{"upper case", []string{"sha256=757107EA0EB2509FC211221CCE984B8A37570B6D7586C22C46F4379C8B043E17"}, githubBody, ""},
		{"space around", []string{" sha256=" + githubSignature + " "}, githubBody, ""},
		{"one of two", []string{"sha256=00", "sha256=" + githubSignature}, githubBody, ""},
		{"the other of two", []string{"sha256=" + githubSignature, "sha256=00"}, githubBody, ""},
		{"another body", []string{"sha256=" + githubSignature}, "Hello, World", "by none of the keys"},
		{"empty body", []string{"sha256=" + githubSignature}, "", "by none of the keys"},
		{"cut short", []string{"sha256=" + githubSignature[:62]}, githubBody, "by none of the keys"},
		{"no digits", []string{"sha256="}, githubBody, "by none of the keys"},
		{"odd digits", []string{"sha256=757"}, githubBody, "no signature in header X-Hub-Signature-256"},
		{"no prefix", []string{githubSignature}, githubBody, "no signature in header X-Hub-Signature-256"},
		{"no header", nil, githubBody, "no signature in header X-Hub-Signature-256"},
		{"several in a header that holds one", []string{"sha256=" + githubSignature + ",sha256=" + githubSignature}, githubBody, "no signature"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := post("", tt.body)
			r.Header["X-Hub-Signature-256"] = tt.header
			_, err := github.Verify(r, []byte(tt.body))
			if tt.reason == "" {
				assert.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, webhook.ErrUnauthorized)
			assert.ErrorContains(t, err, tt.reason)
		})
	}
}

// The schemes of other providers, by the vectors that they publish.
func stripe(keys ...hearken.Secret) *webhook.HMAC {
	return &webhook.HMAC{
		Keys: keys, Header: "Stripe-Signature", Separator: ",", Prefix: "v1=",
		Signed:    []webhook.Part{{Field: "t"}, {Text: "."}, {Body: true}},
		Timestamp: webhook.Part{Field: "t"},
		ID:        webhook.Part{Path: "id"},
	}
}

func slack(keys ...hearken.Secret) *webhook.HMAC {
	return &webhook.HMAC{
		Keys: keys, Header: "X-Slack-Signature", Prefix: "v0=",
		Signed:    []webhook.Part{{Text: "v0:"}, {Header: "X-Slack-Request-Timestamp"}, {Text: ":"}, {Body: true}},
		Timestamp: webhook.Part{Header: "X-Slack-Request-Timestamp"},
		ID:        webhook.Part{Path: "event_id"},
		Ping:      webhook.Ping{Part: webhook.Part{Path: "type"}, Is: "url_verification", Answer: webhook.Part{Path: "challenge"}},
	}
}

func standard(keys ...hearken.Secret) *webhook.HMAC {
	return &webhook.HMAC{
		Keys: keys, DecodeKey: webhook.Base64Key("whsec_"),
		Header: "Webhook-Signature", Separator: " ", Prefix: "v1,", Encoding: base64.StdEncoding,
		Signed:    []webhook.Part{{Header: "Webhook-Id"}, {Text: "."}, {Header: "Webhook-Timestamp"}, {Text: "."}, {Body: true}},
		Timestamp: webhook.Part{Header: "Webhook-Timestamp"},
		ID:        webhook.Part{Header: "Webhook-Id"},
	}
}

func TestHMACIsGeneral(t *testing.T) {
	const ever = 100 * 365 * 24 * time.Hour
	t.Run("Standard Webhooks", func(t *testing.T) {
		h := standard("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
		h.Tolerance = ever
		require.NoError(t, h.Validate())
		v, err := h.Verify(withHeaders(post("", ""), "webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp", "1614265330",
			"webhook-signature", "v1a,x v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
			[]byte(`{"test": 2432232314}`))
		require.NoError(t, err)
		assert.Equal(t, "msg_p5jXN8AQM9LWM0D4loKWxJek", v.ID)
	})
	t.Run("Slack", func(t *testing.T) {
		h := slack("8f742231b10e8888abcd99yyyzzz85a5")
		h.Tolerance = ever
		require.NoError(t, h.Validate())
		_, err := h.Verify(withHeaders(post("", ""), "X-Slack-Request-Timestamp", "1531420618",
			"X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
			[]byte("token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"+
				"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"+
				"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"))
		assert.NoError(t, err)
	})
	t.Run("SHA-1", func(t *testing.T) {
		mac := hmac.New(sha1.New, []byte("key"))
		mac.Write([]byte("https://example.com/hookbody"))
		h := &webhook.HMAC{
			Keys: []hearken.Secret{"key"}, Header: "X-Sig", Hash: sha1.New,
			Signed: []webhook.Part{{Text: "https://example.com/hook"}, {Body: true}},
		}
		require.NoError(t, h.Validate())
		_, err := h.Verify(withHeaders(post("", ""), "X-Sig", hex.EncodeToString(mac.Sum(nil))), []byte("body"))
		assert.NoError(t, err)
	})
}

func TestHMACPingWithAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rec := &webhook.Source{Verify: slack("key")}, &sourcetest.Recorder{}
		start(t, s, rec)
		body := `{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}`
		now := strconv.FormatInt(time.Now().Unix(), 10)
		r := post("application/json", body)
		withHeaders(r, "X-Slack-Request-Timestamp", now, "X-Slack-Signature", "v0="+sign("key", "v0:"+now+":"+body))
		w := send(s, r)
		assert.Equal(t, 200, w.Code)
		assert.Equal(t, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P", w.Body.String())
		assert.Empty(t, rec.Attempts())
	})
}

func sign(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

func TestHMACTimestamp(t *testing.T) {
	const body = `{"id":"evt_1"}`
	tests := []struct {
		name   string
		offset time.Duration
		adjust func(*webhook.HMAC)
		reason string
	}{
		{"now", 0, nil, ""},
		{"old", -5 * time.Minute, nil, ""},
		{"too old", -5*time.Minute - time.Second, nil, "is 5m1s from now"},
		{"ahead", 5 * time.Minute, nil, ""},
		{"too far ahead", 5*time.Minute + time.Second, nil, "is -5m1s from now"},
		{"as tolerated", -time.Hour, func(h *webhook.HMAC) { h.Tolerance = time.Hour }, ""},
		{"in another unit", 0, func(h *webhook.HMAC) { h.Unit = time.Millisecond }, "from now"},
		{"in a unit that is none", 0, func(h *webhook.HMAC) { h.Unit = time.Hour }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := stripe("old", "key")
				if tt.adjust != nil {
					tt.adjust(h)
				}
				sent := strconv.FormatInt(time.Now().Add(tt.offset).Unix(), 10)
				v, err := h.Verify(withHeaders(post("", ""), "Stripe-Signature", "t="+sent+",v0=00,v1="+sign("key", sent+"."+body)), []byte(body))
				if tt.reason != "" {
					require.ErrorIs(t, err, webhook.ErrUnauthorized)
					assert.ErrorContains(t, err, tt.reason)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, "evt_1", v.ID)
			})
		})
	}
}

func TestHMACTimestampThatIsNone(t *testing.T) {
	for stamp, reason := range map[string]string{
		"today": "is no number", "-1": "out of range", "1e9": "is no number", "99999999999999999999": "is no number",
		"9223372036854775807": "out of range", "99999999999": "from now", "": "part 1 of what is signed is missing",
	} {
		_, err := stripe("key").Verify(withHeaders(post("", ""), "Stripe-Signature", "t="+stamp+",v1="+sign("key", stamp+".x")), []byte("x"))
		require.ErrorIs(t, err, webhook.ErrUnauthorized, stamp)
		assert.ErrorContains(t, err, reason)
	}
	_, err := stripe("key").Verify(withHeaders(post("", ""), "Stripe-Signature", "v1="+sign("key", ".x")), []byte("x"))
	assert.ErrorContains(t, err, "part 1 of what is signed is missing")
}

func TestHMACMilliseconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &webhook.HMAC{
			Keys: []hearken.Secret{"key"}, Header: "Linear-Signature",
			Timestamp: webhook.Part{Path: "webhookTimestamp"}, Unit: time.Millisecond, Tolerance: time.Minute,
		}
		require.NoError(t, h.Validate())
		for offset, ok := range map[time.Duration]bool{0: true, -time.Minute: true, -time.Minute - time.Millisecond: false} {
			body := fmt.Sprintf(`{"webhookTimestamp":%d}`, time.Now().Add(offset).UnixMilli())
			_, err := h.Verify(withHeaders(post("", ""), "Linear-Signature", sign("key", body)), []byte(body))
			assert.Equal(t, ok, err == nil, "%v: %v", offset, err)
		}
	})
}

// A key that does not decode is a mistake that Validate finds, and no key.
func TestHMACKeysThatAreNone(t *testing.T) {
	h := standard("whsec_?")
	assert.Equal(t, []string{"Keys[0]: does not decode to a key"}, mistakes(t, h.Validate()))
	h = &webhook.HMAC{Keys: []hearken.Secret{""}, Header: "X-Sig"}
	_, err := h.Verify(withHeaders(post("", ""), "X-Sig", sign("", "x")), []byte("x"))
	assert.ErrorIs(t, err, webhook.ErrUnauthorized, "an empty key")
	h = &webhook.HMAC{Keys: []hearken.Secret{"a"}, Header: "X-Sig", DecodeKey: func(string) ([]byte, error) { return nil, errors.New("no") }}
	_, err = h.Verify(withHeaders(post("", ""), "X-Sig", sign("", "x")), []byte("x"))
	assert.ErrorIs(t, err, webhook.ErrUnauthorized)
}

func TestHMACValidate(t *testing.T) {
	keys := []hearken.Secret{"k"}
	body := webhook.Part{Body: true}
	tests := []struct {
		name string
		h    *webhook.HMAC
		want []string
	}{
		{"GitHub", webhook.GitHub("k"), nil},
		{"Stripe", stripe("k"), nil},
		{"nothing", &webhook.HMAC{}, []string{"Keys: lists no key: nobody could send", `Header: "" is no name of a header`}},
		{"no body", &webhook.HMAC{Keys: keys, Header: "X", Signed: []webhook.Part{{Header: "Y"}}}, []string{
			"Signed: has no Part{Body: true}: anybody could change the body",
		}},
		{"parts", &webhook.HMAC{Keys: keys, Header: "X", Signed: []webhook.Part{{}, {Text: "a", Field: "b"}, {Path: "id"}, {Header: " "}, body}}, []string{
			"Signed[0]: is nothing; set one of Text, Header, Field, Path and Body",
			"Signed[1]: is several things at once; set one of Text, Header, Field, Path and Body",
			"Signed[2].Path: cannot be signed before the body is trusted; sign the Body",
			`Signed[3].Header: " " is no name of a header`,
		}},
		{"time that is not signed", &webhook.HMAC{Keys: keys, Header: "X", Timestamp: webhook.Part{Header: "T"}}, []string{
			"Timestamp: is not among the Signed: anybody could change it",
		}},
		{"time that is none", &webhook.HMAC{Keys: keys, Header: "X", Timestamp: body, Unit: time.Hour, Tolerance: -1}, []string{
			"Timestamp: is no time; set one of Header, Field and Path",
			"Unit: 1h0m0s is not between 0 and a second; zero means seconds",
			"Tolerance: -1ns is negative; zero means 5m0s",
		}},
		{"ping", &webhook.HMAC{Keys: keys, Header: "X", Ping: webhook.Ping{Is: "x"}, Mask: []string{"a:"}}, []string{
			"Ping.Part: is nothing; set one of Text, Header, Field, Path and Body",
			`Mask[0]: "a:" is no name of a header`,
		}},
		{"ping that is nothing", &webhook.HMAC{Keys: keys, Header: "X", Ping: webhook.Ping{Part: webhook.Part{Path: "x"}}}, []string{
			"Ping.Is: is empty: no request would be a ping",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, mistakes(t, tt.h.Validate())) })
	}
}
