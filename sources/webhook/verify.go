package webhook

import (
	"errors"
	"net/http"
)

// Verifier decides whether a request comes from who may send it. A Verifier may
// also implement
//
//   - MaskedHeaders() []string: the headers that it reads secrets or signatures
//     from, to be masked in events;
//   - Challenge() string: the WWW-Authenticate of a 401;
//   - hearken.Validator, to be asked before anything runs.
type Verifier interface {
	// Verify is called concurrently, with the body as it came. It compares
	// secrets in constant time, and neither keeps nor changes r or body.
	//
	// An error that Is ErrUnauthorized is answered 401, and its text goes to
	// the log; any other error means that nobody can tell now, as when a key
	// server is away, and is answered 503.
	Verify(r *http.Request, body []byte) (Verified, error)
}

// ErrUnauthorized is what a Verifier returns, wrapped with the reason, of a
// request that does not come from who may send it.
var ErrUnauthorized = errors.New("unauthorized")

// Verified is what a Verifier has learnt of a request that it accepts. The zero
// value says that there is nothing to know.
type Verified struct {
	// ID is the sender's own id of the delivery, the same when it is sent
	// again. It becomes the event's id, so that the bus drops what comes twice.
	// A CloudEvent keeps the id that it has. Empty: the pipeline makes one up.
	ID string

	// Ping says that the sender only asks whether the webhook is there: the
	// request is answered with success, and makes no event.
	Ping bool

	// Answer is what a ping is answered, as text/plain. Empty: Source.Body.
	Answer string
}

// AllowUnauthenticated is the Verifier that accepts every request, whoever has
// sent it: for a webhook that nobody else can reach, or behind something that
// authenticates.
const AllowUnauthenticated unauthenticated = true

type unauthenticated bool

// Verify accepts.
func (unauthenticated) Verify(*http.Request, []byte) (Verified, error) { return Verified{}, nil }
