package httptrigger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hearken-go/hearken"
)

const (
	// maxAnswer is how much of a body is read: to hand it to Check, or to reach
	// its end, without which the connection cannot be used again.
	maxAnswer = 1 << 20
	// drainTime is how long that may take when nobody waits for the body.
	drainTime = time.Second
	// maxQuoted is how much of a body an error text shows.
	maxQuoted = 512
)

// StatusError is an answer with a status that is not allowed.
type StatusError struct {
	// Method and URL are the request's, the URL without userinfo and query.
	Method, URL string
	// StatusCode is the answer's status.
	StatusCode int
	// RedirectTo is the scheme and host of a redirect that was not followed.
	RedirectTo string
	// Body is the beginning of the answer's body. *** stands for what the server
	// echoed of the credentials, the query, and the headers that may hold secrets.
	Body string
}

// Error holds all that is known of the answer.
func (e *StatusError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %d", e.Method, e.URL, e.StatusCode)
	if text := http.StatusText(e.StatusCode); text != "" {
		b.WriteString(" " + text)
	}
	if e.RedirectTo != "" {
		b.WriteString(", redirect to " + e.RedirectTo + " not followed")
	}
	if e.Body != "" {
		fmt.Fprintf(&b, ": %q", e.Body)
	}
	return b.String()
}

// answer is a response whose body is read within bounds.
type answer struct {
	*http.Response
	cancel context.CancelFunc // of the request; nil: closing the body is enough
}

// giveUp returns what ends a Read of the body that waits.
func (a *answer) giveUp() func() {
	if a.cancel != nil {
		return a.cancel
	}
	body := a.Body
	return func() { _ = body.Close() }
}

func (t *Trigger) judge(f hearken.Firing, req *http.Request, a *answer) error {
	if !t.allows(a.StatusCode) {
		return t.refusal(req, a)
	}
	if t.Check == nil {
		return nil
	}
	whole := a.Body
	a.Body = struct {
		io.Reader
		io.Closer
	}{&bounded{whole, maxAnswer}, whole}
	err := t.Check(f, a.Response)
	a.Body = whole
	if err != nil {
		return fmt.Errorf("%s %s: %w", req.Method, redacted(req.URL), err)
	}
	return nil
}

func (t *Trigger) allows(status int) bool {
	if len(t.AllowStatus) == 0 {
		return status/100 == 2
	}
	return slices.Contains(t.AllowStatus, status)
}

// refusal is the error of an answer whose status is not allowed.
func (t *Trigger) refusal(req *http.Request, a *answer) error {
	err := error(&StatusError{
		Method:     req.Method,
		URL:        redacted(req.URL),
		StatusCode: a.StatusCode,
		RedirectTo: redirectTo(a.Response),
		Body:       quoted(req, a.beginning()),
	})
	wait, asked := retryAfter(a.Header, time.Now())
	switch {
	case isPermanent(a.StatusCode, asked):
		return hearken.Permanent(err)
	case asked:
		return hearken.RetryAfter(err, wait)
	}
	return err
}

// isPermanent reports whether another attempt would meet the same answer. A
// Retry-After says that it would not: RFC 9110, 15.5.14, has it so for 413.
func isPermanent(status int, retryAfter bool) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	switch status / 100 {
	case 3:
		return true
	case 4:
		return !retryAfter
	}
	return false
}

func redirectTo(r *http.Response) string {
	if r.StatusCode/100 != 3 {
		return ""
	}
	to, err := r.Location()
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: to.Scheme, Host: to.Host}).String()
}

// beginning returns the first bytes of the body that come in time.
func (a *answer) beginning() string {
	timer := time.AfterFunc(drainTime, a.giveUp())
	defer timer.Stop()
	// More than is shown, since cutting out credentials makes it shorter. An
	// error ends what there is to show.
	text, _ := io.ReadAll(io.LimitReader(a.Body, 4*maxQuoted))
	return string(text)
}

// drain reads the rest of the body, so that the connection can be used again,
// as long as that is worth while.
func (a *answer) drain() {
	if a.Body == http.NoBody {
		return
	}
	timer := time.AfterFunc(drainTime, a.giveUp())
	defer timer.Stop()
	// What comes after the verdict cannot change it; a body that is broken or
	// too long only costs the connection.
	_, _ = io.Copy(io.Discard, io.LimitReader(a.Body, maxAnswer))
}

// quoted is a server's text as an error may show it: a server may echo the
// credentials that it was sent.
func quoted(req *http.Request, text string) string {
	for _, secret := range credentials(req) {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
			text = withoutBegin(text, secret)
		}
	}
	return strings.ToValidUTF8(text[:min(len(text), maxQuoted)], "")
}

// withoutBegin takes the beginning of a secret off the end of a text, which is
// where a body may have been cut.
func withoutBegin(text, secret string) string {
	for n := min(len(text), len(secret)-1); n >= minSecret; n-- {
		if begin, found := strings.CutSuffix(text, secret[:n]); found {
			return begin + "***"
		}
	}
	return text
}

// minSecret is the length from which a value that may be a secret is taken for
// one. What is shorter may be any word of the text.
const minSecret = 8

// credentials returns what a request bears that an error must not show: what its
// Authorization holds, in each form, its query, and the application's headers.
func credentials(req *http.Request) []string {
	_, sent, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	_, password, _ := req.BasicAuth()
	all := appendSecrets([]string{sent, password}, req.URL.RawQuery)
	for _, pair := range strings.Split(req.URL.RawQuery, "&") {
		_, raw, _ := strings.Cut(pair, "=")
		plain, _ := url.QueryUnescape(raw)
		all = appendSecrets(all, raw, plain)
	}
	for name, values := range req.Header {
		if mayBeSecret(name) {
			all = appendSecrets(all, values...)
		}
	}
	return all
}

func appendSecrets(all []string, values ...string) []string {
	for _, v := range values {
		if len(v) >= minSecret {
			all = append(all, v)
		}
	}
	return all
}

// mayBeSecret reports whether a header may bear a secret. Those of the message
// and of the event do not, and are what a server complains of.
func mayBeSecret(name string) bool {
	switch name {
	case "Host", "User-Agent", "Traceparent", "Tracestate", defaultIdempotencyHeader:
		return false
	}
	return !strings.HasPrefix(name, "Ce-") && !strings.HasPrefix(name, "Content-") && !strings.HasPrefix(name, "Accept")
}

var errLongAnswer = errors.New("the answer is longer than 1 MiB")

// bounded is a reader that fails beyond left bytes: a cut answer must not be
// taken for a whole one.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if int64(n) > b.left {
		n = int(b.left)
		b.left = 0
		return n, errLongAnswer
	}
	b.left -= int64(n)
	return n, err
}
