package httptrigger_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/httptrigger"
)

// redirect answers anything but /end with a redirect.
func redirect(code int, to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/end" {
			w.Header().Set("Location", to)
			w.WriteHeader(code)
		}
	}
}

func TestRedirectOnTheSameHost(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "GET", "HEAD"} {
		for _, code := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprint(method, code), func(t *testing.T) {
				s := newSink(t, redirect(code, "/end"))
				tr := use(t, &httptrigger.Trigger{
					URL: s.URL + "/start", Method: method, Payload: text("body"), BearerToken: "t0ken",
				})
				f := firing(t)
				err := tr.Fire(t.Context(), f)
				if method != "GET" && method != "HEAD" && code < 307 {
					require.ErrorContains(t, err, fmt.Sprintf("redirect to %s not followed", s.URL))
					assert.True(t, hearken.IsPermanent(err))
					assert.Len(t, s.all(), 1)
					return
				}
				require.NoError(t, err)
				last := s.all()[1]
				assert.Equal(t, method+" /end", last.Method+" "+last.URL.Path)
				assert.Equal(t, f.ID, last.Header.Get("Idempotency-Key"))
				assert.Equal(t, "Bearer t0ken", last.Header.Get("Authorization"))
				if code >= 307 {
					assert.Equal(t, "body", last.body)
				}
			})
		}
	}
}

func TestRedirectKeepsTheUserOfTheURL(t *testing.T) {
	var s *sink
	s = newSink(t, func(w http.ResponseWriter, r *http.Request) { redirect(307, s.URL+"/end")(w, r) })
	u := strings.Replace(s.URL, "http://", "http://me:secret@", 1)
	require.NoError(t, use(t, &httptrigger.Trigger{URL: u}).Fire(t.Context(), firing(t)))
	_, password, _ := s.all()[1].BasicAuth()
	assert.Equal(t, "secret", password)
}

func TestRedirectToAnotherHost(t *testing.T) {
	other := newSink(t, nil)
	u, err := url.Parse(other.URL)
	require.NoError(t, err)
	for name, hosts := range map[string][]string{"refused": nil, "by host": {u.Hostname()}, "by host and port": {u.Host}} {
		t.Run(name, func(t *testing.T) {
			before := len(other.all())
			s := newSink(t, redirect(307, other.URL+"/there"))
			tr := use(t, &httptrigger.Trigger{
				URL:           strings.Replace(s.URL, "http://", "http://me:secret@", 1) + "/start?key=secret",
				Payload:       text("body"),
				ContentType:   "text/plain",
				Header:        http.Header{"X-Api-Key": {"secret"}, "Cookie": {"a=secret"}},
				RedirectHosts: hosts,
			})
			f := firing(t)
			err := tr.Fire(t.Context(), f)
			if hosts == nil {
				require.ErrorContains(t, err, "redirect to "+other.URL+" not followed")
				assert.True(t, hearken.IsPermanent(err))
				assert.NotContains(t, err.Error(), "secret")
				assert.Len(t, other.all(), before)
				return
			}
			require.NoError(t, err)
			got := other.all()[before]
			assert.Equal(t, "POST", got.Method)
			assert.Equal(t, "body", got.body)
			assert.Equal(t, "text/plain", got.Header.Get("Content-Type"))
			assert.Equal(t, f.ID, got.Header.Get("Idempotency-Key"))
			assert.NotContains(t, fmt.Sprint(got.Header), "secret")
			assert.NotContains(t, got.Header, "Authorization")
			assert.NotContains(t, got.Header, "Referer")
		})
	}
}

// net/http itself hands credentials on to subdomains.
func TestRedirectToASubdomain(t *testing.T) {
	s := newSink(t, redirect(307, "http://sub.example.com/end"))
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
	}}
	tr := use(t, &httptrigger.Trigger{
		URL:           "http://example.com/",
		BearerToken:   "secret",
		RedirectHosts: []string{"SUB.example.com"},
		Client:        &http.Client{Transport: transport},
	})
	require.NoError(t, tr.Fire(t.Context(), firing(t)))
	assert.Equal(t, "Bearer secret", s.all()[0].Header.Get("Authorization"))
	assert.NotContains(t, s.all()[1].Header, "Authorization")

	tr.RedirectHosts = nil
	require.ErrorContains(t, tr.Fire(t.Context(), firing(t)), "not followed")
}

func TestRedirectFromHTTPSToHTTP(t *testing.T) {
	plain := newSink(t, nil)
	s := newTLSSink(t, redirect(307, plain.URL))
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	tr := use(t, &httptrigger.Trigger{URL: s.URL, TLS: &tls.Config{RootCAs: pool}, RedirectHosts: []string{"127.0.0.1"}})
	require.ErrorContains(t, tr.Fire(t.Context(), firing(t)), "redirect to "+plain.URL+" not followed")
	assert.Empty(t, plain.all())
}

// The usual step from http to https stays on the host; no other change of
// scheme or port does.
func TestRedirectToHTTPS(t *testing.T) {
	tests := []struct {
		from, to string
		followed bool
	}{
		{"http://example.com/", "https://EXAMPLE.com/end", true},
		{"http://example.com:80/", "https://example.com:443/end", true},
		{"http://example.com/", "http://example.com:80/end", true},
		{"https://example.com/", "https://example.com:443/end", true},
		{"http://example.com/", "https://example.com:8443/end", false},
		{"http://example.com:8080/", "https://example.com/end", false},
		{"http://example.com/", "http://example.com:8080/end", false},
		{"https://example.com/", "http://example.com/end", false},
		{"http://example.com/", "ftp://example.com/end", false},
		{"http://example.com/", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.from+" "+tt.to, func(t *testing.T) {
			err := (&httptrigger.Trigger{URL: tt.from, Client: leading(tt.to)}).Fire(t.Context(), firing(t))
			assert.Equal(t, tt.followed, err == nil, "%v", err)
			assert.Equal(t, !tt.followed, hearken.IsPermanent(err))
		})
	}
}

// What RedirectHosts names is a host and port, however the redirect writes them.
func TestRedirectHostsNameAHostAndPort(t *testing.T) {
	tests := []struct {
		host, to string
		followed bool
	}{
		{"b.example", "https://B.example/end", true},
		{"b.example:443", "https://b.example/end", true},
		{"b.example:443", "https://b.example:443/end", true},
		{"b.example:80", "http://b.example/end", true},
		{"b.example:443", "http://b.example/end", false},
		{"b.example:443", "https://b.example:8443/end", false},
		{"[::1]", "http://[::1]:8080/end", true},
		{"::1", "http://[::1]:8080/end", true},
		{"[::1]:80", "http://[::1]/end", true},
		{"[::1]:80", "http://[::1]:8080/end", false},
	}
	for _, tt := range tests {
		t.Run(tt.host+" "+tt.to, func(t *testing.T) {
			tr := &httptrigger.Trigger{URL: "http://a.example/", RedirectHosts: []string{tt.host}, Client: leading(tt.to)}
			require.NoError(t, tr.Validate())
			err := tr.Fire(t.Context(), firing(t))
			assert.Equal(t, tt.followed, err == nil, "%v", err)
		})
	}
}

// leading returns a client that is redirected to an address whose path is /end,
// and is answered there.
func leading(to string) *http.Client {
	return &http.Client{Transport: answers(func(r *http.Request) (*http.Response, error) {
		resp := &http.Response{StatusCode: 204, Body: http.NoBody, Header: http.Header{}, Request: r}
		if r.URL.Path != "/end" {
			resp.StatusCode = 308
			resp.Header["Location"] = []string{to}
		}
		return resp, nil
	})}
}

func TestRedirectToWhatIsNoURL(t *testing.T) {
	s := newSink(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Location"] = []string{"https://b.example/%zz?token=secret"}
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	for _, client := range []*http.Client{nil, s.Client()} {
		err := use(t, &httptrigger.Trigger{URL: s.URL, Client: client}).Fire(t.Context(), firing(t))
		require.EqualError(t, err, "POST "+s.URL+": a redirect to what is no URL")
		assert.True(t, hearken.IsPermanent(err))
	}
}

func TestRedirectWithoutEnd(t *testing.T) {
	s := newSink(t, redirect(307, "/again"))
	err := use(t, &httptrigger.Trigger{URL: s.URL}).Fire(t.Context(), firing(t))
	require.ErrorContains(t, err, "307")
	assert.True(t, hearken.IsPermanent(err))
	assert.Len(t, s.all(), 11)
}

func TestTheClientMayRefuseARedirect(t *testing.T) {
	s := newSink(t, redirect(307, "/end"))
	errNo := errors.New("no")
	client := &http.Client{
		Transport:     s.Client().Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errNo },
	}
	err := (&httptrigger.Trigger{URL: s.URL, Client: client}).Fire(t.Context(), firing(t))
	require.ErrorIs(t, err, errNo)
	assert.Len(t, s.all(), 1)
}
