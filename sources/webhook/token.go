package webhook

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hearken-go/hearken"
)

// Bearer returns the Verifier of requests with "Authorization: Bearer" and one of
// the tokens (RFC 6750). Several are for rotation.
func Bearer(tokens ...hearken.Secret) *Token {
	return &Token{Scheme: "Bearer", Tokens: tokens}
}

// Token is the Verifier of a secret that is sent as it is in a header.
type Token struct {
	// Header is the header's name. Empty: Authorization.
	Header string
	// Scheme is the word before the token, in any case. Empty: the header holds
	// the token alone.
	Scheme string
	// Tokens are those that are accepted, at least one.
	Tokens []hearken.Secret
	// ID is where the sender's id of the delivery is. Zero: it sends none.
	ID Part
}

// Validate finds mistakes in the fields.
func (t *Token) Validate() error {
	errs := []error{validateKeys("Tokens", t.Tokens)}
	if t.Header != "" && !isToken(t.Header) {
		errs = append(errs, configError("Header", "%q is no name of a header", t.Header))
	}
	if t.Scheme != "" && !isToken(t.Scheme) {
		errs = append(errs, configError("Scheme", "%q is no authentication scheme, such as \"Bearer\"", t.Scheme))
	}
	errs = append(errs, t.ID.validateID())
	if t.ID.Field != "" {
		errs = append(errs, configError("ID.Field", "is for headers with a list of name=value, and the Header holds the token"))
	}
	return errors.Join(errs...)
}

// Verify accepts a request with one of the tokens.
func (t *Token) Verify(r *http.Request, body []byte) (Verified, error) {
	value := r.Header.Get(t.header())
	if value == "" {
		return Verified{}, fmt.Errorf("%w: no %s header", ErrUnauthorized, t.header())
	}
	if t.Scheme != "" {
		scheme, rest, _ := strings.Cut(value, " ")
		if !strings.EqualFold(scheme, t.Scheme) {
			return Verified{}, fmt.Errorf("%w: header %s has not the scheme %s", ErrUnauthorized, t.header(), t.Scheme)
		}
		value = strings.TrimLeft(rest, " ")
	}
	if !isOneOf(value, t.Tokens) {
		return Verified{}, fmt.Errorf("%w: unknown token", ErrUnauthorized)
	}
	return Verified{ID: t.ID.find(request{r: r, body: body})}, nil
}

// MaskedHeaders returns the header of the token.
func (t *Token) MaskedHeaders() []string { return []string{t.header()} }

// Challenge returns the scheme where the token is in Authorization.
func (t *Token) Challenge() string {
	if !strings.EqualFold(t.header(), authorization) {
		return ""
	}
	return t.Scheme
}

const authorization = "Authorization"

func (t *Token) header() string {
	if t.Header == "" {
		return authorization
	}
	return t.Header
}

// Basic is the Verifier of requests with a user name and password (RFC 7617):
// one of these, at least one. Several of one user are for rotation.
type Basic []Credential

// Credential is a user name and a password. Neither is empty.
type Credential struct {
	User     string
	Password hearken.Secret
}

// Validate finds credentials that are empty or cannot be sent.
func (b Basic) Validate() error {
	if len(b) == 0 {
		return configError("", "lists no Credential: nobody could send")
	}
	var errs []error
	for i, c := range b {
		switch {
		case c.User == "" || strings.Contains(c.User, ":"):
			errs = append(errs, configError(fmt.Sprintf("[%d].User", i), "%q is empty or holds a colon", c.User))
		case c.Password == "":
			errs = append(errs, configError(fmt.Sprintf("[%d].Password", i), "is empty"))
		}
	}
	return errors.Join(errs...)
}

// Verify accepts a request with one of the credentials.
func (b Basic) Verify(r *http.Request, _ []byte) (Verified, error) {
	user, password, ok := r.BasicAuth()
	if !ok {
		return Verified{}, fmt.Errorf("%w: no basic authentication", ErrUnauthorized)
	}
	known := 0
	for _, c := range b {
		if c.User != "" && c.Password != "" {
			known |= equal(user, c.User) & equal(password, string(c.Password))
		}
	}
	if known == 0 {
		return Verified{}, fmt.Errorf("%w: unknown user or password", ErrUnauthorized)
	}
	return Verified{}, nil
}

// Challenge returns the Basic challenge of RFC 7617.
func (b Basic) Challenge() string { return `Basic realm="webhook", charset="UTF-8"` }

// isOneOf compares s with all keys, in a time that does not tell which it
// equals, nor how much of it. An empty key is no key.
func isOneOf(s string, keys []hearken.Secret) bool {
	known := 0
	for _, k := range keys {
		if k != "" {
			known |= equal(s, string(k))
		}
	}
	return known == 1
}

// equal returns 1 if a and b are equal. What is compared are hashes, so that
// the time does not tell the length either.
func equal(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}

// validateKeys returns what is wrong with the keys of a field.
func validateKeys(field string, keys []hearken.Secret) error {
	if len(keys) == 0 {
		return configError(field, "lists no key: nobody could send")
	}
	var errs []error
	for i, k := range keys {
		if k == "" {
			errs = append(errs, configError(fmt.Sprintf("%s[%d]", field, i), "is empty"))
		}
	}
	return errors.Join(errs...)
}

func configError(path, format string, args ...any) error {
	return &hearken.ConfigError{Path: path, Msg: fmt.Sprintf(format, args...)}
}
