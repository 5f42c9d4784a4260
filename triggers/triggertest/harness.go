package triggertest

import (
	"cmp"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
)

// Harness is what the kit needs to know of a kind of trigger. New is required.
type Harness struct {
	// New returns a new trigger and its target, and leaves it to tb.Cleanup to
	// take both down. It is called once for each case.
	New func(tb testing.TB) Target

	// Event is what the firings hold, with ids of the kit's own. Zero: an event
	// with the data {"message":"hello"}.
	Event hearken.Event

	// Needs is the dependency whose event New's trigger cannot do without: the
	// kit's firings hold Event by its name, and a firing without it must fail
	// and have no effect. Nil: the trigger takes whatever events there are.
	Needs *hearken.Dependency

	// Broken are triggers with one mistake each, by the Path of the ConfigError
	// that names it. New's trigger must be a Validator if there are any.
	Broken map[string]hearken.Trigger

	// Soon is within what time Fire must return once its context has ended, and
	// what it started must be gone. Zero: 5 s.
	Soon time.Duration
}

// Target is a trigger and what it acts on: a server, a fake or a real one, that
// is this trigger's alone. All fields but Close are required.
type Target struct {
	Trigger hearken.Trigger

	// Keys returns the idempotency keys of the firings that arrived, in any
	// order, repeated ones too: whatever carries Firing.ID in the protocol,
	// brought back to the ID. It is called concurrently with firings.
	Keys func() []string

	// Refuse makes the target turn down every firing, in a way that passes (a
	// 503, a throttle), until mend is called.
	Refuse func() (mend func())

	// Hang makes the target silent until the end of the test: it takes a
	// firing, sends on reached, and does not answer. At its end the target must
	// not wait for the trigger.
	Hang func() (reached <-chan struct{})

	// Away makes the target unreachable until the end of the test.
	Away func()

	// Close ends what the trigger keeps between firings, such as idle
	// connections. Nil: it keeps nothing.
	Close func()
}

func (h Harness) soon() time.Duration { return cmp.Or(h.Soon, 5*time.Second) }

// missing names a required field that is not set.
func (t Target) missing() string {
	switch {
	case t.Trigger == nil:
		return "Trigger"
	case t.Keys == nil:
		return "Keys"
	case t.Refuse == nil:
		return "Refuse"
	case t.Hang == nil:
		return "Hang"
	case t.Away == nil:
		return "Away"
	}
	return ""
}
