package httptrigger

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/hearken-go/hearken"
)

// Validate finds all mistakes in the fields, and those of the Payload.
func (t *Trigger) Validate() error {
	var m hearken.Mistakes
	t.validateURL(&m)
	if !isToken(t.method()) {
		m.Add("Method", "%q is no HTTP method", t.Method)
	}
	t.validateHeader(&m)
	t.validateAuth(&m)
	for i, status := range t.AllowStatus {
		if status < 200 || status > 599 {
			m.Add(fmt.Sprintf("AllowStatus[%d]", i), "is %d; the status of an answer is 200 to 599", status)
		}
	}
	for i, host := range t.RedirectHosts {
		if !isRedirectHost(host) {
			m.Add(fmt.Sprintf("RedirectHosts[%d]", i), "%q is no host; say example.com or example.com:8443", host)
		}
	}
	if t.TLS != nil && t.Client != nil {
		m.Add("TLS", "is set beside Client; set it in the Client's Transport")
	}
	m.Ask("Payload", t.Payload)
	return m.Err()
}

// Reads returns what the Payload reads, where it says so. What URLFunc and
// HeaderFunc read is not known.
func (t *Trigger) Reads() []hearken.Read {
	return hearken.ReadsAt("Payload", t.Payload)
}

func (t *Trigger) validateURL(m *hearken.Mistakes) {
	switch {
	case t.URL != "" && t.URLFunc != nil:
		m.Add("URLFunc", "is set beside URL; set one of them")
	case t.URL == "" && t.URLFunc == nil:
		m.Add("URL", "is empty; set it, or URLFunc")
	}
	if t.URL == "" {
		return
	}
	u, err := parseURL(t.URL)
	if err != nil {
		m.Add("URL", "%v", err)
	} else if u.User != nil && (t.BasicAuth.isSet() || t.BearerToken != "") {
		m.Add("URL", "holds a user beside BasicAuth or BearerToken; remove one of them")
	}
}

func (t *Trigger) validateHeader(m *hearken.Mistakes) {
	key := t.idempotencyHeader()
	if !isToken(key) {
		m.Add("IdempotencyHeader", "%q is no header name", key)
	}
	if !isHeaderValue(t.ContentType) {
		m.Add("ContentType", "%q holds a control character", t.ContentType)
	}
	seen := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(t.Header)) {
		path := fmt.Sprintf("Header[%q]", name)
		if err := checkHeader(http.Header{name: t.Header[name]}); err != nil {
			m.Add(path, "%v", err)
		}
		canonical := http.CanonicalHeaderKey(name)
		if other, ok := seen[canonical]; ok {
			m.Add(path, "is the same header as %q, and either may be sent; set one of them", other)
		}
		seen[canonical] = name
		switch {
		case canonical == http.CanonicalHeaderKey(key):
			m.Add(path, "bears the firing's ID; set IdempotencyHeader to another name to use this one")
		case canonical == "Content-Type" && t.ContentType != "":
			m.Add(path, "is set beside ContentType; set one of them")
		case canonical == "Authorization" && (t.BasicAuth.isSet() || t.BearerToken != ""):
			m.Add(path, "is set beside BasicAuth or BearerToken; set one of them")
		}
	}
}

func (t *Trigger) validateAuth(m *hearken.Mistakes) {
	if t.BasicAuth.isSet() && t.BearerToken != "" {
		m.Add("BearerToken", "is set beside BasicAuth; set one of them")
	}
	if strings.Contains(t.BasicAuth.Username, ":") {
		m.Add("BasicAuth.Username", "holds a colon, which would end it (RFC 7617)")
	}
	if token := string(t.BearerToken); !isHeaderValue(token) || strings.TrimSpace(token) != token {
		m.Add("BearerToken", "holds a line break, a control character or space around it; trim what a file ends with")
	}
}

// isRedirectHost reports whether a URL can have h, "host" or "host:port", for its
// host.
func isRedirectHost(h string) bool {
	if net.ParseIP(h) != nil {
		return true
	}
	u, err := url.Parse("//" + h)
	if err != nil || u.Host != h || u.Hostname() == "" || strings.Contains(u.Hostname(), ":") && h[0] != '[' {
		return false
	}
	_, err = strconv.ParseUint(u.Port(), 10, 16)
	return err == nil || u.Port() == "" && !strings.HasSuffix(h, ":")
}

// checkHeader refuses what HTTP does not allow in a header, and what net/http
// would leave out without a word. Its errors do not show the value.
func checkHeader(h http.Header) error {
	for name, values := range h {
		if !isToken(name) {
			return fmt.Errorf("%q is no header name", name)
		}
		switch http.CanonicalHeaderKey(name) {
		case "Content-Length", "Transfer-Encoding", "Trailer":
			return fmt.Errorf("header %s is set by the client", name)
		case "Host":
			if len(values) != 1 || !isHostHeader(values[0]) {
				return fmt.Errorf("header %s is no host; say example.com or example.com:8443", name)
			}
		}
		for _, v := range values {
			if !isHeaderValue(v) {
				return fmt.Errorf("header %s holds a control character", name)
			}
		}
	}
	return nil
}

// isHostHeader reports whether net/http sends s as the Host: of one with another
// character of ASCII it sends what precedes it, or nothing.
func isHostHeader(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x80 && !isAlphanumeric(c) && strings.IndexByte("-._~!$&'()*+,;=:[]%", c) < 0 {
			return false
		}
	}
	return s != ""
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// isToken follows RFC 9110, 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// isTokenByte looks c up in a set of bits, as each byte of each header's name
// is asked for at each firing.
func isTokenByte(c byte) bool {
	const (
		low = (1<<10-1)<<'0' | 1<<'!' | 1<<'#' | 1<<'$' | 1<<'%' | 1<<'&' | 1<<'\'' |
			1<<'*' | 1<<'+' | 1<<'-' | 1<<'.'
		high = (1<<26-1)<<('A'-64) | (1<<26-1)<<('a'-64) |
			1<<('^'-64) | 1<<('_'-64) | 1<<('`'-64) | 1<<('|'-64) | 1<<('~'-64)
	)
	return (uint64(low)>>c|uint64(high)>>(c-64))&1 != 0
}

// isHeaderValue follows RFC 9110, 5.5, and takes bytes beyond ASCII as opaque.
func isHeaderValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
