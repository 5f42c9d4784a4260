// Package bustest proves that a bus, or a store, keeps the contract of package
// bus. Each clause of the contract is a named case; when one fails, the
// sentence that it proves is printed.
//
// A bus is proved in one test:
//
//	func TestBus(t *testing.T) {
//		bustest.Run(t, bustest.Harness{
//			Open:  func(t testing.TB) bus.Bus { ... }, // fresh, closed by t.Cleanup
//			Small: func(t testing.TB, events int) bus.Bus { ... },
//		})
//	}
//
// and a store that is not part of a bus with [RunStore]. The fields of
// [Harness] are what can be done to the bus: connect to it again, kill a
// process, lose what it answers. Each field left nil or zero leaves out the
// cases that need it, which are then not run at all rather than skipped; what a
// bus does not promise is named in Harness.Lacks. To prove two ways of dying,
// such as an orderly restart and a killed process, Run runs twice with
// different hooks.
//
// The kit never takes silence for proof sooner than Harness.Quiet, and never
// takes slowness for failure sooner than Harness.Wait. It imports nothing but
// the standard library, the CloudEvents SDK and package bus.
package bustest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken/bus"
)

// Feature is a promise of the contract that a bus may leave out.
type Feature uint

// The optional promises. A bus keeps all that Harness.Lacks does not name.
const (
	Groups            Feature = 1 << iota // implements bus.Groups
	Store                                 // implements bus.Storer
	DeadLetterCounter                     // implements bus.DeadLetterCounter
	Dedupe                                // drops what is published twice
)

// Harness says how to make the bus to be proved and what can be done to it.
// Its hooks may end the test with t.Fatal and clean up with t.Cleanup.
type Harness struct {
	// Open makes a fresh bus, on which nothing is stored, with room for a few
	// thousand events. It is required.
	Open func(t testing.TB) bus.Bus

	// Small makes a fresh bus with room for about that many events of a hundred
	// bytes, and as many dead letters. Nil: the bus has no such limit.
	Small func(t testing.TB, events int) bus.Bus

	// Connect returns another connection to what b is connected to: the bus as
	// another process sees it. Nil: all members use the same Bus value.
	Connect func(t testing.TB, b bus.Bus) bus.Bus

	// Kill makes the process that uses connection b die: its subscriptions fall
	// silent without being closed. The kit uses b only for this and no longer
	// afterwards. It needs Connect.
	Kill func(t testing.TB, b bus.Bus)

	// Crash kills what keeps the events, without warning, or ends it in order,
	// and starts it again. It returns the bus as found afterwards; b and what
	// was subscribed through it are not used again. Nil: nothing survives.
	Crash func(t testing.TB, b bus.Bus) bus.Bus

	// Outage takes the server of b away, calls during, and brings it back with
	// all it held. b and its subscriptions are used during that and after.
	Outage func(t testing.TB, b bus.Bus, during func())

	// LoseAcks, with lose, makes what Ack and Retry send to the bus be lost on
	// the way, until called again without it. Ack may then fail or not.
	LoseAcks func(t testing.TB, b bus.Bus, lose bool)

	// LoseAnswers, with lose, lets what b asks for take effect and makes the
	// answer be lost on the way, until called again without it.
	LoseAnswers func(t testing.TB, b bus.Bus, lose bool)

	// TooLarge is a size of an event's data that the bus refuses for ever.
	// Zero: it takes any size.
	TooLarge int
	// TooLargeValue is a size of a value that the bus's store refuses for ever.
	// Zero: it takes any size.
	TooLargeValue int

	// DedupeWindow is how long the bus remembers what was published, for a bus
	// on which that is short enough to be waited for. Zero: it is not.
	DedupeWindow time.Duration
	// Hold is how long a delivery is held to prove that it is not given to
	// another member: at least three times what the bus waits for a sign of
	// life from a silent member. Zero: 9 seconds.
	Hold time.Duration
	// Quiet is how long nothing must come to prove that nothing comes.
	// Zero: 200 milliseconds.
	Quiet time.Duration
	// Wait is how long the kit waits for what must come. Zero: 30 seconds.
	Wait time.Duration

	// Bubble runs each case in a testing/synctest bubble, where waiting takes
	// no time, for a bus that lives within the process.
	Bubble bool
	// Parallel runs the cases at the same time.
	Parallel bool

	// Lacks are the optional promises that the bus does not make.
	Lacks Feature
}

// Run proves that the buses that h makes keep the contract, one subtest for
// each case. Their stores are proved too, as by RunStore.
func Run(t *testing.T, h Harness) {
	t.Helper()
	if h.Open == nil {
		t.Fatal("bustest: Harness.Open is nil: the kit cannot make a bus")
	}
	if h.Kill != nil && h.Connect == nil {
		t.Fatal("bustest: Harness.Kill needs Connect, for a process to be killed")
	}
	run(t, h.cases(), h.Bubble, h.Parallel)
}

// StoreHarness says how to make the store to be proved and what can be done
// to it. Its fields are as those of Harness.
type StoreHarness struct {
	// Open makes a fresh, empty store. It is required.
	Open func(t testing.TB) bus.Store
	// Connect returns the store as another process sees it. Nil: as this one.
	Connect func(t testing.TB, s bus.Store) bus.Store
	// Crash kills what keeps the values, without warning, and returns the store
	// as found afterwards; s is not used again. Nil: nothing survives.
	Crash func(t testing.TB, s bus.Store) bus.Store
	// LoseAnswers lets what s asks for take effect and makes the answer be
	// lost, while lose.
	LoseAnswers func(t testing.TB, s bus.Store, lose bool)
	// TooLarge is a size of a value that the store refuses for ever. Zero: it
	// takes any size.
	TooLarge int
	// Wait is how long the kit waits for an answer. Zero: 30 seconds.
	Wait time.Duration
	// Bubble runs each case in a testing/synctest bubble.
	Bubble bool
	// Parallel runs the cases at the same time.
	Parallel bool
}

// RunStore proves that the stores that h makes keep the contract of bus.Store,
// one subtest for each case.
func RunStore(t *testing.T, h StoreHarness) {
	t.Helper()
	if h.Open == nil {
		t.Fatal("bustest: StoreHarness.Open is nil: the kit cannot make a store")
	}
	run(t, h.cases(), h.Bubble, h.Parallel)
}

// testCase is one clause of the contract and its proof, bound to a harness.
type testCase struct {
	name   string
	clause string // quoted from package bus
	check  func(t testing.TB) error
}

func run(t *testing.T, cases []testCase, bubble, parallel bool) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if parallel {
				t.Parallel()
			}
			within(t, bubble, func(t *testing.T) {
				if err := c.check(t); err != nil {
					t.Errorf("%v\nThe contract: %s", err, c.clause)
				}
			})
		})
	}
}

// within calls f, in a bubble where wanted.
func within(t *testing.T, bubble bool, f func(t *testing.T)) {
	if bubble {
		synctest.Test(t, f)
		return
	}
	f(t)
}
