package httptrigger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

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
	header := make(http.Header, 16)
	body, err := t.body(f, header)
	if err != nil {
		return nil, err
	}
	// With the URL set below, so that no error holds it.
	req, err := http.NewRequestWithContext(ctx, t.method(), "", bytes.NewReader(body))
	if err != nil {
		return nil, hearken.Permanent(err)
	}
	user := target.User
	target.User = nil
	req.URL, req.Host, req.Header = target, target.Host, header
	if err := t.setHeader(req, f, user); err != nil {
		return nil, err
	}
	return req, nil
}

func (t *Trigger) url(f hearken.Firing) (*url.URL, error) {
	raw := t.URL
	if t.URLFunc != nil {
		var err error
		if raw, err = t.URLFunc(f); err != nil {
			return nil, fmt.Errorf("URL: %w", err)
		}
	}
	u, err := parseURL(raw)
	if err != nil {
		return nil, hearken.Permanent(fmt.Errorf("URL %w", err))
	}
	return u, nil
}

// parseURL accepts absolute http and https URLs. Its errors do not show the
// URL, which may hold a password.
func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
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
func (t *Trigger) body(f hearken.Firing, header http.Header) ([]byte, error) {
	if t.Payload == nil {
		if !t.sendsEvent() {
			return nil, nil
		}
		body, err := encode(f, header)
		if err != nil {
			return nil, hearken.Permanent(err)
		}
		t.setContentType(header, "")
		return body, nil
	}
	body, err := t.Payload.Payload(f)
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	t.setContentType(header, "application/json")
	return body, nil
}

func (t *Trigger) setContentType(header http.Header, otherwise string) {
	if typ := cmp.Or(t.ContentType, otherwise); typ != "" {
		header["Content-Type"] = []string{typ}
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
func (t *Trigger) setHeader(req *http.Request, f hearken.Firing, user *url.Userinfo) error {
	replace(req.Header, t.Header)
	if t.HeaderFunc != nil {
		more, err := t.HeaderFunc(f)
		if err != nil {
			return fmt.Errorf("header: %w", err)
		}
		replace(req.Header, more)
	}
	t.authorize(req, user)
	req.Header.Set(t.idempotencyHeader(), f.ID)
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
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
