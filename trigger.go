package hearken

import (
	"context"
	"fmt"
)

// Trigger acts on a firing. A trigger may also implement
//
//   - AttemptTimeout() time.Duration: how long one attempt may take when
//     Action.Timeout is zero, for a trigger that waits or calls what runs for
//     minutes (zero: one minute; negative: no bound);
//   - MinTimeout() time.Duration: how long one attempt must be allowed to take,
//     for a trigger that waits as long as it was told to: Validate refuses an
//     Action.Timeout that is shorter, what zero means included;
//   - Validator, and Reader, to be asked before anything runs.
//
// A trigger has no end of its own: what it holds beyond Fire, such as idle
// connections, it bounds by time.
type Trigger interface {
	// Fire acts, judges the outcome, and returns nil when it is good. It is
	// called concurrently. ctx ends with the attempt's timeout, and on shutdown
	// when the pipeline's Drain is over.
	//
	// An error is retried as the action's Retry says: RetryAfter asks for a
	// certain wait, Permanent for none. A target that cannot be reached is worth
	// another attempt, and an attempt that was cut short returns ctx's error:
	// neither is Permanent, but for a deadline's that left something behind which
	// may still run and must not run twice. At-least-once delivery means that one
	// firing may be fired again, with the same ID, even after it succeeded: hand
	// f.ID on as the idempotency key of the protocol.
	Fire(ctx context.Context, f Firing) error
}

// TriggerFunc is a function that is a Trigger.
type TriggerFunc func(ctx context.Context, f Firing) error

// Fire calls t.
func (t TriggerFunc) Fire(ctx context.Context, f Firing) error { return t(ctx, f) }

// Firing is one occasion to act.
type Firing struct {
	// ID is the same each time the same events make the same action fire: over
	// retry, redelivery and restart, in any process. It is 32 hexadecimal
	// digits.
	ID string
	// Pipeline, Sensor and Action say what fires.
	Pipeline string
	Sensor   string
	Action   string
	// Attempt counts the attempts of this firing in this process, from 1.
	Attempt int
	// Events are what made the condition hold, by the name of the dependency.
	// They are shared and must not be changed.
	Events map[string]Event
}

// Event returns the event of d. Under Any it may be absent, which is an error,
// never a zero event.
func (f Firing) Event(d *Dependency) (Event, error) {
	if e, ok := f.Events[d.name()]; ok {
		return e, nil
	}
	return Event{}, fmt.Errorf("firing %s has no event of dependency %q", f.ID, d.name())
}

// Payload makes bytes of a firing: a request's body, a message, an object's
// JSON. Package triggers/params builds payloads from paths of events; a payload
// that implements Validator or Reader is asked through its trigger.
type Payload interface {
	// Payload is called concurrently. An error fails the attempt; wrap it in
	// Permanent when another attempt cannot help.
	Payload(f Firing) ([]byte, error)
}

// PayloadFunc is a function that is a Payload.
type PayloadFunc func(f Firing) ([]byte, error)

// Payload calls p.
func (p PayloadFunc) Payload(f Firing) ([]byte, error) { return p(f) }

// Reader is implemented by a trigger, or a part of one, that knows which
// dependencies it reads, so that Validate finds one that is not in the action's
// condition, or may be absent under Any and has no default.
type Reader interface {
	Reads() []Read
}

// Read is one use of a dependency's event.
type Read struct {
	Dependency *Dependency
	// Path says where in the trigger the read stands, such as
	// `Payload["message"]`.
	Path string
	// Optional says that an absent event is provided for.
	Optional bool
}
