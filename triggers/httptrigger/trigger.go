package httptrigger

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/hearken-go/hearken"
)

// Trigger sends a request for each firing. It is used by pointer, and its
// fields must not be changed once it fires. URL or URLFunc is required; all else
// has a useful zero value. An attempt's timeout is the action's.
type Trigger struct {
	// URL is where the request goes, and URLFunc computes it from the firing;
	// one of them is set. The scheme is http or https. Userinfo in the URL is
	// sent as basic authentication. A URLFunc's error fails the attempt, and a
	// URL of another scheme or without a host is a Permanent error.
	URL     string
	URLFunc func(hearken.Firing) (string, error)

	// Method is the request's method. Empty: POST.
	Method string

	// Payload makes the body. Nil: the event in the binary mode of CloudEvents
	// over HTTP, or, when the firing holds several, all of them in the batched
	// mode, in the order of their dependencies' names. With method GET, HEAD or
	// DELETE nil means no body, and no event.
	Payload hearken.Payload

	// ContentType is the type of the body. Empty: application/json for a
	// Payload's, and what the event says for an event's.
	ContentType string

	// Header is sent with each request, Host too. HeaderFunc computes more from
	// the firing, which replace those of the same name; its error fails the
	// attempt, and a header that HTTP does not allow is a Permanent error.
	Header     http.Header
	HeaderFunc func(hearken.Firing) (http.Header, error)

	// IdempotencyHeader is the header that bears the firing's ID, as it is.
	// Empty: Idempotency-Key.
	IdempotencyHeader string

	// BasicAuth and BearerToken are sent in the Authorization header; at most
	// one of them is set. For tokens that change give a Client whose Transport
	// adds them.
	BasicAuth   BasicAuth
	BearerToken hearken.Secret

	// AllowStatus are the statuses that mean success. Empty: 200 to 299.
	AllowStatus []int

	// Check, if set, sees each answer of an allowed status, and its error fails
	// the attempt: for a server that says 200 and means no. It may read the
	// body, up to 1 MiB, beyond which reading fails; r.Request.Context() is the
	// attempt's. It is called concurrently.
	Check func(f hearken.Firing, r *http.Response) error

	// RedirectHosts are other hosts, as "host" or "host:port", that a redirect
	// may lead to. They get the body, its type, and the idempotency header;
	// neither credentials nor Header. Empty: none.
	RedirectHosts []string

	// TLS configures the connections, for a client certificate or a private
	// authority. Nil: the defaults of crypto/tls. It cannot be combined with
	// Client.
	TLS *tls.Config

	// Client sends the requests. Its CheckRedirect is asked too, after the rule
	// of this package. Nil: a client of the trigger's own, with the proxy of the
	// environment, timeouts for what goes before a request, and room for 1,024
	// idle connections to a host.
	Client *http.Client

	once   sync.Once
	client *http.Client
	// closable says that closing an answer's body ends a Read of it that waits,
	// as net/http's own do. Other transports need a context that is cancelled,
	// which costs each request five allocations.
	closable bool

	parseOnce sync.Once
	target    *url.URL // what URL says
	targetErr error
}

// BasicAuth is a user name, without a colon, and a password for HTTP's basic
// authentication (RFC 7617). The zero value is none.
type BasicAuth struct {
	Username string
	Password hearken.Secret
}

func (b BasicAuth) isSet() bool { return b != BasicAuth{} }

// Fire sends the request and judges the answer. An answer with a status that is
// not allowed is a *StatusError.
func (t *Trigger) Fire(ctx context.Context, f hearken.Firing) error {
	client := t.httpClient()
	reqCtx, cancel := ctx, context.CancelFunc(nil)
	if !t.closable {
		reqCtx, cancel = context.WithCancel(ctx)
		defer cancel()
	}
	req, err := t.request(reqCtx, f)
	if err != nil {
		return err
	}
	resp, err := t.send(client, req)
	if err != nil {
		return failure(ctx, req, err)
	}
	defer func() { _ = resp.Body.Close() }()
	a := answer{Response: resp, cancel: cancel}
	defer a.drain()
	if err := t.judge(f, req, &a); err != nil {
		return ended(ctx, err)
	}
	return nil
}

// CloseIdleConnections closes the connections that are kept for later firings.
// Use it when the trigger is given up while the process lives on; otherwise they
// end by themselves after 90 seconds.
func (t *Trigger) CloseIdleConnections() { t.httpClient().CloseIdleConnections() }

// failure says what went wrong with a request that got no answer, without the
// URL that net/http puts in its errors.
func failure(ctx context.Context, req *http.Request, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if isBadLocation(err) {
		return hearken.Permanent(fmt.Errorf("%s %s: a redirect to what is no URL", req.Method, redacted(req.URL)))
	}
	return ended(ctx, fmt.Errorf("%s %s: %w", req.Method, redacted(req.URL), err))
}

// isBadLocation reports whether err is that of an answer which net/http's client
// could not follow. It has no type, and shows the Location with its query.
func isBadLocation(err error) bool {
	return strings.HasPrefix(err.Error(), "failed to parse Location header")
}

// ended makes sure that the error of an attempt whose context has ended says
// so: net/http may report the context's cause instead, or a broken connection.
func ended(ctx context.Context, err error) error {
	if end := ctx.Err(); end != nil && !errors.Is(err, end) {
		return fmt.Errorf("%w: %w", end, err)
	}
	return err
}
