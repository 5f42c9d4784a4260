package hearken_test

import (
	"context"
	"encoding/binary"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/filters"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	noopmetric "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	nooptrace "go.opentelemetry.io/otel/trace/noop"
)

// BenchmarkPipeline is the life of an event over the memory bus: emit, filter,
// fire, settle. "none" has no provider, "noop" those of the OpenTelemetry API
// that do nothing, "recorded" one that wants to know all of each span and keeps
// nothing: what an SDK costs besides is not ours. In each round a pipeline without providers has its turn too:
// x-none is the median of the rounds' ratios to it, steadiest with -cpu 1.
func BenchmarkPipeline(b *testing.B) {
	for _, bb := range []struct {
		name string
		set  func(*hearken.Pipeline)
	}{
		{"none", setNone},
		{"noop", setNoop},
		{"recorded", func(p *hearken.Pipeline) {
			p.TracerProvider, p.MeterProvider = new(idleTracing), noopmetric.NewMeterProvider()
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			bare, measured := newLoad(b, setNone), newLoad(b, bb.set)
			bare.run(b, round) // warms up
			measured.run(b, round)
			b.ReportAllocs()
			b.ResetTimer()
			var ratios []float64
			var mallocs uint64
			for left := b.N; left > 0; left -= round {
				n := min(left, round)
				var without, took time.Duration
				var allocated uint64
				turns := []func(){
					func() { b.StopTimer(); without, _ = bare.run(b, n); b.StartTimer() },
					func() { took, allocated = measured.run(b, n) },
				}
				first := len(ratios) % 2 // the second finds the heap fuller
				turns[first]()
				turns[1-first]()
				mallocs += allocated
				ratios = append(ratios, float64(took)/float64(without))
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "x-none")
			b.ReportMetric(float64(mallocs)/float64(b.N), "mallocs/op") // allocs/op is rounded down
		})
	}
}

// With nobody to tell, or somebody who does not listen, an event costs no
// allocation more than the 8 that it had before there was telemetry; 9 with the
// race detector.
func TestTellingNobodyAllocatesNothing(t *testing.T) {
	for name, set := range map[string]func(*hearken.Pipeline){"none": setNone, "noop": setNoop} {
		l := newLoad(t, set)
		l.run(t, round)
		_, mallocs := l.run(t, 10*round)
		assert.Less(t, float64(mallocs)/(10*round), 9.5, name)
	}
}

func setNone(*hearken.Pipeline) {}

func setNoop(p *hearken.Pipeline) {
	p.TracerProvider, p.MeterProvider = nooptrace.NewTracerProvider(), noopmetric.NewMeterProvider()
}

// round is how many events go through a pipeline at a turn.
const round = 1000

// load is a pipeline that runs, and what goes through it.
type load struct {
	*hearken.Pipeline
	source   *hearken.EventSource
	template hearken.Event
	n        int
	fired    chan struct{}
}

// newLoad runs a pipeline that set completes, until the benchmark ends.
func newLoad(b testing.TB, set func(*hearken.Pipeline)) *load {
	b.Helper()
	l := &load{source: &hearken.EventSource{Name: "bench", Event: "e"}, fired: make(chan struct{}, window)}
	l.Pipeline = &hearken.Pipeline{
		Name: "bench", Bus: &memory.Bus{}, EventSources: []*hearken.EventSource{l.source}, Logger: slog.New(slog.DiscardHandler),
		Sensors: []hearken.Sensor{{Name: "s", Actions: []hearken.Action{{
			When: &hearken.Dependency{EventSource: l.source, Filter: filters.Data("body.message", "hello")},
			Trigger: hearken.TriggerFunc(func(context.Context, hearken.Firing) error {
				l.fired <- struct{}{}
				return nil
			}),
		}}}},
	}
	set(l.Pipeline)
	var err error
	l.template, err = hearken.NewEvent("bench", "", []byte(`{"header":{},"body":{"message":"hello"}}`))
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		require.NoError(b, <-ended)
	})
	for !l.Health().Ready {
		select {
		case err := <-ended:
			b.Fatal(err)
		default:
			runtime.Gosched()
		}
	}
	return l
}

// window is how many events are on their way at once.
const window = 256

// run sends n events and waits for their firings. It returns the time, and the
// allocations, the 2 of making an event included.
func (l *load) run(b testing.TB, n int) (took time.Duration, mallocs uint64) {
	b.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	for i := range n {
		if i >= window {
			<-l.fired
		}
		l.n++
		c := *l.template.Context.(*event.EventContextV1)
		c.ID = strconv.Itoa(l.n)
		e := l.template
		e.Context = &c
		if err := l.Emit(b.Context(), l.source, e); err != nil {
			b.Fatal(err)
		}
	}
	for range min(n, window) {
		<-l.fired
	}
	took = time.Since(began)
	runtime.ReadMemStats(&after)
	return took, after.Mallocs - before.Mallocs
}

// idleTracing is a provider of spans that say they record, and do not.
type idleTracing struct {
	nooptrace.TracerProvider
	count atomic.Uint64
}

func (p *idleTracing) Tracer(string, ...trace.TracerOption) trace.Tracer {
	return idleTracer{count: &p.count}
}

type idleTracer struct {
	nooptrace.Tracer
	count *atomic.Uint64
}

func (t idleTracer) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	cfg := trace.SpanContextConfig{TraceFlags: trace.FlagsSampled}
	binary.BigEndian.PutUint64(cfg.SpanID[:], t.count.Add(1))
	copy(cfg.TraceID[:], cfg.SpanID[:])
	s := &idleSpan{context: trace.NewSpanContext(cfg)}
	return trace.ContextWithSpan(ctx, s), s
}

type idleSpan struct {
	nooptrace.Span
	context trace.SpanContext
}

func (s *idleSpan) SpanContext() trace.SpanContext { return s.context }
func (*idleSpan) IsRecording() bool                { return true }
