package hearken_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
)

// meterRecorder is a provider that adds up, per instrument and attributes; of
// histograms it keeps what was recorded.
type meterRecorder struct {
	noop.MeterProvider
	mu     sync.Mutex
	units  map[string]string   // of each instrument
	values map[string]any      // by name and attributes
	within []trace.SpanContext // of what histograms recorded
}

func newMeterRecorder() *meterRecorder {
	return &meterRecorder{units: make(map[string]string), values: make(map[string]any)}
}

func (r *meterRecorder) Meter(string, ...metric.MeterOption) metric.Meter { return meter{rec: r} }

type meter struct {
	noop.Meter
	rec *meterRecorder
}

type counter struct {
	noop.Int64Counter
	instrument
}

type upDownCounter struct {
	noop.Int64UpDownCounter
	instrument
}

type histogram struct {
	noop.Float64Histogram
	instrument
}

type instrument struct {
	rec  *meterRecorder
	name string
}

func (m meter) instrument(name, unit string) instrument {
	m.rec.mu.Lock()
	defer m.rec.mu.Unlock()
	m.rec.units[name] = unit
	return instrument{m.rec, name}
}

func (m meter) Int64Counter(name string, options ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	cfg := metric.NewInt64CounterConfig(options...)
	return counter{instrument: m.instrument(name, cfg.Unit())}, nil
}

func (m meter) Int64UpDownCounter(name string, options ...metric.Int64UpDownCounterOption) (metric.Int64UpDownCounter, error) {
	cfg := metric.NewInt64UpDownCounterConfig(options...)
	return upDownCounter{instrument: m.instrument(name, cfg.Unit())}, nil
}

func (m meter) Float64Histogram(name string, options ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	cfg := metric.NewFloat64HistogramConfig(options...)
	return histogram{instrument: m.instrument(name, cfg.Unit())}, nil
}

func (c counter) Add(_ context.Context, n int64, options ...metric.AddOption) {
	cfg := metric.NewAddConfig(options)
	c.add(cfg.Attributes(), n)
}

func (c upDownCounter) Add(_ context.Context, n int64, options ...metric.AddOption) {
	cfg := metric.NewAddConfig(options)
	c.add(cfg.Attributes(), n)
}

func (histogram) Enabled(context.Context) bool { return true }

func (h histogram) Record(ctx context.Context, v float64, options ...metric.RecordOption) {
	cfg := metric.NewRecordConfig(options)
	h.rec.mu.Lock()
	defer h.rec.mu.Unlock()
	key := h.key(cfg.Attributes())
	seen, _ := h.rec.values[key].([]float64)
	h.rec.values[key] = append(seen, v)
	h.rec.within = append(h.rec.within, trace.SpanContextFromContext(ctx))
}

func (i instrument) add(attrs attribute.Set, n int64) {
	i.rec.mu.Lock()
	defer i.rec.mu.Unlock()
	key := i.key(attrs)
	sum, _ := i.rec.values[key].(int64)
	i.rec.values[key] = sum + n
}

// key returns "name{key=value,...}", short of what all have in common.
func (i instrument) key(attrs attribute.Set) string {
	var parts []string
	for _, kv := range attrs.ToSlice() {
		if kv.Key != "hearken.pipeline" {
			parts = append(parts, fmt.Sprintf("%s=%v", strings.TrimPrefix(string(kv.Key), "hearken."), kv.Value.AsInterface()))
		}
	}
	return strings.TrimPrefix(i.name, "hearken.") + "{" + strings.Join(parts, ",") + "}"
}

// lines returns what was measured, one line for each instrument and attributes.
func (r *meterRecorder) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(r.values)) {
		lines = append(lines, fmt.Sprint(key, " ", r.values[key]))
	}
	return lines
}
