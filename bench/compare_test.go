package bench

import (
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"
)

// The names of the two that every benchmark has. A peer bears its own.
const (
	hearkens = "hearken"
	limits   = "limit"
)

// contestant is one way to do the work that a benchmark compares.
type contestant struct {
	name string
	run  func(b *testing.B, n int) sample
}

// sample is what a contestant's n operations cost, by unit.
type sample map[string]float64

// compare lets the contestants do n operations each, in turn, once for each
// iteration of the benchmark: what slows the machine down slows both. The first
// is the one that is measured, the second its limit.
//
// What is reported are medians over the rounds. The first contestant's have the
// bare unit, the others' their name before it; "x-unit", for each unit of
// ratios, is the median of the first one's figure over the limit's in the same
// round.
func compare(b *testing.B, n int, ratios []string, cs ...contestant) {
	b.Helper()
	for _, c := range cs {
		c.run(b, max(1, n/10)) // warm-up
	}
	rounds := make([][]sample, len(cs))
	for round := 0; b.Loop(); round++ {
		for i := range cs {
			who := (i + round) % len(cs) // nobody is always first
			rounds[who] = append(rounds[who], cs[who].run(b, n))
		}
	}
	b.ReportMetric(0, "ns/op") // of a round: says nothing
	for who, c := range cs {
		for unit, median := range medians(rounds[who]) {
			if c.name != hearkens {
				unit = c.name + "-" + unit
			}
			b.ReportMetric(median, unit)
		}
	}
	for _, unit := range ratios {
		var xs []float64
		for round := range rounds[0] {
			xs = append(xs, rounds[0][round][unit]/rounds[1][round][unit])
		}
		b.ReportMetric(median(xs), "x-"+unit)
	}
}

func medians(samples []sample) sample {
	m := sample{}
	for unit := range maps.Keys(samples[0]) {
		var values []float64
		for _, s := range samples {
			values = append(values, s[unit])
		}
		m[unit] = median(values)
	}
	return m
}

// median sorts values.
func median(values []float64) float64 {
	slices.Sort(values)
	half := len(values) / 2
	if len(values)%2 == 0 {
		return (values[half-1] + values[half]) / 2
	}
	return values[half]
}

// perOperation returns a contestant whose n operations f does, with its time and
// the allocations of the whole process.
func perOperation(name string, f func(n int) error) contestant {
	return contestant{name, func(b *testing.B, n int) sample {
		b.Helper()
		took, s := measure(b, name, n, timed(f))
		s["ns/op"] = float64(took.Nanoseconds()) / float64(n)
		return s
	}}
}

// perSecond returns a contestant that is measured by its rate. f returns the
// part of its time that counts.
func perSecond(name string, f func(n int) (time.Duration, error)) contestant {
	return contestant{name, func(b *testing.B, n int) sample {
		b.Helper()
		took, s := measure(b, name, n, f)
		s["events/s"] = float64(n) / took.Seconds()
		return s
	}}
}

// timed returns f with the time that it takes.
func timed(f func(n int) error) func(n int) (time.Duration, error) {
	return func(n int) (time.Duration, error) {
		start := time.Now()
		err := f(n)
		return time.Since(start), err
	}
}

func measure(b *testing.B, name string, n int, f func(n int) (time.Duration, error)) (time.Duration, sample) {
	b.Helper()
	runtime.GC() // the one before leaves no work behind
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	took, err := f(n)
	runtime.ReadMemStats(&after)
	if err != nil {
		b.Fatalf("%s: %v", name, err)
	}
	return took, sample{
		"allocs/event": float64(after.Mallocs-before.Mallocs) / float64(n),
		"B/event":      float64(after.TotalAlloc-before.TotalAlloc) / float64(n),
	}
}
