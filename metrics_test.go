package hearken_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
)

func TestMetrics(t *testing.T) {
	rec := newMeterRecorder()
	synctest.Test(t, func(t *testing.T) {
		trigger := &script{answers: []error{hearken.RetryAfter(errBroken, time.Second), nil, hearken.Permanent(errBroken)}}
		f := newFixture(hearken.Action{Name: "notify", Trigger: trigger})
		f.dep.Filter = filterFunc(func(e hearken.Event) (bool, error) {
			if e.ID() == "bad" {
				return false, errBroken
			}
			return e.ID() != "no", nil
		})
		f.MeterProvider = rec
		f.start(t)

		require.NoError(t, f.Emit(t.Context(), f.source, order(t, "")))
		for _, err := range []error{bus.ErrFull, bus.ErrRejected, errBroken} {
			f.bus.failPublish(err)
			require.Error(t, f.Emit(t.Context(), f.source, order(t, "")))
		}
		f.bus.failPublish(nil)
		require.Error(t, f.Emit(t.Context(), f.source, hearken.Event{}))

		stored := func(ago time.Duration) func(*bus.Delivery) {
			return func(d *bus.Delivery) { d.Stored = time.Now().Add(-ago) }
		}
		f.deliver("retried", stored(time.Minute), func(d *bus.Delivery) { d.Attempt = 2 })
		held := bus.Pos{Log: "log", Seq: f.seq}
		f.deliver("retried", func(d *bus.Delivery) { d.Pos = held })
		time.Sleep(time.Second)
		synctest.Wait()
		f.deliver("given up", stored(2*time.Second))
		f.deliver("no")
		f.deliver("bad")
		f.bus.failPublish(errBroken)
		f.deliver("poison", func(d *bus.Delivery) { d.Attempt = 21 })
		assert.Contains(t, rec.lines(), "dead_letters.unstored{sensor=s} 1")
		assert.Contains(t, rec.lines(), "events.in_flight{sensor=s} 1")
		f.bus.failPublish(nil)
		time.Sleep(time.Minute)
		assert.NoError(t, f.end())
	})
	assert.Equal(t, []string{
		"dead_letters.unstored{sensor=s} 0",
		"event.latency{action=notify,outcome=dead_lettered,sensor=s} [2]",
		"event.latency{action=notify,outcome=fired,sensor=s} [61]",
		"events.dead_lettered{action=notify,sensor=s} 2",
		"events.dead_lettered{sensor=s} 1",
		"events.emitted{event=created,event_source=orders,outcome=error} 1",
		"events.emitted{event=created,event_source=orders,outcome=full} 1",
		"events.emitted{event=created,event_source=orders,outcome=invalid} 1",
		"events.emitted{event=created,event_source=orders,outcome=rejected} 1",
		"events.emitted{event=created,event_source=orders,outcome=stored} 1",
		"events.filtered{dependency=created,event=created,event_source=orders,reason=error,sensor=s} 1",
		"events.filtered{dependency=created,event=created,event_source=orders,reason=filter,sensor=s} 1",
		"events.in_flight{sensor=s} 0",
		"events.matched{dependency=created,event=created,event_source=orders,sensor=s} 2",
		"events.received{sensor=s} 5",
		"events.redelivered{sensor=s} 2",
		"events.repeated{sensor=s} 1",
		"firing.duration{action=notify,outcome=dead_lettered,sensor=s} [0]",
		"firing.duration{action=notify,outcome=fired,sensor=s} [1]",
		"firings.failed_attempts{action=notify,sensor=s} 2",
		"firings.fired{action=notify,sensor=s} 1",
		"firings.retried{action=notify,sensor=s} 1",
	}, rec.lines())
}

// The instruments are what dashboards are built on: a change of one is one of
// the API.
func TestInstruments(t *testing.T) {
	rec := newMeterRecorder()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script)})
		f.MeterProvider = rec
		f.start(t)
		assert.NoError(t, f.end())
	})
	assert.Equal(t, map[string]string{
		"hearken.events.emitted": "{event}", "hearken.events.received": "{event}", "hearken.events.redelivered": "{event}",
		"hearken.events.repeated": "{event}", "hearken.events.matched": "{event}", "hearken.events.filtered": "{event}",
		"hearken.events.dead_lettered": "{event}", "hearken.events.in_flight": "{event}", "hearken.dead_letters.unstored": "{event}",
		"hearken.joins.joined": "{event}", "hearken.joins.pending": "{event}", "hearken.joins.superseded": "{event}",
		"hearken.joins.expired": "{event}", "hearken.joins.reset": "{event}",
		"hearken.firings.fired": "{firing}", "hearken.firings.failed_attempts": "{attempt}", "hearken.firings.retried": "{attempt}",
		"hearken.firing.duration": "s", "hearken.event.latency": "s",
	}, rec.units)
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	for name := range rec.units {
		assert.Contains(t, string(doc), "\t"+name+" ", "is written down")
	}
}

// A thousand events of a thousand ids and sources make no more time series than
// one.
func TestMetricsAreBounded(t *testing.T) {
	measure := func(events int) []string {
		rec := newMeterRecorder()
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(hearken.Action{Trigger: new(script)})
			f.MeterProvider = rec
			f.start(t)
			for i := range events {
				id := fmt.Sprint("id", i)
				e, err := hearken.NewEvent(id, id, 1)
				require.NoError(t, err)
				e.SetSource(id)
				require.NoError(t, f.Emit(t.Context(), f.source, e))
				f.deliver(id, func(d *bus.Delivery) { d.Event = e })
			}
			assert.NoError(t, f.end())
		})
		var series []string
		for _, line := range rec.lines() {
			key, _, _ := strings.Cut(line, "} ")
			series = append(series, key)
		}
		return series
	}
	assert.Equal(t, measure(1), measure(1000))
}

// An exemplar of a slow firing leads to its trace.
func TestTimesAreRecordedWithinTheFiring(t *testing.T) {
	rec := newMeterRecorder()
	spans := traced(t, hearken.Action{Trigger: new(script)}, func(_ *testing.T, f *fixture) {
		f.deliver("1")
	}, func(f *fixture) { f.MeterProvider = rec })
	assert.Equal(t, []trace.SpanContext{spans[0].context, spans[0].context}, rec.within)
}

// brokenMeters is a provider that cannot make instruments.
type brokenMeters struct{ noop.MeterProvider }

func (brokenMeters) Meter(string, ...metric.MeterOption) metric.Meter { return brokenMeter{} }

type brokenMeter struct{ noop.Meter }

func (brokenMeter) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return noop.Int64Counter{}, errBroken
}

func TestProviderThatFailsIsToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		f := newFixture(hearken.Action{Trigger: trigger})
		f.MeterProvider = brokenMeters{}
		out := logged(f, 0)
		f.start(t)
		f.deliver("1")
		assert.Len(t, trigger.fired(), 1)
		assert.Contains(t, out.String(), "not everything is measured")
		assert.NoError(t, f.end())
	})
}
