package snssource

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
)

// refusal is an answer other than success.
type refusal struct {
	status int
	reason string // told to the sender
	cause  error  // told to the log
	failed bool   // what failed is on our side, and not just room
	hangUp bool   // the rest of the request is not worth waiting for
}

func (r *refusal) Error() string {
	if r.cause == nil {
		return r.reason
	}
	return r.reason + ": " + r.cause.Error()
}

// malformed refuses what SNS does not send.
func malformed(format string, args ...any) error {
	return &refusal{status: http.StatusBadRequest, reason: fmt.Sprintf(format, args...)}
}

// unauthorized refuses what does not come from SNS, from another topic or too
// late. The sender is not told why.
func unauthorized(format string, args ...any) error {
	return &refusal{status: http.StatusUnauthorized, reason: "unauthorized", cause: fmt.Errorf(format, args...)}
}

// later asks SNS to send again, because of what failed here.
func later(reason string, cause error) error {
	return &refusal{status: http.StatusServiceUnavailable, reason: reason, cause: cause, failed: true}
}

// refusalOf returns the answer for err: a refusal, or an error of Emit.
func refusalOf(err error) *refusal {
	no := &refusal{status: http.StatusServiceUnavailable, cause: err}
	switch {
	case errors.As(err, &no):
	case errors.Is(err, bus.ErrRejected):
		no.status, no.reason = http.StatusRequestEntityTooLarge, "too large for the bus"
	case hearken.IsPermanent(err):
		no.status, no.reason, no.cause = http.StatusUnprocessableEntity, err.Error(), nil
	case errors.Is(err, bus.ErrFull):
		no.reason = "there is no room for the event now"
	case errors.Is(err, hearken.ErrNotRunning):
		no.reason = "the pipeline is not running"
	default:
		no.reason, no.failed = "the event could not be stored", true
	}
	return no
}

// retryAfter is how many seconds a 503 asks the sender to wait.
const retryAfter = "5"

// write answers with no.
func write(w http.ResponseWriter, no *refusal) {
	switch no.status {
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	}
	if no.hangUp {
		w.Header().Set("Connection", "close")
	}
	http.Error(w, no.reason, no.status)
}
