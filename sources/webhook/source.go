package webhook

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/hearken-go/hearken"
)

// DefaultMaxBody is Source.MaxBody where that is zero: 1 MiB.
const DefaultMaxBody = 1 << 20

// Source is a webhook: it emits an event for each request that it is served.
// Fill in the fields before it is used and do not change them afterwards. One
// Source belongs to one event source of one pipeline.
//
// It may be mounted before Run and stay so over restarts: while Run does not
// run it answers 503.
type Source struct {
	// Verify decides who may send: Bearer, Basic, GitHub, any HMAC, or a
	// Verifier of one's own. Required: AllowUnauthenticated says that anybody
	// may.
	Verify Verifier

	// Methods are the request methods that make events. Nil: POST.
	Methods []string

	// MaxBody is how many bytes a body may have. Larger ones are answered 413
	// and not read to their end. Zero: DefaultMaxBody.
	MaxBody int64

	// Metadata is added to the data of each event. Empty: the data has none.
	// CloudEvents are passed on without it.
	Metadata map[string]string

	// Mask names headers whose values are secrets, and so do not appear in
	// events. Always masked are Authorization, Proxy-Authorization, Cookie, and
	// the headers that Verify reads its secrets from.
	Mask []string

	// Status is the answer to a request whose event was stored. Zero: 200.
	Status int

	// Body is what that answer says, as text/plain. Empty: "success", or
	// nothing where Status is 204 or 205, which have no body.
	Body string

	running atomic.Pointer[intake]
}

// Validate finds mistakes in the fields, and in a Verify that is a
// hearken.Validator.
func (s *Source) Validate() error {
	var m hearken.Mistakes
	if s.Methods != nil && len(s.Methods) == 0 {
		m.Add("Methods", "lists no method; nil means POST")
	}
	for i, method := range s.Methods {
		if !isToken(method) || method != strings.ToUpper(method) {
			m.Add(fmt.Sprintf("Methods[%d]", i), "%q is no request method, such as %q", method, http.MethodPost)
		}
	}
	if s.MaxBody < 0 {
		m.Add("MaxBody", "%d is negative; zero means %d bytes", s.MaxBody, DefaultMaxBody)
	}
	for i, h := range s.Mask {
		if !isToken(h) {
			m.Add(fmt.Sprintf("Mask[%d]", i), "%q is no name of a header", h)
		}
	}
	if s.Status != 0 && (s.Status < 200 || s.Status > 299) {
		m.Add("Status", "%d does not say success; use 200 to 299", s.Status)
	}
	if s.Body != "" && bodyless(s.Status) {
		m.Add("Body", "an answer with status %d has no body", s.Status)
	}
	if s.Verify == nil {
		m.Add("Verify", "says not who may send; webhook.AllowUnauthenticated lets anybody")
	}
	m.Ask("Verify", s.Verify)
	return m.Err()
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2: a method or
// the name of a header.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		return !alphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
}

// bodyless reports whether RFC 9110 forbids an answer with this status a body.
func bodyless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusResetContent
}

// Run lets requests in until ctx ends. A request whose event is on its way then
// is still answered when Emit returns; Run does not wait for it. A mistake that
// Validate finds, and a Source that already runs elsewhere, is a Permanent
// error.
func (s *Source) Run(ctx context.Context, out hearken.Output) error {
	if err := s.Validate(); err != nil {
		return hearken.Permanent(err)
	}
	if !s.running.CompareAndSwap(nil, s.intake(out)) {
		return hearken.Permanent(fmt.Errorf("webhook: the Source of %s runs already, for another event source: give each its own", out.Topic))
	}
	defer s.running.Store(nil)
	<-ctx.Done()
	return nil
}

// ServeHTTP emits the event of r and answers when it is stored.
func (s *Source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in := s.running.Load()
	if in == nil {
		write(w, unavailable("the webhook is not running"))
		return
	}
	answer, err := in.take(r)
	if err != nil {
		in.refuse(w, r, err)
		return
	}
	in.succeed(w, answer)
}

// intake returns what Run lets requests in with.
func (s *Source) intake(out hearken.Output) *intake {
	in := &intake{
		out:     out,
		verify:  s.Verify,
		methods: s.Methods,
		maxBody: cmp.Or(s.MaxBody, DefaultMaxBody),
		status:  cmp.Or(s.Status, http.StatusOK),
		body:    cmp.Or(s.Body, "success"),
		shape:   newShape(s),
	}
	in.bare = in.status == http.StatusOK && http.DetectContentType([]byte(in.body)) == plainText
	if in.methods == nil {
		in.methods = []string{http.MethodPost}
	}
	in.allow = strings.Join(in.methods, ", ")
	if !slices.Contains(in.methods, http.MethodOptions) {
		in.allow += ", " + http.MethodOptions
	}
	if c, ok := s.Verify.(interface{ Challenge() string }); ok {
		in.challenge = c.Challenge()
	}
	return in
}
