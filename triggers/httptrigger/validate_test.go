package httptrigger_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/httptrigger"
)

func urlFunc(hearken.Firing) (string, error) { return "http://a", nil }

// paths returns the places that an error of Validate names.
func paths(t *testing.T, err error) []string {
	t.Helper()
	var paths []string
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok, "%v", err)
	for _, e := range joined.Unwrap() {
		var c *hearken.ConfigError
		require.ErrorAs(t, e, &c)
		assert.NotEmpty(t, c.Msg)
		paths = append(paths, c.Path)
	}
	return paths
}

func TestValidate(t *testing.T) {
	const u = "http://a"
	basic := httptrigger.BasicAuth{Username: "me", Password: "secret"}
	tests := []struct {
		name    string
		trigger *httptrigger.Trigger
		want    string // the place of the mistake; empty: none
	}{
		{"least", &httptrigger.Trigger{URL: u}, ""},
		{"URL function", &httptrigger.Trigger{URLFunc: urlFunc}, ""},
		{"port and user", &httptrigger.Trigger{URL: "https://me:pw@a:8443/x?y=z"}, ""},
		{"no URL", &httptrigger.Trigger{}, "URL"},
		{"both URLs", &httptrigger.Trigger{URL: u, URLFunc: urlFunc}, "URLFunc"},
		{"no scheme", &httptrigger.Trigger{URL: "a/b"}, "URL"},
		{"other scheme", &httptrigger.Trigger{URL: "ftp://me:secret@a"}, "URL"},
		{"no host", &httptrigger.Trigger{URL: "http:///x"}, "URL"},
		{"bad URL", &httptrigger.Trigger{URL: "http://me:secret@a:b"}, "URL"},
		{"slash in the password", &httptrigger.Trigger{URL: "http://me:secret/pw@a"}, "URL"},
		{"percent sign in the password", &httptrigger.Trigger{URL: "http://me:a%secret@a"}, "URL"},
		{"own method", &httptrigger.Trigger{URL: u, Method: "PURGE"}, ""},
		{"bad method", &httptrigger.Trigger{URL: u, Method: "GO ON"}, "Method"},
		{"user and basic", &httptrigger.Trigger{URL: "http://me:secret@a", BasicAuth: basic}, "URL"},
		{"user and bearer", &httptrigger.Trigger{URL: "http://me:secret@a", BearerToken: "secret"}, "URL"},
		{"basic and bearer", &httptrigger.Trigger{URL: u, BasicAuth: basic, BearerToken: "secret"}, "BearerToken"},
		{"basic", &httptrigger.Trigger{URL: u, BasicAuth: basic}, ""},
		{"colon", &httptrigger.Trigger{URL: u, BasicAuth: httptrigger.BasicAuth{Username: "a:b"}}, "BasicAuth.Username"},
		{"line break", &httptrigger.Trigger{URL: u, BearerToken: "secret\n"}, "BearerToken"},
		{"authorization twice", &httptrigger.Trigger{URL: u, BearerToken: "secret", Header: http.Header{"authorization": {"x"}}}, `Header["authorization"]`},
		{"header", &httptrigger.Trigger{URL: u, Header: http.Header{"X-A": {"a\tb", "ü"}, "Authorization": {"x"}}}, ""},
		{"header twice", &httptrigger.Trigger{URL: u, Header: http.Header{"X-A": {"1"}, "x-a": {"2"}}}, `Header["x-a"]`},
		{"header name", &httptrigger.Trigger{URL: u, Header: http.Header{"X:": {"secret"}}}, `Header["X:"]`},
		{"header value", &httptrigger.Trigger{URL: u, Header: http.Header{"X-A": {"secret\n"}}}, `Header["X-A"]`},
		{"host header", &httptrigger.Trigger{URL: u, Header: http.Header{"Host": {"bücher.example:80"}}}, ""},
		{"host header with a path", &httptrigger.Trigger{URL: u, Header: http.Header{"host": {"b/secret"}}}, `Header["host"]`},
		{"two hosts in the header", &httptrigger.Trigger{URL: u, Header: http.Header{"Host": {"b", "c"}}}, `Header["Host"]`},
		{"left-out header", &httptrigger.Trigger{URL: u, Header: http.Header{"content-length": {"1"}}}, `Header["content-length"]`},
		{"key twice", &httptrigger.Trigger{URL: u, Header: http.Header{"Idempotency-Key": {"1"}}}, `Header["Idempotency-Key"]`},
		{"key elsewhere", &httptrigger.Trigger{URL: u, IdempotencyHeader: "X-Key", Header: http.Header{"Idempotency-Key": {"1"}}}, ""},
		{"bad key header", &httptrigger.Trigger{URL: u, IdempotencyHeader: "X Key"}, "IdempotencyHeader"},
		{"bad type", &httptrigger.Trigger{URL: u, ContentType: "a\r"}, "ContentType"},
		{"type twice", &httptrigger.Trigger{URL: u, ContentType: "a", Header: http.Header{"Content-Type": {"b"}}}, `Header["Content-Type"]`},
		{"statuses", &httptrigger.Trigger{URL: u, AllowStatus: []int{200, 599}}, ""},
		{"status below", &httptrigger.Trigger{URL: u, AllowStatus: []int{200, 100}}, "AllowStatus[1]"},
		{"status above", &httptrigger.Trigger{URL: u, AllowStatus: []int{600}}, "AllowStatus[0]"},
		{"hosts", &httptrigger.Trigger{URL: u, RedirectHosts: []string{"b", "c:1"}}, ""},
		{"addresses", &httptrigger.Trigger{URL: u, RedirectHosts: []string{"::1", "[::1]", "[::1]:80", "10.0.0.1:80"}}, ""},
		{"host with two ports", &httptrigger.Trigger{URL: u, RedirectHosts: []string{"b:1:2"}}, "RedirectHosts[0]"},
		{"host with an empty port", &httptrigger.Trigger{URL: u, RedirectHosts: []string{"b:"}}, "RedirectHosts[0]"},
		{"host with a port that is none", &httptrigger.Trigger{URL: u, RedirectHosts: []string{"b:65536"}}, "RedirectHosts[0]"},
		{"host of two lines", &httptrigger.Trigger{URL: u, RedirectHosts: []string{"b\nc"}}, "RedirectHosts[0]"},
		{"host with scheme", &httptrigger.Trigger{URL: u, RedirectHosts: []string{"b", "https://c"}}, "RedirectHosts[1]"},
		{"TLS", &httptrigger.Trigger{URL: u, TLS: new(tls.Config)}, ""},
		{"TLS and client", &httptrigger.Trigger{URL: u, TLS: new(tls.Config), Client: new(http.Client)}, "TLS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.trigger.Validate()
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			assert.Equal(t, []string{tt.want}, paths(t, err))
			assert.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestValidateFindsAllAtOnce(t *testing.T) {
	err := (&httptrigger.Trigger{
		Method:      "GO ON",
		ContentType: "\n",
		BasicAuth:   httptrigger.BasicAuth{Username: "a:b"},
		BearerToken: "x",
		AllowStatus: []int{1, 2},
		Payload:     part{},
	}).Validate()
	assert.Equal(t, []string{
		"URL", "Method", "ContentType", "BearerToken", "BasicAuth.Username", "AllowStatus[0]", "AllowStatus[1]",
		`Payload["message"]`, "Payload", "Payload",
	}, paths(t, err))
}

// part is a payload with mistakes and reads.
type part struct{}

func (part) Payload(hearken.Firing) ([]byte, error) { return nil, nil }

func (part) Validate() error {
	return errors.Join(
		&hearken.ConfigError{Path: `["message"]`, Msg: "is wrong"},
		fmt.Errorf("because: %w", &hearken.ConfigError{Path: "Template", Msg: "is wrong"}),
		errors.New("it is all wrong"),
	)
}

func (part) Reads() []hearken.Read {
	return []hearken.Read{
		{Dependency: push, Path: `["message"]`},
		{Dependency: push, Path: "Template", Optional: true},
		{Dependency: push},
	}
}

func TestReads(t *testing.T) {
	assert.Equal(t, []hearken.Read{
		{Dependency: push, Path: `Payload["message"]`},
		{Dependency: push, Path: "Payload.Template", Optional: true},
		{Dependency: push, Path: "Payload"},
	}, (&httptrigger.Trigger{URL: "http://a", Payload: part{}}).Reads())
	assert.Equal(t, `["message"]`, part{}.Reads()[0].Path)
	assert.Empty(t, (&httptrigger.Trigger{URL: "http://a"}).Reads())
	assert.Empty(t, (&httptrigger.Trigger{URL: "http://a", Payload: text("")}).Reads())
}

// A long token is echoed beyond what is read of the answer.
func TestErrorsShowNoBeginningOfACredential(t *testing.T) {
	echo := newSink(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "no: "+r.Header.Get("Authorization"))
	})
	for _, length := range []int{1900, 2040, 3000} {
		token := strings.Repeat("s3cret-", length/7)
		err := use(t, &httptrigger.Trigger{URL: echo.URL, BearerToken: hearken.Secret(token)}).Fire(t.Context(), firing(t))
		assert.ErrorContains(t, err, "no: Bearer ***", length)
		assert.NotContains(t, err.Error(), "s3cret", length)
	}
}

func TestTextWithoutTheBeginningOfASecret(t *testing.T) {
	const secret = "0123456789"
	for text, want := range map[string]string{
		"":                  "",
		"so 0123456":        "so 0123456",
		"so 01234567":       "so ***",
		"so 012345678":      "so ***",
		"012345678":         "***",
		"so 01234567 it is": "so 01234567 it is",
	} {
		assert.Equal(t, want, httptrigger.WithoutBegin(text, secret), text)
	}
	assert.Equal(t, "01234", httptrigger.WithoutBegin("01234", "012345"))
}

// No credential gets into an error, whatever form the server echoes it in.
func TestSecretsStaySecret(t *testing.T) {
	echo := newSink(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, password, _ := r.BasicAuth()
		_, _ = fmt.Fprintf(w, "you sent %s, which is %s, to %s", r.Header.Get("Authorization"), password, r.Host)
	})
	basic := httptrigger.BasicAuth{Username: "me", Password: "s3cret"}
	for name, tr := range map[string]*httptrigger.Trigger{
		"bearer": {URL: echo.URL, BearerToken: "s3cret"},
		"basic":  {URL: echo.URL, BasicAuth: basic},
		"URL":    {URL: "http://me:s3cret@" + echo.Listener.Addr().String() + "?token=s3cret"},
		"header": {URL: echo.URL, Header: http.Header{"Authorization": {"Bearer s3cret"}}},
	} {
		t.Run(name, func(t *testing.T) {
			err := use(t, tr).Fire(t.Context(), firing(t))
			require.ErrorContains(t, err, "***")
			assert.NotContains(t, err.Error(), "s3cret")
			assert.NotContains(t, err.Error(), "bWU6czNjcmV0", "base64 of me:s3cret")
		})
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "auth", basic)
	assert.NotContains(t, log.String()+fmt.Sprintf("%v %+v %#v", basic, basic, basic), "s3cret")
}

// Servers echo the address that they refuse, and the key that they do not know.
func TestErrorsShowNoEchoOfTheQueryOrAHeader(t *testing.T) {
	echo := newSink(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, "%s of %q: key %s, sign %s, auth %s, type %s", r.URL, r.URL.Query()["token"],
			r.Header.Get("X-Api-Key"), r.Header.Get("X-Sign"), r.Header.Get("Authorization"), r.Header.Get("Content-Type"))
	})
	err := use(t, &httptrigger.Trigger{
		URL:    echo.URL + "/hook?v=1&token=s3cret%2Btoken",
		Header: http.Header{"X-Api-Key": {"s3cret-key"}, "Authorization": {"s3cret-without-a-scheme"}},
		HeaderFunc: func(hearken.Firing) (http.Header, error) {
			return http.Header{"X-Sign": {"s3cret-sign"}}, nil
		},
	}).Fire(t.Context(), firing(t))
	require.ErrorContains(t, err, "/hook?*** of")
	assert.ErrorContains(t, err, "key ***, sign ***, auth ***, type application/json")
	assert.NotContains(t, err.Error(), "s3cret")
}

// The characters of a token: RFC 9110, 5.6.2.
func TestBytesOfAMethod(t *testing.T) {
	const allowed = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for c := range 256 {
		err := (&httptrigger.Trigger{URL: "http://a", Method: string([]byte{byte(c)})}).Validate()
		assert.Equal(t, strings.IndexByte(allowed, byte(c)) >= 0, err == nil, "%q", byte(c))
	}
}
