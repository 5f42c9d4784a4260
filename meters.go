package hearken

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// meters are a pipeline's instruments.
type meters struct {
	emitted, received, redelivered, repeated, matched, filtered, buried metric.Int64Counter
	joined, superseded, expired, reset                                  metric.Int64Counter
	fired, failed, retried                                              metric.Int64Counter
	inFlight, unburied, pending                                         metric.Int64UpDownCounter
	duration, latency                                                   metric.Float64Histogram
}

// tally counts, for Health and for an instrument. Its attributes are made once,
// so that counting allocates nothing. The instruments are not read from
// Health's numbers when they are collected, which would cost even less, since
// what was counted after the last collection would be lost with the pipeline.
type tally struct {
	n     atomic.Uint64
	meter metric.Int64Counter // nil: none
	attrs []metric.AddOption
}

func (t *tally) bind(meter metric.Int64Counter, attrs ...attribute.KeyValue) {
	t.meter, t.attrs = meter, []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
}

// Add counts n more.
func (t *tally) Add(n uint64) {
	t.n.Add(n)
	if t.meter != nil {
		t.meter.Add(context.Background(), int64(n), t.attrs...) //nolint:gosec // counted by hand
	}
}

// Load returns the count.
func (t *tally) Load() uint64 { return t.n.Load() }

// level is a tally that goes up and down.
type level struct {
	n     atomic.Int64
	meter metric.Int64UpDownCounter // nil: none
	attrs []metric.AddOption
}

func (l *level) bind(meter metric.Int64UpDownCounter, attrs ...attribute.KeyValue) {
	l.meter, l.attrs = meter, []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
}

// Add moves the level by delta.
func (l *level) Add(delta int64) {
	l.n.Add(delta)
	if l.meter != nil {
		l.meter.Add(context.Background(), delta, l.attrs...)
	}
}

// Load returns the level.
func (l *level) Load() int64 { return l.n.Load() }

// timing is a histogram of seconds.
type timing struct {
	meter metric.Float64Histogram // nil: none
	attrs []metric.RecordOption
}

func (t *timing) bind(meter metric.Float64Histogram, attrs ...attribute.KeyValue) {
	t.meter, t.attrs = meter, []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
}

// enabled says whether somebody wants to know: the time is not asked for in
// vain.
func (t *timing) enabled(ctx context.Context) bool { return t.meter != nil && t.meter.Enabled(ctx) }

func (t *timing) record(ctx context.Context, d time.Duration) {
	if t.meter != nil {
		t.meter.Record(ctx, max(d, 0).Seconds(), t.attrs...) // below zero: another machine's clock
	}
}

func (m *meters) source(s *sourceStats, attrs ...attribute.KeyValue) {
	for outcome, t := range map[string]*tally{
		outcomeStored: &s.stored, outcomeFull: &s.full, outcomeRejected: &s.rejected, outcomeInvalid: &s.invalid, outcomeError: &s.errors,
	} {
		t.bind(m.emitted, with(attrs, attrOutcome.String(outcome))...)
	}
}

func (m *meters) sensor(s *sensorStats, attrs ...attribute.KeyValue) {
	s.received.bind(m.received, attrs...)
	s.redelivered.bind(m.redelivered, attrs...)
	s.repeated.bind(m.repeated, attrs...)
	s.deadLettered.bind(m.buried, attrs...)
	s.unburied.bind(m.unburied, attrs...)
	s.inFlight.bind(m.inFlight, attrs...)
}

func (m *meters) dependency(s *dependencyStats, attrs ...attribute.KeyValue) {
	s.matched.bind(m.matched, attrs...)
	s.filtered.bind(m.filtered, with(attrs, attrReason.String("filter"))...)
	s.errors.bind(m.filtered, with(attrs, attrReason.String("error"))...)
}

func (m *meters) action(s *actionStats, attrs ...attribute.KeyValue) {
	s.fired.bind(m.fired, attrs...)
	s.attempts.bind(m.failed, attrs...)
	s.retried.bind(m.retried, attrs...)
	s.deadLettered.bind(m.buried, attrs...)
	s.joins.joined.bind(m.joined, attrs...)
	s.joins.pending.bind(m.pending, attrs...)
	s.joins.superseded.bind(m.superseded, attrs...)
	s.joins.expired.bind(m.expired, attrs...)
	s.joins.reset.bind(m.reset, attrs...)
	s.good.bind(m, with(attrs, attrOutcome.String("fired"))...)
	s.bad.bind(m, with(attrs, attrOutcome.String("dead_lettered"))...)
}

// timings are how long the firings of one outcome take.
type timings struct{ duration, latency timing }

func (t *timings) bind(m *meters, attrs ...attribute.KeyValue) {
	t.duration.bind(m.duration, attrs...)
	t.latency.bind(m.latency, attrs...)
}

// with returns attrs and one more, in a list of its own.
func with(attrs []attribute.KeyValue, more attribute.KeyValue) []attribute.KeyValue {
	return append(attrs[:len(attrs):len(attrs)], more)
}
