package httptrigger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/hearken-go/hearken"
)

const defaultIdempotencyHeader = "Idempotency-Key"

func (t *Trigger) idempotencyHeader() string {
	return cmp.Or(t.IdempotencyHeader, defaultIdempotencyHeader)
}

func (t *Trigger) method() string { return cmp.Or(t.Method, http.MethodPost) }

// request makes the request of a firing.
func (t *Trigger) request(ctx context.Context, f hearken.Firing) (*http.Request, error) {
	target, err := t.url(f)
	if err != nil {
		return nil, err
	}
	out := new(outgoing)
	h := fields{Header: make(http.Header), values: out.values[:0]}
	body, err := t.body(f, &h)
	if err != nil {
		return nil, err
	}
	if !isToken(t.method()) {
		return nil, hearken.Permanent(fmt.Errorf("%q is no HTTP method", t.method()))
	}
	out.target = *target
	out.target.User = nil
	// http.NewRequest would parse the URL again, for each firing; and its errors
	// would show it.
	req := blank.WithContext(ctx)
	req.Method, req.URL, req.Host, req.Header = t.method(), &out.target, target.Host, h.Header
	setBody(req, &out.body, body)
	if err := t.setHeader(req, &h, f, target.User); err != nil {
		return nil, err
	}
	return req, nil
}

// blank is what all requests have in common. WithContext copies it.
var blank = http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1} //nolint:gochecknoglobals // a constant

// outgoing is what a request points to, in one allocation.
type outgoing struct {
	target url.URL
	body   bytes.Reader
	values [10]string // of its header: room for an event without extensions
}

// setBody gives req a body, read by r, that can be sent again. It is a
// bytes.Reader in a NopCloser since net/http knows that it need not wait for
// such: it sends the header in one piece with it.
func setBody(req *http.Request, r *bytes.Reader, body []byte) {
	if len(body) == 0 {
		req.Body = http.NoBody
		req.GetBody = func() (io.ReadCloser, error) { return http.NoBody, nil }
		return
	}
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Reset(body)
	req.Body = io.NopCloser(r)
}

// fields is the header of a request in the making. The lists of what is put
// into it, of one value each, share an array.
type fields struct {
	http.Header
	values []string
}

// put sets the header of a canonical name.
func (h *fields) put(name, value string) {
	h.values = append(h.values, value)
	n := len(h.values)
	h.Header[name] = h.values[n-1 : n : n]
}

// url returns where the request of a firing goes. It is not to be changed.
func (t *Trigger) url(f hearken.Firing) (*url.URL, error) {
	parsed := t.parsed
	if t.URLFunc != nil {
		raw, err := t.URLFunc(f)
		if err != nil {
			return nil, fmt.Errorf("URL: %w", err)
		}
		parsed = func() (*url.URL, error) { return parseURL(raw) }
	}
	u, err := parsed()
	if err != nil {
		return nil, hearken.Permanent(fmt.Errorf("URL %w", err))
	}
	return u, nil
}

// parsed returns URL, which is parsed once.
func (t *Trigger) parsed() (*url.URL, error) {
	t.parseOnce.Do(func() { t.target, t.targetErr = parseURL(t.URL) })
	return t.target, t.targetErr
}

// parseURL accepts absolute http and https URLs. Its errors do not show the
// URL, which may hold a password.
func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case !strings.Contains(raw, "://"): // url.Parse makes of localhost:80 a scheme
		return nil, errors.New("does not begin with http:// or https://")
	case err != nil && strings.Contains(raw, "@"):
		// Of "user:p/w@host" url.Parse shows the ":p", as a port that is none.
		return nil, errors.New("does not parse: in a user or password all but letters and digits is percent-encoded")
	case err != nil:
		var bad *url.Error
		if errors.As(err, &bad) {
			err = bad.Err
		}
		return nil, fmt.Errorf("does not parse: %w", err)
	case !isHTTP(u):
		return nil, fmt.Errorf("has the scheme %q; only http and https will do", u.Scheme)
	case u.Hostname() == "":
		return nil, errors.New("has no host")
	}
	return u, nil
}

// body returns the body, and sets the headers that belong to it.
func (t *Trigger) body(f hearken.Firing, h *fields) ([]byte, error) {
	if t.Payload == nil {
		if !t.sendsEvent() {
			return nil, nil
		}
		body, err := t.encode(f, h)
		if err != nil {
			return nil, hearken.Permanent(err)
		}
		t.setContentType(h, "")
		return body, nil
	}
	body, err := t.Payload.Payload(f)
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	t.setContentType(h, "application/json")
	return body, nil
}

func (t *Trigger) setContentType(h *fields, otherwise string) {
	if typ := cmp.Or(t.ContentType, otherwise); typ != "" {
		h.put("Content-Type", typ)
	}
}

func (t *Trigger) sendsEvent() bool {
	switch t.method() {
	case http.MethodGet, http.MethodHead, http.MethodDelete:
		return false
	}
	return true
}

// setHeader adds what the application wants sent, then what it cannot change.
func (t *Trigger) setHeader(req *http.Request, h *fields, f hearken.Firing, user *url.Userinfo) error {
	replace(req.Header, t.Header)
	if t.HeaderFunc != nil {
		more, err := t.HeaderFunc(f)
		if err != nil {
			return fmt.Errorf("header: %w", err)
		}
		replace(req.Header, more)
	}
	t.authorize(req, user)
	h.put(http.CanonicalHeaderKey(t.idempotencyHeader()), f.ID)
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	setTrace(req.Context(), req.Header)
	if err := checkHeader(req.Header); err != nil {
		return hearken.Permanent(err)
	}
	return nil
}

// authorize sets the Authorization header; for the URL's user too, so that it
// survives a redirect that stays on the host.
func (t *Trigger) authorize(req *http.Request, user *url.Userinfo) {
	switch {
	case t.BearerToken != "":
		req.Header.Set("Authorization", "Bearer "+string(t.BearerToken))
	case t.BasicAuth.isSet():
		req.SetBasicAuth(t.BasicAuth.Username, string(t.BasicAuth.Password))
	case user != nil && req.Header.Get("Authorization") == "":
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
}

// replace sets the headers of more in header, under their canonical names. It
// keeps the values' slices, which net/http does not change.
func replace(header, more http.Header) {
	for name, values := range more {
		header[http.CanonicalHeaderKey(name)] = values
	}
}
