package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
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

func withHeaders(r *http.Request, headers ...string) *http.Request {
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func TestTokenAndBasic(t *testing.T) {
	bearer := webhook.Bearer("old token", "new")
	gitlab := &webhook.Token{Header: "X-Gitlab-Token", Tokens: []hearken.Secret{"t"}, ID: webhook.Part{Header: "X-Gitlab-Event-UUID"}}
	basic := webhook.Basic{{User: "ci", Password: "old"}, {User: "ci", Password: "new:er"}}
	// Base64 of "ci:old", "ci:new:er", "ci:" and "x:old".
	tests := []struct {
		name    string
		verify  webhook.Verifier
		headers []string
		reason  string // why it is refused; empty: it is not
	}{
		{"a token", bearer, []string{"Authorization", "Bearer new"}, ""},
		{"the other token", bearer, []string{"Authorization", "bearer  old token"}, ""},
		{"no header", bearer, nil, "no Authorization header"},
		{"another token", bearer, []string{"Authorization", "Bearer newer"}, "unknown token"},
		{"part of a token", bearer, []string{"Authorization", "Bearer ne"}, "unknown token"},
		{"no token", bearer, []string{"Authorization", "Bearer"}, "unknown token"},
		{"another scheme", bearer, []string{"Authorization", "Basic new"}, "has not the scheme Bearer"},
		{"token only", gitlab, []string{"X-Gitlab-Token", "t"}, ""},
		{"token with more", gitlab, []string{"X-Gitlab-Token", "t "}, "unknown token"},
		{"basic", basic, []string{"Authorization", "Basic Y2k6b2xk"}, ""},
		{"basic, the other password", basic, []string{"Authorization", "basic Y2k6bmV3OmVy"}, ""},
		{"basic without a password", basic, []string{"Authorization", "Basic Y2k6"}, "unknown user or password"},
		{"basic of another user", basic, []string{"Authorization", "Basic eDpvbGQ="}, "unknown user or password"},
		{"basic that is none", basic, []string{"Authorization", "Basic ?"}, "no basic authentication"},
		{"empty keys are none", &webhook.Token{Scheme: "Bearer", Tokens: []hearken.Secret{""}}, []string{"Authorization", "Bearer "}, "unknown token"},
		{"empty passwords are none", webhook.Basic{{User: "ci"}}, []string{"Authorization", "Basic Y2k6"}, "unknown user or password"},
		{"anybody", webhook.AllowUnauthenticated, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.verify.Verify(withHeaders(post("", ""), tt.headers...), nil)
			if tt.reason == "" {
				assert.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, webhook.ErrUnauthorized)
			assert.ErrorContains(t, err, tt.reason)
		})
	}
	v, err := gitlab.Verify(withHeaders(post("", ""), "X-Gitlab-Token", "t", "X-Gitlab-Event-UUID", "13792a34"), nil)
	require.NoError(t, err)
	assert.Equal(t, webhook.Verified{ID: "13792a34"}, v)
}

func TestUnauthorizedIsToldNothing(t *testing.T) {
	tests := []struct {
		verify    webhook.Verifier
		challenge string
	}{
		{webhook.Bearer("t0ken"), "Bearer"},
		{webhook.Basic{{User: "ci", Password: "x"}}, `Basic realm="webhook", charset="UTF-8"`},
		{&webhook.Token{Header: "X-Key", Tokens: []hearken.Secret{"t0ken"}}, ""},
		{webhook.GitHub("key"), ""},
	}
	for _, tt := range tests {
		var log bytes.Buffer
		s := &webhook.Source{Verify: tt.verify}
		rec := &sourcetest.Recorder{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
		start(t, s, rec)
		w := send(s, withHeaders(post("", "{}"), "X-Key", "wrong", "X-Hub-Signature-256", "sha256=00"))
		assert.Equal(t, 401, w.Code)
		assert.Equal(t, "unauthorized\n", w.Body.String())
		assert.Equal(t, tt.challenge, w.Header().Get("WWW-Authenticate"))
		assert.Empty(t, rec.Attempts())
		assert.Contains(t, log.String(), "status=401")
		assert.NotContains(t, log.String(), "t0ken")
	}
}

func TestVerifyComesBeforeTheBodyIsJudged(t *testing.T) {
	s := &webhook.Source{Verify: webhook.Bearer("t")}
	start(t, s, &sourcetest.Recorder{})
	assert.Equal(t, 401, send(s, post("application/json", "not json")).Code, "nothing is told of a stranger's body")
}

// verifierFunc is a Verifier of an application's own.
type verifierFunc func(body []byte) (webhook.Verified, error)

func (f verifierFunc) Verify(_ *http.Request, body []byte) (webhook.Verified, error) { return f(body) }

func TestVerifierOfOnesOwn(t *testing.T) {
	tests := []struct {
		name   string
		v      webhook.Verified
		err    error
		status int
		answer string
		events int
	}{
		{"accepts", webhook.Verified{ID: "d-1"}, nil, 200, "success", 1},
		{"refuses", webhook.Verified{}, fmt.Errorf("key 7: %w", webhook.ErrUnauthorized), 401, "unauthorized\n", 0},
		{"cannot tell", webhook.Verified{}, errors.New("secret host is away"), 503, "the sender could not be verified\n", 0},
		{"ping", webhook.Verified{Ping: true}, nil, 200, "success", 0},
		{"ping with an answer", webhook.Verified{Ping: true, Answer: "<challenge>"}, nil, 200, "<challenge>", 0},
		{"id with a control character", webhook.Verified{ID: "a\x00"}, nil, 400, "the delivery id is not printable UTF-8 of at most 1024 bytes\n", 0},
		{"id that is not UTF-8", webhook.Verified{ID: "\xff"}, nil, 400, "the delivery id is not printable UTF-8 of at most 1024 bytes\n", 0},
		{"id that is too long", webhook.Verified{ID: strings.Repeat("x", 1025)}, nil, 400, "the delivery id is not printable UTF-8 of at most 1024 bytes\n", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &webhook.Source{Verify: verifierFunc(func(body []byte) (webhook.Verified, error) {
				assert.Equal(t, "{}", string(body))
				return tt.v, tt.err
			})}
			rec := &sourcetest.Recorder{}
			start(t, s, rec)
			w := send(s, post("", "{}"))
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, tt.answer, w.Body.String())
			assert.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
			assert.Equal(t, tt.answer != "success", w.Header().Get("X-Content-Type-Options") == "nosniff", "what may be a sender's text")
			require.Len(t, rec.Events(), tt.events)
			if tt.events > 0 {
				assert.Equal(t, tt.v.ID, rec.Events()[0].ID())
			}
		})
	}
}

func TestVerifiersMaskTheirHeaders(t *testing.T) {
	s := &webhook.Source{Verify: &webhook.Token{Header: "x-gitlab-token", Tokens: []hearken.Secret{"t"}}}
	rec := &sourcetest.Recorder{}
	start(t, s, rec)
	require.Equal(t, 200, send(s, withHeaders(post("", "{}"), "X-Gitlab-Token", "t", "X-Other", "o")).Code)
	data := only(t, rec).Data()
	assert.Equal(t, webhook.Masked, gjson.GetBytes(data, "header.X-Gitlab-Token.0").Str)
	assert.Equal(t, "o", gjson.GetBytes(data, "header.X-Other.0").Str)
}

func TestTokenAndBasicValidate(t *testing.T) {
	for _, tt := range []struct {
		verify hearken.Validator
		want   []string
	}{
		{webhook.Bearer("a", "b"), nil},
		{webhook.Bearer(), []string{"Tokens: lists no key: nobody could send"}},
		{webhook.Bearer("a", ""), []string{"Tokens[1]: is empty"}},
		{&webhook.Token{Header: "a b", Scheme: "c d", Tokens: []hearken.Secret{"t"}, ID: webhook.Part{Header: "x", Path: "y"}}, []string{
			`Header: "a b" is no name of a header`,
			`Scheme: "c d" is no authentication scheme, such as "Bearer"`,
			`ID: is several things at once; set one of Text, Header, Field, Path and Body`,
		}},
		{&webhook.Token{Tokens: []hearken.Secret{"t"}, ID: webhook.Part{Text: "x"}}, []string{
			"ID.Text: is the same for each delivery: all but the first would be dropped",
		}},
		{&webhook.Token{Tokens: []hearken.Secret{"t"}, ID: webhook.Part{Field: "x"}}, []string{
			"ID.Field: is for headers with a list of name=value, and the Header holds the token",
		}},
		{webhook.Basic{{User: "a", Password: "b"}}, nil},
		{webhook.Basic{}, []string{"lists no Credential: nobody could send"}},
		{webhook.Basic{{User: "a:b", Password: "x"}, {User: "c"}}, []string{
			`[0].User: "a:b" is empty or holds a colon`, `[1].Password: is empty`,
		}},
	} {
		assert.Equal(t, tt.want, mistakes(t, tt.verify.Validate()))
	}
	s := &webhook.Source{Verify: webhook.Basic{{User: "c"}}}
	assert.Equal(t, []string{"Verify[0].Password: is empty"}, mistakes(t, s.Validate()))
}

func TestSendersThatAreNotLetInAreWarnedOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &webhook.Source{Verify: webhook.Bearer("right")}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- s.Run(ctx, hearken.Output{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
		}()
		synctest.Wait()
		for range 25 {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("{}"))
			r.Header.Set("Authorization", "Bearer wrong")
			s.ServeHTTP(httptest.NewRecorder(), r)
			time.Sleep(time.Second)
		}
		assert.Equal(t, 3, strings.Count(log.String(), "status=401"), "one in ten seconds")
		assert.NotContains(t, log.String(), "wrong")
		cancel()
		assert.NoError(t, <-done)
	})
}
