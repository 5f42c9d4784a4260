package sourcetest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
)

// Harness says how to make the source to be proved, and what it promises beyond
// the contract.
type Harness struct {
	// New makes a source and an upstream of its own for one case. It may end
	// the test with t.Fatal and clean up with t.Cleanup. Required.
	New func(t testing.TB) Upstream

	// Anonymous says that upstream gives its happenings no identity, so that
	// the source cannot: ids may be empty. Otherwise they may not.
	Anonymous bool

	// Concurrent says that one happening does not wait for another's Emit.
	Concurrent bool

	// Bubble runs each case, New included, in a testing/synctest bubble, where
	// waiting takes no time, for a source and upstream that use no network.
	Bubble bool

	// Wait is how long the kit waits for what must come. Zero: 30 seconds.
	Wait time.Duration
	// Quiet is how long nothing must come to prove that nothing comes.
	// Zero: 200 milliseconds.
	Quiet time.Duration
}

// Upstream is a source and what is behind it: where things happen, and where
// it is known which of them are done with. Its functions may be called
// concurrently.
type Upstream struct {
	// Source is the source. The kit calls its Run, also again after it ended.
	Source hearken.Source

	// Produce makes happening n happen. It does not wait until upstream has
	// been told of the outcome. Each n is produced once.
	Produce func(ctx context.Context, n int) error

	// Resend makes happening n come again, whose Outcome is Later, when upstream
	// has to do so: as an HTTP client repeats its request. Nil: it comes again
	// without further ado.
	Resend func(ctx context.Context, n int) error

	// Outcome returns what upstream has last been told of happening n. Nil:
	// upstream is told nothing, as a clock is, and cases about it prove only
	// what is emitted.
	Outcome func(n int) Outcome

	// Store is passed to the source in Output. Nil: it must do without.
	Store bus.Store

	// CloseIdle closes what the source's clients keep open for later, such as
	// idle connections, before the kit looks for goroutines. Nil: nothing.
	CloseIdle func()
}

// Outcome is what upstream knows of a happening.
type Outcome int

// The outcomes.
const (
	Pending Outcome = iota // nothing yet
	Later                  // not taken now: it has to come again
	Refused                // never taken: it need not come again
	Settled                // stored: it need not come again
)

// String returns the outcome's name in lower case.
func (o Outcome) String() string {
	switch o {
	case Pending:
		return "pending"
	case Later:
		return "later"
	case Refused:
		return "refused"
	case Settled:
		return "settled"
	default:
		return "unknown"
	}
}

// Run proves that the sources that h makes keep the contract, one subtest for
// each case. When one fails, the sentence that it proves is printed.
func Run(t *testing.T, h Harness) {
	t.Helper()
	if h.New == nil {
		t.Fatal("sourcetest: Harness.New is nil: the kit cannot make a source")
	}
	for _, c := range h.cases() {
		t.Run(c.name, func(t *testing.T) {
			h.within(t, func(t *testing.T) {
				if err := h.prove(t, c); err != nil {
					t.Errorf("%v\nThe contract: %s", err, c.clause)
				}
			})
		})
	}
}

// within calls f, in a bubble where wanted.
func (h Harness) within(t *testing.T, f func(t *testing.T)) {
	if h.Bubble {
		synctest.Test(t, f)
		return
	}
	f(t)
}
