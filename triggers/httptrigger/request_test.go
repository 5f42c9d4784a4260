package httptrigger_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/httptrigger"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

func text(s string) hearken.Payload {
	return hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return []byte(s), nil })
}

func TestZeroValuePostsTheEvent(t *testing.T) {
	s := newSink(t, nil)
	f := firing(t)
	e := f.Events["push"]
	e.SetTime(time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC))
	e.SetDataSchema("https://example.com/schema")
	e.SetExtension("ratio", true)
	e.SetExtension("note", `50% "done" – now`)
	f.Events["push"] = e
	require.NoError(t, use(t, &httptrigger.Trigger{URL: s.URL + "/hook?x=1"}).Fire(t.Context(), f))

	r := s.only(t)
	assert.Equal(t, "POST", r.Method)
	assert.Equal(t, "/hook?x=1", r.RequestURI)
	assert.JSONEq(t, `{"branch":"main"}`, r.body)
	for name, want := range map[string]string{
		"Content-Type":    "application/json",
		"Idempotency-Key": f.ID,
		"Ce-Specversion":  "1.0",
		"Ce-Id":           "42",
		"Ce-Source":       "git",
		"Ce-Type":         "commit",
		"Ce-Subject":      "push",
		"Ce-Time":         "2026-01-02T03:04:05.000006Z",
		"Ce-Dataschema":   "https://example.com/schema",
		"Ce-Ratio":        "true",
		"Ce-Note":         "50%25%20%22done%22%20%E2%80%93%20now",
	} {
		assert.Equal(t, []string{want}, r.Header[name], name)
	}
}

func TestSeveralEventsGoAsABatch(t *testing.T) {
	s := newSink(t, nil)
	a, err := hearken.NewEvent("commit", "1", 1)
	require.NoError(t, err)
	b := a.Clone()
	require.NoError(t, b.SetData("application/octet-stream", []byte{0xff, 0x00}))
	b.DataBase64 = false
	f := triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{
		{Name: "b", EventSource: push.EventSource}: b,
		{Name: "a", EventSource: push.EventSource}: a,
	})
	require.NoError(t, use(t, &httptrigger.Trigger{URL: s.URL}).Fire(t.Context(), f))

	r := s.only(t)
	assert.Equal(t, "application/cloudevents-batch+json", r.Header.Get("Content-Type"))
	var got []hearken.Event
	require.NoError(t, json.Unmarshal([]byte(r.body), &got))
	require.Len(t, got, 2)
	assert.Equal(t, []byte("1"), got[0].Data())
	assert.Equal(t, []byte{0xff, 0x00}, got[1].Data())
	assert.Contains(t, r.body, `"data_base64":"/wA="`)
	assert.False(t, f.Events["b"].DataBase64, "the firing's event is not changed")
}

// A reader after the specification takes a string for "+json" data for a JSON
// string, and the SDK fails on anything else: base64 is one thing to both.
func TestABatchHoldsJSONOfItsOwnTypeAsItIs(t *testing.T) {
	s := newSink(t, nil)
	e, err := hearken.NewEvent("commit", "1", map[string]int{"a": 1})
	require.NoError(t, err)
	e.SetDataContentType("application/vnd.github+json; charset=utf-8")
	f := triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{{Name: "a"}: e, {Name: "b"}: e})
	require.NoError(t, use(t, &httptrigger.Trigger{URL: s.URL}).Fire(t.Context(), f))
	var got []struct {
		Data []byte `json:"data_base64"`
	}
	require.NoError(t, json.Unmarshal([]byte(s.only(t).body), &got))
	assert.JSONEq(t, `{"a":1}`, string(got[0].Data))
}

// In binary mode the receiver would take an event within an event for the event.
func TestAnEventOfAnEventGoesInStructuredMode(t *testing.T) {
	s := newSink(t, nil)
	e, err := hearken.NewEvent("parcel", "1", []byte(`{"specversion":"1.0","id":"2","source":"trusted","type":"order"}`))
	require.NoError(t, err)
	e.SetDataContentType("Application/CloudEvents+json")
	f := triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{push: e})
	require.NoError(t, use(t, &httptrigger.Trigger{URL: s.URL}).Fire(t.Context(), f))

	r := s.only(t)
	assert.Equal(t, "application/cloudevents+json", r.Header.Get("Content-Type"))
	assert.NotContains(t, r.Header, "Ce-Id")
	var got hearken.Event
	require.NoError(t, json.Unmarshal([]byte(r.body), &got))
	assert.Equal(t, []string{"1", "parcel"}, []string{got.ID(), got.Type()})
	assert.Equal(t, e.Data(), got.Data())
}

func TestABatchThatIsNoJSON(t *testing.T) {
	e, err := hearken.NewEvent("commit", "1", []byte("{"))
	require.NoError(t, err)
	f := triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{{Name: "a"}: e, {Name: "b"}: e})
	err = (&httptrigger.Trigger{URL: "http://127.0.0.1:1/"}).Fire(t.Context(), f)
	require.ErrorContains(t, err, "JSON")
	assert.True(t, hearken.IsPermanent(err))
}

func TestMethodsWithoutABody(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "DELETE"} {
		s := newSink(t, nil)
		require.NoError(t, use(t, &httptrigger.Trigger{URL: s.URL, Method: method}).Fire(t.Context(), firing(t)))
		r := s.only(t)
		assert.Equal(t, method, r.Method)
		assert.Empty(t, r.body)
		assert.NotContains(t, r.Header, "Ce-Id")
		assert.NotContains(t, r.Header, "Content-Type")
		assert.NotEmpty(t, r.Header.Get("Idempotency-Key"))
	}
}

func TestWhatTheApplicationSets(t *testing.T) {
	branch := func(f hearken.Firing) (string, error) {
		e, err := f.Event(push)
		return url.PathEscape(e.ID()), err
	}
	tests := []struct {
		name    string
		trigger *httptrigger.Trigger
		check   func(t *testing.T, r seen)
	}{
		{"method", &httptrigger.Trigger{Method: "PATCH"}, func(t *testing.T, r seen) {
			assert.Equal(t, "PATCH", r.Method)
		}},
		{"payload", &httptrigger.Trigger{Payload: text("{}")}, func(t *testing.T, r seen) {
			assert.Equal(t, "{}", r.body)
			assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
			assert.NotContains(t, r.Header, "Ce-Id")
		}},
		{"payload of a GET", &httptrigger.Trigger{Method: "GET", Payload: text("{}")}, func(t *testing.T, r seen) {
			assert.Equal(t, "{}", r.body)
		}},
		{"content type", &httptrigger.Trigger{Payload: text("x"), ContentType: "text/plain"}, func(t *testing.T, r seen) {
			assert.Equal(t, []string{"text/plain"}, r.Header["Content-Type"])
		}},
		{"content type of an event", &httptrigger.Trigger{ContentType: "text/plain"}, func(t *testing.T, r seen) {
			assert.Equal(t, []string{"text/plain"}, r.Header["Content-Type"])
		}},
		{"content type by header", &httptrigger.Trigger{Header: http.Header{"content-type": {"text/plain"}}}, func(t *testing.T, r seen) {
			assert.Equal(t, []string{"text/plain"}, r.Header["Content-Type"])
		}},
		{"headers", &httptrigger.Trigger{
			Header: http.Header{"X-A": {"1", "2"}, "X-B": {"1"}},
			HeaderFunc: func(f hearken.Firing) (http.Header, error) {
				return http.Header{"x-b": {f.Sensor}, "X-C": {f.Action}, "Idempotency-Key": {"mine"}}, nil
			},
		}, func(t *testing.T, r seen) {
			assert.Equal(t, []string{"1", "2"}, r.Header["X-A"])
			assert.Equal(t, []string{"sensor"}, r.Header["X-B"])
			assert.Equal(t, []string{"action"}, r.Header["X-C"])
			assert.Equal(t, []string{firing(t).ID}, r.Header["Idempotency-Key"])
		}},
		{"host", &httptrigger.Trigger{Header: http.Header{"Host": {"ci.example.com"}}}, func(t *testing.T, r seen) {
			assert.Equal(t, "ci.example.com", r.Host)
		}},
		{"idempotency header", &httptrigger.Trigger{IdempotencyHeader: "X-Request-ID"}, func(t *testing.T, r seen) {
			assert.Equal(t, firing(t).ID, r.Header.Get("X-Request-Id"))
			assert.NotContains(t, r.Header, "Idempotency-Key")
		}},
		{"bearer", &httptrigger.Trigger{BearerToken: "t0ken"}, func(t *testing.T, r seen) {
			assert.Equal(t, []string{"Bearer t0ken"}, r.Header["Authorization"])
		}},
		{"basic", &httptrigger.Trigger{BasicAuth: httptrigger.BasicAuth{Username: "me", Password: "pa:ss"}}, func(t *testing.T, r seen) {
			user, password, ok := r.BasicAuth()
			assert.Equal(t, []any{"me", "pa:ss", true}, []any{user, password, ok})
		}},
		{"URL function", &httptrigger.Trigger{URLFunc: branch}, func(t *testing.T, r seen) {
			assert.Equal(t, "/builds/42", r.URL.Path)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSink(t, nil)
			if path := tt.trigger.URLFunc; path != nil {
				tt.trigger.URLFunc = func(f hearken.Firing) (string, error) {
					id, err := path(f)
					return s.URL + "/builds/" + id, err
				}
			} else {
				tt.trigger.URL = s.URL
			}
			require.NoError(t, tt.trigger.Validate())
			require.NoError(t, use(t, tt.trigger).Fire(t.Context(), firing(t)))
			tt.check(t, s.only(t))
		})
	}
}

func TestUserOfTheURL(t *testing.T) {
	s := newSink(t, nil)
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	u.User = url.UserPassword("me", "secret")
	tr := use(t, &httptrigger.Trigger{URL: u.String(), Check: func(_ hearken.Firing, r *http.Response) error {
		assert.Nil(t, r.Request.URL.User, "no log of requests shows it")
		return nil
	}})
	require.NoError(t, tr.Fire(t.Context(), firing(t)))
	user, password, ok := s.only(t).BasicAuth()
	assert.Equal(t, []any{"me", "secret", true}, []any{user, password, ok})
}

// What fails before there is a request is the application's error, or
// Permanent where another attempt would make the same request.
func TestNoRequest(t *testing.T) {
	errTheirs := errors.New("theirs")
	to := func(u string) func(hearken.Firing) (string, error) {
		return func(hearken.Firing) (string, error) { return u, nil }
	}
	header := func(name, value string) func(hearken.Firing) (http.Header, error) {
		return func(hearken.Firing) (http.Header, error) { return http.Header{name: {value}}, nil }
	}
	const good = "http://127.0.0.1:1/"
	tests := []struct {
		name      string
		trigger   *httptrigger.Trigger
		permanent bool
		want      string
	}{
		{"URL function fails", &httptrigger.Trigger{URLFunc: func(hearken.Firing) (string, error) { return "", errTheirs }}, false, "URL: theirs"},
		{"header function fails", &httptrigger.Trigger{URL: good, HeaderFunc: func(hearken.Firing) (http.Header, error) { return nil, errTheirs }}, false, "header: theirs"},
		{"payload fails", &httptrigger.Trigger{URL: good, Payload: hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return nil, errTheirs })}, false, "payload: theirs"},
		{"scheme", &httptrigger.Trigger{URLFunc: to("file:///etc/passwd")}, true, `scheme "file"`},
		{"no host", &httptrigger.Trigger{URLFunc: to("http://:80/x")}, true, "no host"},
		{"relative", &httptrigger.Trigger{URLFunc: to("/x")}, true, "does not begin with http:// or https://"},
		{"address", &httptrigger.Trigger{URL: "127.0.0.1:80/secret"}, true, "does not begin with http:// or https://"},
		{"host and port", &httptrigger.Trigger{URL: "localhost:80/secret"}, true, "does not begin with http:// or https://"},
		{"no URL", &httptrigger.Trigger{URL: "http://a b/"}, true, "does not parse"},
		{"method", &httptrigger.Trigger{URL: good, Method: "GO ON"}, true, "method"},
		{"header value", &httptrigger.Trigger{URL: good, HeaderFunc: header("X-A", "secret\r\nX-Evil: 1")}, true, "X-A holds a control character"},
		{"host", &httptrigger.Trigger{URL: good, HeaderFunc: header("Host", "a secret")}, true, "Host is no host"},
		{"empty host", &httptrigger.Trigger{URL: good, HeaderFunc: header("host", "")}, true, "Host is no host"},
		{"header name", &httptrigger.Trigger{URL: good, HeaderFunc: header("X A", "1")}, true, "no header name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.trigger.Fire(t.Context(), firing(t))
			require.ErrorContains(t, err, tt.want)
			assert.Equal(t, tt.permanent, hearken.IsPermanent(err))
			assert.NotContains(t, err.Error(), "secret")
			if !tt.permanent {
				assert.ErrorIs(t, err, errTheirs)
			}
		})
	}
}

func TestNoEventIsPermanent(t *testing.T) {
	tr := &httptrigger.Trigger{URL: "http://127.0.0.1:1/"}
	for _, events := range []map[string]hearken.Event{nil, {"push": {}}} {
		err := tr.Fire(t.Context(), hearken.Firing{ID: "x", Events: events})
		require.ErrorContains(t, err, "no event")
		assert.True(t, hearken.IsPermanent(err))
	}
}

// An event whose type of data would be a header of its own is refused.
func TestHeaderInjectionByAnEvent(t *testing.T) {
	f := firing(t)
	e := f.Events["push"]
	e.SetDataContentType("text/plain\r\nX-Evil: 1")
	f.Events["push"] = e
	err := (&httptrigger.Trigger{URL: "http://127.0.0.1:1/"}).Fire(t.Context(), f)
	require.ErrorContains(t, err, "control character")
	assert.True(t, hearken.IsPermanent(err))
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "plain", "a b", `"%`, "\r\nX: 1", "\x00\x7f\xff", "Grüße"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		escaped := httptrigger.Escape(s)
		for _, c := range []byte(escaped) {
			assert.True(t, c > ' ' && c <= '~' && c != '"', "%q", escaped)
		}
		got, err := url.PathUnescape(escaped)
		require.NoError(t, err)
		assert.Equal(t, s, got)
	})
}
