package hearken_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// spanRecorder is a provider that keeps the spans: the SDK would be one more
// dependency of the core. examples/telemetry has a test with the SDK.
type spanRecorder struct {
	noop.TracerProvider
	mu    sync.Mutex
	spans []*recordedSpan
	count uint64 // gives the next ID
}

type recordedSpan struct {
	noop.Span
	rec        *spanRecorder
	name       string
	kind       trace.SpanKind
	context    trace.SpanContext
	parent     trace.SpanContext
	links      []trace.Link
	attributes attribute.Set
	events     []string // "name: message"
	status     codes.Code
	reason     string
	ended      int
}

type recordingTracer struct {
	noop.Tracer
	rec *spanRecorder
}

func (r *spanRecorder) Tracer(name string, _ ...trace.TracerOption) trace.Tracer {
	if name != "github.com/hearken-go/hearken" {
		panic(name)
	}
	return recordingTracer{rec: r}
}

func (t recordingTracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	r := t.rec
	r.mu.Lock()
	defer r.mu.Unlock()
	cfg := trace.NewSpanStartConfig(options...)
	s := &recordedSpan{rec: r, name: name, kind: cfg.SpanKind(), links: cfg.Links(), attributes: attribute.NewSet(cfg.Attributes()...)}
	if !cfg.NewRoot() {
		s.parent = trace.SpanContextFromContext(ctx)
	}
	r.count++
	var id trace.SpanID
	var traceID trace.TraceID
	binary.BigEndian.PutUint64(id[:], r.count)
	binary.BigEndian.PutUint64(traceID[:], r.count)
	if s.parent.IsValid() {
		traceID = s.parent.TraceID()
	}
	s.context = trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: id, TraceFlags: trace.FlagsSampled, TraceState: s.parent.TraceState()})
	r.spans = append(r.spans, s)
	return trace.ContextWithSpan(ctx, s), s
}

func (s *recordedSpan) SpanContext() trace.SpanContext { return s.context }
func (s *recordedSpan) IsRecording() bool              { return true }

func (s *recordedSpan) SetAttributes(kv ...attribute.KeyValue) {
	s.rec.mu.Lock()
	defer s.rec.mu.Unlock()
	s.attributes = attribute.NewSet(append(s.attributes.ToSlice(), kv...)...)
}

func (s *recordedSpan) AddEvent(name string, options ...trace.EventOption) {
	s.rec.mu.Lock()
	defer s.rec.mu.Unlock()
	cfg := trace.NewEventConfig(options...)
	attrs := attribute.NewSet(cfg.Attributes()...)
	for _, key := range []attribute.Key{"hearken.attempt", "exception.message"} {
		if v, ok := attrs.Value(key); ok {
			name += fmt.Sprint(": ", v.AsInterface())
		}
	}
	s.events = append(s.events, name)
}

func (s *recordedSpan) SetStatus(code codes.Code, reason string) {
	s.rec.mu.Lock()
	defer s.rec.mu.Unlock()
	s.status, s.reason = code, reason
}

func (s *recordedSpan) End(...trace.SpanEndOption) {
	s.rec.mu.Lock()
	defer s.rec.mu.Unlock()
	s.ended++
}

// attribute returns an attribute's value as text, or "".
func (s *recordedSpan) attribute(key attribute.Key) string {
	v, ok := s.attributes.Value(key)
	if !ok {
		return ""
	}
	return fmt.Sprint(v.AsInterface())
}

// all returns the spans in the order they were begun, each of which has ended
// once.
func (r *spanRecorder) all(t *testing.T) []*recordedSpan {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		assert.Equal(t, 1, s.ended, "ends of %s", s.name)
	}
	return r.spans
}

// linked returns what a span links to.
func (s *recordedSpan) linked() []trace.SpanContext {
	var to []trace.SpanContext
	for _, l := range s.links {
		to = append(to, l.SpanContext.WithRemote(false))
	}
	return to
}

// around returns ctx within a span that somebody else began.
func around(ctx context.Context) (context.Context, trace.SpanContext) {
	state, err := trace.ParseTraceState("vendor=a b")
	if err != nil {
		panic(err)
	}
	c := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0xaa, 15: 1}, SpanID: trace.SpanID{0xbb, 7: 1}, TraceFlags: trace.FlagsSampled, TraceState: state,
	})
	return trace.ContextWithSpanContext(ctx, c), c
}
