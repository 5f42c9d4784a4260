package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

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

func (r *refusal) Unwrap() error { return r.cause }

func refuse(status int, format string, args ...any) *refusal {
	return &refusal{status: status, reason: fmt.Sprintf(format, args...)}
}

// malformed refuses what the sender must mend.
func malformed(format string, args ...any) *refusal {
	return refuse(http.StatusBadRequest, format, args...)
}

func unavailable(reason string) *refusal {
	return &refusal{status: http.StatusServiceUnavailable, reason: reason}
}

// refusalOf returns the answer for err: a refusal, or an error of Emit.
func refusalOf(err error) *refusal {
	var no *refusal
	switch {
	case errors.As(err, &no):
		return no
	case isFinal(err):
		return final(err, "")
	case errors.Is(err, bus.ErrFull):
		no = unavailable("there is no room for the event now")
	case errors.Is(err, hearken.ErrNotRunning):
		no = unavailable("the pipeline is not running")
	default:
		no = unavailable("the event could not be stored")
		no.failed = !isGone(err)
	}
	no.cause = err
	return no
}

// final returns the answer for an event that will never be taken.
func final(err error, which string) *refusal {
	if errors.Is(err, bus.ErrRejected) {
		return &refusal{status: http.StatusRequestEntityTooLarge, reason: which + "too large for the bus", cause: err}
	}
	return refuse(http.StatusUnprocessableEntity, "%s%v", which, err)
}

// retryAfter is how many seconds a 503 asks the sender to wait.
const retryAfter = "5"

// write answers with no.
func write(w http.ResponseWriter, no *refusal) {
	if no.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	if no.hangUp {
		w.Header().Set("Connection", "close")
	}
	if no.status == http.StatusNoContent {
		w.WriteHeader(no.status)
		return
	}
	http.Error(w, no.reason, no.status)
}

// nth names place i of a list, counted from 1.
func nth(i int) string { return strconv.Itoa(i + 1) }
