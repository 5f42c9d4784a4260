package memory_test

import (
	"testing"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/bustest"
	"github.com/hearken-go/hearken/bus/memory"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func harness() bustest.Harness {
	return bustest.Harness{
		Open: func(testing.TB) bus.Bus { return &memory.Bus{MaxBytes: 1 << 20} },
		Small: func(_ testing.TB, events int) bus.Bus {
			return &memory.Bus{MaxEvents: events, MaxDeadLetters: events}
		},
		TooLarge:      1 << 20,
		TooLargeValue: 1<<20 + 1,
		DedupeWindow:  2 * time.Minute,
	}
}

func TestBus(t *testing.T) {
	h := harness()
	h.Bubble = true
	bustest.Run(t, h)
}

// TestBusInRealTime meets the interleavings that a bubble has not.
func TestBusInRealTime(t *testing.T) {
	h := harness()
	h.Parallel = true
	h.DedupeWindow = 0
	h.Hold, h.Quiet = time.Second, 50*time.Millisecond
	bustest.Run(t, h)
}

func TestStore(t *testing.T) {
	bustest.RunStore(t, bustest.StoreHarness{
		Open:     func(testing.TB) bus.Store { return &memory.Store{MaxValue: 1000} },
		TooLarge: 1001,
	})
}
