package webhook_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/sources/webhook"
)

// FuzzBody proves that a plain request makes an event with valid JSON, or is
// refused; and that JSON is taken exactly when encoding/json takes it.
func FuzzBody(f *testing.F) {
	for _, body := range []string{`{"message":"hello"}`, `not json`, `a=1&b=%20`, "", "[", `{"a":"\ud800"}`, "\xff", "1e999", "\x00", "-0", strings.Repeat("[", 10_001)} {
		for _, contentType := range []string{"application/json", curl, "", "text/plain", "application/octet-stream", "multipart/form-data"} {
			f.Add("POST", contentType, "a=1", body)
		}
	}
	f.Add("GET", "", "a=%zz&b", "")
	s := open()
	s.Methods = []string{"GET", "POST"}
	events := collect(f, s)
	f.Fuzz(func(t *testing.T, method, contentType, query, body string) {
		r := post("", body)
		r.Method, r.URL = method, &url.URL{Path: "/", RawQuery: query}
		r.Header["Content-Type"] = []string{contentType}
		r.Header["X-Any"] = []string{body}
		w := send(s, r)
		events := events()
		if (w.Code == http.StatusOK) != (len(events) == 1) {
			t.Fatalf("%d events, but answered %d %s", len(events), w.Code, w.Body)
		}
		for _, e := range events {
			if err := e.Context.Validate(); !strings.HasPrefix(contentType, "application/cloudevents") && !json.Valid(e.Data()) {
				t.Fatalf("data is not valid JSON: %q (%v)", e.Data(), err)
			}
		}
		if method == "POST" && contentType == "application/json" && (w.Code == http.StatusOK) != (json.Valid([]byte(body)) && utf8.ValidString(body)) {
			t.Fatalf("answered %d %s to %q", w.Code, w.Body, body)
		}
	})
}

// collect runs s and returns what takes the events since it was last called: a
// Recorder would keep those of all inputs.
func collect(f *testing.F, s *webhook.Source) func() []hearken.Event {
	f.Helper()
	var mu sync.Mutex
	var events []hearken.Event
	run(f, s, hearken.Output{
		Logger: slog.New(slog.DiscardHandler),
		Emit: func(_ context.Context, e hearken.Event) error {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e)
			return nil
		},
	})
	return func() []hearken.Event {
		mu.Lock()
		defer mu.Unlock()
		taken := events
		events = nil
		return taken
	}
}

// FuzzSignature proves that nothing is accepted without the key: what signs is
// a key of the sender's, that is none of the verifier's.
func FuzzSignature(f *testing.F) {
	f.Add("sha256="+githubSignature, "1531420618", "Hello, World!")
	f.Add("t=1,v1=00,v1=", "", "{}")
	f.Add("v1,Zm9v v1a,Zm9v", "9223372036854775807", `{"id":"x"}`)
	f.Add(",=,t=,t==1", "-1", "")
	verifiers := []webhook.Verifier{
		webhook.GitHub("key"),
		stripe("key"),
		slack("key"),
		standard("whsec_a2V5"),
		webhook.Bearer("key nobody has"),
		webhook.Basic{{User: "u", Password: "password nobody has"}},
		&webhook.HMAC{Keys: nil, Header: "X-Sig"},
		&webhook.HMAC{Keys: []hearken.Secret{""}, Header: "X-Sig", Unit: time.Hour, Timestamp: webhook.Part{Path: "t"}},
	}
	f.Fuzz(func(t *testing.T, signature, stamp, body string) {
		r := post("", body)
		forged := sign("", stamp+"."+body)
		for _, name := range []string{"X-Hub-Signature-256", "Stripe-Signature", "X-Slack-Signature", "Webhook-Signature", "X-Sig", "Authorization"} {
			r.Header[http.CanonicalHeaderKey(name)] = []string{signature, "t=" + stamp + ",v1=" + forged, "sha256=" + sign("", body), sign("", body)}
		}
		for _, name := range []string{"X-Slack-Request-Timestamp", "Webhook-Timestamp", "Webhook-Id"} {
			r.Header[name] = []string{stamp}
		}
		for _, v := range verifiers {
			if _, err := v.Verify(r, []byte(body)); err == nil {
				t.Fatalf("%T accepted %q with %q", v, signature, body)
			}
		}
	})
}

// FuzzTimestamp proves that a time stamp, signed well, is accepted when it is
// within the tolerance and not otherwise.
func FuzzTimestamp(f *testing.F) {
	for _, stamp := range []string{"0", "1531420618", "+1", " 1", "1.5", "-9223372036854775808", "9223372036854775807", "", "0x10", "²"} {
		f.Add(stamp)
	}
	f.Add(strconv.FormatInt(time.Now().Unix(), 10))
	f.Fuzz(func(t *testing.T, stamp string) {
		if strings.ContainsAny(stamp, ",") || strings.TrimSpace("t="+stamp) != "t="+stamp {
			return // not the field that is signed here
		}
		r := withHeaders(post("", ""), "Stripe-Signature", "t="+stamp+",v1="+sign("key", stamp+".x"))
		_, err := stripe("key").Verify(r, []byte("x"))
		n, bad := strconv.ParseInt(stamp, 10, 64)
		off := time.Since(time.Unix(n, 0)).Abs()
		switch fresh := bad == nil && n > 0 && off < 5*time.Minute; {
		case fresh && err != nil && off < 4*time.Minute:
			t.Fatalf("%q was refused: %v", stamp, err)
		case !fresh && err == nil && off > 6*time.Minute:
			t.Fatalf("%q was accepted", stamp)
		}
	})
}

// FuzzCloudEvent proves that every CloudEvent that is taken, in any mode, is
// valid and can be written.
func FuzzCloudEvent(f *testing.F) {
	const ok = `{"specversion":"1.0","id":"1","type":"t","source":"s"`
	for _, body := range []string{
		ok + `}`, ok + `,"data":{"a":1}}`, ok + `,"data_base64":"AP8="}`, ok + `,"data_base64":1}`, ok + `,"x":1.5}`,
		ok + `,"data":null,"datacontenttype":"text/plain"}`, `{"data_base64":1,"specversion":"1.0"}`, `[` + ok + `}]`, `[]`, `{`, "\xff",
	} {
		f.Add(structuredType, "1", body)
		f.Add(batchType, "1", body)
		f.Add("application/json", `"a\"b%20%C0%A0`, body)
	}
	s := open()
	events := collect(f, s)
	f.Fuzz(func(t *testing.T, contentType, attribute, body string) {
		r := binaryEvent("", body)
		r.Header["Content-Type"] = []string{contentType}
		r.Header["Ce-Subject"] = []string{attribute}
		r.Header["Ce-Extra"] = []string{attribute}
		w := send(s, r)
		events := events()
		if w.Code != http.StatusOK && len(events) > 0 {
			t.Fatalf("answered %d %s after an event", w.Code, w.Body)
		}
		for _, e := range events {
			if err := e.Validate(); err != nil {
				t.Fatalf("not valid: %v", err)
			}
			if _, err := json.Marshal(e); err != nil {
				t.Fatalf("cannot be written: %v", err)
			}
		}
	})
}
