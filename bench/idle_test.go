package bench

import (
	"strconv"
	"testing"
)

// weighed is how many idle actions and sensors are weighed together.
const (
	weighedActions = 2_000
	weighedSensors = 100
)

// BenchmarkIdleMemory is row 19: what a process holds in memory once it has
// handled some events and collected its garbage. The limits are the programs
// written by hand.
func BenchmarkIdleMemory(b *testing.B) {
	for b.Loop() {
		bare, raw := weigh(b, direct), weigh(b, inProcess)
		memory, stored := weigh(b, memoryBus), weigh(b, durable)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(memory/megabyte, "memory-MB")
		b.ReportMetric(bare/megabyte, "limit-memory-MB")
		b.ReportMetric(stored/megabyte, "durable-MB")
		b.ReportMetric(raw/megabyte, "limit-durable-MB")
		actions := weigh(b, memoryBus, "-actions", strconv.Itoa(weighedActions)) - memory
		b.ReportMetric(actions/weighedActions/kilobyte, "KB/action")
		sensors := weigh(b, memoryBus, "-sensors", strconv.Itoa(weighedSensors)) - memory
		b.ReportMetric(sensors/weighedSensors/kilobyte, "KB/sensor")
	}
}

const (
	kilobyte = 1 << 10
	megabyte = 1 << 20
)

// weigh returns the resident bytes of a system that has handled a thousand
// events and is idle.
func weigh(b *testing.B, name string, flags ...string) float64 {
	b.Helper()
	s := built.run(b, name, flags...)
	if _, err := s.measure(b.Context(), s.load(1000)); err != nil {
		b.Fatal(err)
	}
	u, err := s.usage(b.Context(), true)
	if err != nil {
		b.Fatal(err)
	}
	return float64(u.RSS)
}
