package hearken

import (
	"errors"
	"time"
)

var (
	// ErrDrain is returned by Run when firings or emits were still under way at
	// the end of Drain; the text names them. What they held was handed back to
	// the bus and will be delivered again.
	ErrDrain = errors.New("hearken: not drained in time")
	// ErrNotRunning is returned by Emit before Run has subscribed the sensors,
	// when an event might be lost, and after Run has ended.
	ErrNotRunning = errors.New("hearken: pipeline is not running")
)

// ConfigError is a mistake in how a pipeline is put together.
type ConfigError struct {
	// Path is where, as Go code would say it:
	// `Sensors["deploy"].Actions["notify"].When`. A part's own Validate says it
	// relative to the part, and the pipeline adds what comes before.
	Path string
	// Msg is what is wrong and what would do.
	Msg string
}

func (e *ConfigError) Error() string {
	if e.Path == "" {
		return e.Msg
	}
	return e.Path + ": " + e.Msg
}

// Validator is implemented by a part of a pipeline (source, filter, trigger,
// bus, store) that can find mistakes before anything runs. Validate has no
// effects and touches no network. Its errors, joined by errors.Join when there
// are several, are reported with the part's place; a *ConfigError adds a place
// within the part.
type Validator interface {
	Validate() error
}

// Permanent marks err as one that another attempt cannot mend: a trigger's
// firing becomes a dead letter at once, a source's end ends the pipeline's Run.
// It returns nil for nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent reports whether err, or one that it wraps, was marked by
// Permanent.
func IsPermanent(err error) bool {
	var p *permanentError
	return errors.As(err, &p)
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// RetryAfter marks err, from a trigger or a source, with how long to wait at
// least before the next attempt, such as the Retry-After of an HTTP answer. A
// wait that goes beyond the action's Retry ends the attempts at once. It returns
// nil for nil.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &retryAfterError{err, d}
}

type retryAfterError struct {
	err   error
	after time.Duration
}

func (e *retryAfterError) Error() string { return e.err.Error() }
func (e *retryAfterError) Unwrap() error { return e.err }

// retryAfter returns the wait that err asks for, or zero.
func retryAfter(err error) time.Duration {
	var r *retryAfterError
	if errors.As(err, &r) {
		return max(r.after, 0)
	}
	return 0
}
