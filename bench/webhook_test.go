package bench

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hearken-go/hearken/bench/internal/child"
)

// BenchmarkWebhookMemory is row 12: webhook to sink over the bus in memory,
// against a handler that posts before it answers.
func BenchmarkWebhookMemory(b *testing.B) {
	compareSystems(b, 20_000, contenders(b, memoryBus, direct))
}

// BenchmarkWebhookDurable is row 13: webhook to sink over JetStream on files in
// the process, delivered, against the same by hand.
func BenchmarkWebhookDurable(b *testing.B) {
	compareSystems(b, 10_000, contenders(b, durable, inProcess))
}

// BenchmarkSlowSink is row 15: the sink takes 50 ms, and 64 workers post to it.
func BenchmarkSlowSink(b *testing.B) {
	systems := contenders(b, durable, inProcess, "-workers", "64")
	for _, s := range systems {
		f := slow(50 * time.Millisecond)
		s.sink.answer.Store(&f)
	}
	compareSystems(b, 2_560, systems)
}

// BenchmarkLatency is row 14: how long an event takes from webhook to sink when
// there are 100 a second.
func BenchmarkLatency(b *testing.B) {
	for _, pair := range [][2]string{{memoryBus, direct}, {durable, inProcess}} {
		b.Run(pair[0], func(b *testing.B) {
			systems := contenders(b, pair[0], pair[1])
			paced := func(s *system, n int) load {
				l := s.load(n)
				l.every = 10 * time.Millisecond
				return l
			}
			compare(b, 200, []string{"p50-µs"}, loaded(hearkens, systems[0], paced), loaded(limits, systems[1], paced))
		})
	}
}

// contenders starts Hearken's system and its limit.
func contenders(b *testing.B, hearken, limit string, flags ...string) []*system {
	b.Helper()
	return []*system{built.run(b, hearken, flags...), built.run(b, limit, flags...)}
}

// compareSystems posts n events as fast as they are answered.
func compareSystems(b *testing.B, n int, systems []*system) {
	b.Helper()
	compare(b, n, []string{"events/s", "cpu-µs/event"},
		loaded(hearkens, systems[0], (*system).load), loaded(limits, systems[1], (*system).load))
}

// loaded is a system under a load, measured from the first post to the last
// arrival.
func loaded(name string, s *system, of func(s *system, n int) load) contestant {
	return contestant{name, func(b *testing.B, n int) sample {
		b.Helper()
		x, err := s.measure(b.Context(), of(s, n))
		if err != nil {
			b.Fatalf("%s: %v", name, err)
		}
		return x
	}}
}

var errRefused = errors.New("events were refused")

// measure runs a load of which nothing is refused.
func (s *system) measure(ctx context.Context, l load) (sample, error) {
	before, err := s.usage(ctx, true)
	if err != nil {
		return nil, err
	}
	r, err := l.run(ctx, s.sink)
	if err != nil {
		return nil, err
	}
	if r.refused > 0 {
		return nil, fmt.Errorf("%w: %d of %d", errRefused, r.refused, l.n)
	}
	after, err := s.usage(ctx, false)
	return figures(l.n, r, before, after), err
}

func figures(n int, r result, before, after child.Usage) sample {
	per := func(v float64) float64 { return v / float64(n) }
	return sample{
		"events/s":     float64(n) / r.took.Seconds(),
		"cpu-µs/event": per(float64((after.CPU - before.CPU).Nanoseconds()) / 1e3),
		"allocs/event": per(float64(after.Mallocs - before.Mallocs)),
		"p50-µs":       float64(r.quantile(0.5).Nanoseconds()) / 1e3,
		"p99-µs":       float64(r.quantile(0.99).Nanoseconds()) / 1e3,
		"lost":         float64(r.lost),
		"duplicates":   float64(r.duplicates),
	}
}
