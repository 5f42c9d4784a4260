package bustest_test

import (
	"testing"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/bustest"
	"github.com/hearken-go/hearken/bus/memory"
)

// A bus in the process runs in a bubble, where waiting takes no time.
func ExampleRun() {
	TestBus := func(t *testing.T) {
		bustest.Run(t, bustest.Harness{
			Open: func(testing.TB) bus.Bus { return new(memory.Bus) },
			Small: func(_ testing.TB, events int) bus.Bus {
				return &memory.Bus{MaxEvents: events, MaxDeadLetters: events}
			},
			DedupeWindow: 2 * time.Minute,
			Bubble:       true,
		})
	}
	_ = TestBus
}

func ExampleRunStore() {
	TestStore := func(t *testing.T) {
		bustest.RunStore(t, bustest.StoreHarness{
			Open:     func(testing.TB) bus.Store { return new(memory.Store) },
			TooLarge: 1<<20 + 1,
		})
	}
	_ = TestStore
}
