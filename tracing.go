package hearken

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// The extensions of CloudEvents' Distributed Tracing.
const (
	extTraceParent = "traceparent"
	extTraceState  = "tracestate"
)

// producer begins the spans of one way to publish. A nil one begins none.
type producer struct {
	tracer trace.Tracer // nil: a trace under way is passed on, and that is all
	name   string
	// An event gets the context of the span that published it, which then is
	// its producer; one that brought a context of its own keeps it, since that
	// says where its journey began (CloudEvents, Distributed Tracing extension;
	// OpenTelemetry, "custom creation context"), and the span is a client's.
	creates, passes []trace.SpanStartOption
}

func (t *telemetry) producer(operation, destination string, attrs ...attribute.KeyValue) *producer {
	switch {
	case t.passive:
		return new(producer)
	case t.tracer == nil:
		return nil
	}
	all := trace.WithAttributes(append(attrs, t.pipeline, semconv.MessagingSystemKey.String("hearken"),
		semconv.MessagingOperationName(operation), semconv.MessagingOperationTypeSend, semconv.MessagingDestinationName(destination))...)
	return &producer{
		tracer: t.tracer, name: operation + " " + destination,
		creates: []trace.SpanStartOption{all, trace.WithSpanKind(trace.SpanKindProducer)},
		passes:  []trace.SpanStartOption{all, trace.WithSpanKind(trace.SpanKindClient)},
	}
}

// publishing is the span of one publish. The zero value is none.
type publishing struct {
	trace.Span
	own trace.SpanContext // what the event is to carry; not valid: nothing
}

// start begins the span of an emit of e, below the one in ctx. Without that it
// continues the trace that e came with.
func (p *producer) start(ctx context.Context, e Event) (context.Context, publishing) {
	if p == nil {
		return ctx, publishing{}
	}
	brought := traceOf(e)
	if !brought.IsValid() {
		return p.create(ctx)
	}
	if p.tracer == nil {
		return ctx, publishing{}
	}
	if !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, brought)
	}
	var span publishing
	ctx, span.Span = p.tracer.Start(ctx, p.name, append(p.passes[:2:2], trace.WithLinks(trace.Link{SpanContext: brought}))...) //nolint:spancheck // publishing.end ends it
	return ctx, span
}

// create begins the span of the publishing of an event that is to carry it.
func (p *producer) create(ctx context.Context, links ...trace.Link) (context.Context, publishing) {
	if p.tracer == nil {
		return ctx, publishing{own: trace.SpanContextFromContext(ctx)}
	}
	options := p.creates
	if len(links) > 0 {
		options = append(options[:2:2], trace.WithLinks(links...))
	}
	var span publishing
	ctx, span.Span = p.tracer.Start(ctx, p.name, options...) //nolint:spancheck // publishing.end ends it
	span.own = span.SpanContext()
	return ctx, span
}

// restart begins the span of the publishing of an event that the engine made
// of another: a dead letter, or what is published back. It is an event of its
// own and carries this span, which links to that of the event that it was.
func (p *producer) restart(ctx context.Context, e Event) (context.Context, Event, publishing) {
	if p == nil {
		return ctx, e, publishing{}
	}
	var links []trace.Link
	if was := traceOf(e); was.IsValid() {
		links = []trace.Link{{SpanContext: was}}
	}
	ctx, span := p.create(ctx, links...)
	if span.carries() {
		e = withExtensions(e, func(c *event.EventContextV1) { c.Extensions = span.extensions(c.Extensions) })
	}
	return ctx, e, span
}

// carries reports whether the event is to get the span's context.
func (p *publishing) carries() bool { return p.own.IsValid() }

// extensions returns x with the span's context.
func (p *publishing) extensions(x map[string]any) map[string]any {
	carrier := make(extensionCarrier, len(x)+2)
	maps.Copy(carrier, x)
	delete(carrier, extTraceState)
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), p.own), carrier)
	return carrier
}

// end ends the span of e with the outcome of its publishing.
func (p *publishing) end(e Event, err error) {
	if p.Span == nil {
		return
	}
	if p.IsRecording() {
		p.SetAttributes(attributesOf(e)...)
		if err != nil {
			p.SetAttributes(semconv.ErrorTypeKey.String(outcomeOf(err)))
			recordError(p.Span, "exception", err)
			p.SetStatus(codes.Error, errorText(err))
		}
	}
	p.End()
}

// consumer begins the spans of an action's firings. A nil one begins none.
type consumer struct {
	tracer  trace.Tracer
	name    string
	options []trace.SpanStartOption
}

func (t *telemetry) consumer(s *sensorPlan, a *actionPlan) *consumer {
	if t.tracer == nil {
		return nil
	}
	name := s.name
	if a.name != s.name {
		name += "/" + a.name
	}
	return &consumer{
		// A firing may come of several events, so it is linked to their traces and
		// has one of its own; and of several topics, so it is not named for one.
		tracer: t.tracer, name: "fire " + name,
		options: []trace.SpanStartOption{
			trace.WithSpanKind(trace.SpanKindConsumer),
			trace.WithAttributes(t.pipeline, attrSensor.String(s.name), attrAction.String(a.name),
				semconv.MessagingSystemKey.String("hearken"), semconv.MessagingOperationName("fire"), semconv.MessagingOperationTypeProcess,
				semconv.MessagingConsumerGroupName(s.group.Name)),
		},
	}
}

// traced returns the context for an attempt at t's firing, which has a span from
// the first attempt on.
func (t *task) traced(work context.Context) context.Context {
	c := t.action.fires
	if c == nil || t.span != nil {
		return t.within(work)
	}
	options := c.options
	if links := t.links(); len(links) > 0 {
		options = append(options[:len(options):len(options)], trace.WithLinks(links...))
	}
	ctx, span := c.tracer.Start(work, c.name, options...)
	t.span = span
	if span.IsRecording() {
		span.SetAttributes(t.attributes()...)
	}
	return ctx
}

// within returns work with t's span, if it has one.
func (t *task) within(work context.Context) context.Context {
	if t.span == nil {
		return work
	}
	return trace.ContextWithSpan(work, t.span)
}

// attributes are what the span of a firing says beside its name. Those of an
// event are on its link when there are several.
func (t *task) attributes() []attribute.KeyValue {
	attrs := []attribute.KeyValue{attrFiring.String(t.firing.ID)}
	if n := len(t.firing.Events); n > 1 {
		return append(attrs, semconv.MessagingBatchMessageCount(n))
	}
	attrs = append(attrs, semconv.MessagingDestinationName(t.Topic.String()))
	return append(attrs, attributesOf(t.Event)...)
}

// links are those of a firing to the traces of its events. A transform may
// have left out where its event came from, so the one delivered is asked too.
func (t *task) links() []trace.Link {
	var links []trace.Link
	for _, d := range t.action.deps {
		if e, ok := t.firing.Events[d.name()]; ok {
			links = appendLink(links, e, attrDependency.String(d.name()))
		}
	}
	return appendLink(links, t.Event)
}

// appendLink adds a link to the trace that e carries, unless it is there.
func appendLink(links []trace.Link, e Event, attrs ...attribute.KeyValue) []trace.Link {
	c := traceOf(e)
	if !c.IsValid() || slices.ContainsFunc(links, func(l trace.Link) bool { return l.SpanContext.Equal(c) }) {
		return links
	}
	return append(links, trace.Link{SpanContext: c, Attributes: append(attributesOf(e), attrs...)})
}

// attempted notes on t's span an attempt that failed.
func (t *task) attempted(err error) {
	if t.span != nil && t.span.IsRecording() {
		recordError(t.span, "attempt failed", err, attrAttempt.Int(t.firing.Attempt))
	}
}

// told ends t's span, and measures a firing that is finished.
func (t *task) told(work context.Context, finished bool) {
	if t.action != nil && finished && !t.began.IsZero() {
		t.measure(work)
	}
	if t.span == nil {
		return
	}
	switch {
	case !finished:
		t.span.AddEvent("handed back")
	case t.letter != nil:
		t.span.SetAttributes(semconv.ErrorTypeKey.String(fmt.Sprintf("%T", t.letter.err)))
		t.span.SetStatus(codes.Error, errorText(t.letter.err))
	}
	t.span.End()
}

// measure records how long a firing took.
func (t *task) measure(ctx context.Context) {
	took := &t.action.stats.good
	if t.letter != nil {
		took = &t.action.stats.bad
	}
	if !took.duration.enabled(ctx) && !took.latency.enabled(ctx) {
		return
	}
	ctx = t.within(ctx) // for exemplars
	now, since := time.Now(), t.Stored
	if since.IsZero() {
		since = t.Event.Time()
	}
	took.duration.record(ctx, now.Sub(t.began))
	if !since.IsZero() {
		took.latency.record(ctx, now.Sub(since))
	}
}

// traceOf returns the trace context that e carries, or one that is not valid.
func traceOf(e Event) trace.SpanContext {
	if e.Context == nil || extension(e, extTraceParent) == "" {
		return trace.SpanContext{}
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), eventCarrier{e})
	return trace.SpanContextFromContext(ctx)
}

// eventCarrier reads the extensions of an event.
type eventCarrier struct{ Event }

// Get implements propagation.TextMapCarrier.
func (c eventCarrier) Get(key string) string { return extension(c.Event, key) }

// Set implements propagation.TextMapCarrier. A received event is not changed.
func (eventCarrier) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (eventCarrier) Keys() []string { return []string{extTraceParent, extTraceState} }

// extensionCarrier writes into extensions.
type extensionCarrier map[string]any

// Get implements propagation.TextMapCarrier.
func (c extensionCarrier) Get(key string) string {
	text, _ := c[key].(string)
	return text
}

// Set implements propagation.TextMapCarrier.
func (c extensionCarrier) Set(key, value string) { c[key] = value }

// Keys implements propagation.TextMapCarrier.
func (c extensionCarrier) Keys() []string { return slices.Collect(maps.Keys(c)) }

// attributesOf says which event a span or link is about.
func attributesOf(e Event) []attribute.KeyValue {
	if e.Context == nil {
		return nil
	}
	attrs := make([]attribute.KeyValue, 0, 7) // with room for one more
	attrs = append(attrs, semconv.MessagingMessageID(e.ID()), semconv.CloudEventsEventID(e.ID()), semconv.CloudEventsEventSource(e.Source()),
		semconv.CloudEventsEventSpecVersion(e.SpecVersion()), semconv.CloudEventsEventType(e.Type()))
	if subject := e.Subject(); subject != "" {
		attrs = append(attrs, semconv.CloudEventsEventSubject(subject))
	}
	return attrs
}

// recordError adds an event to span that says what err is. Span.RecordError
// would ask an application's error for its text, which may panic, and take all
// of it.
func recordError(span trace.Span, name string, err error, attrs ...attribute.KeyValue) {
	attrs = append(attrs, semconv.ExceptionType(fmt.Sprintf("%T", err)), semconv.ExceptionMessage(errorText(err)))
	if stack := stackOf(err); stack != nil {
		attrs = append(attrs, semconv.ExceptionStacktrace(fmt.Sprint(stack[1])))
	}
	span.AddEvent(name, trace.WithAttributes(attrs...))
}

// storeLetter publishes a dead letter, below the span in ctx.
func (s *sensorRun) storeLetter(ctx context.Context, letter Event) error {
	ctx, e, span := s.burials.restart(ctx, letter)
	err := guarded("the bus", func() error { return s.run.bus.Publish(ctx, s.letters, e) })
	span.end(e, err)
	return err
}

// publishBack publishes what was a dead letter, below the span in ctx.
func (r *runner) publishBack(ctx context.Context, topic bus.Topic, e Event) error {
	// Redriving is rare: there is nothing ready for each topic.
	p := r.tele.producer("redrive", topic.String(), attrEventSource.String(topic.EventSource), attrEvent.String(topic.Event))
	ctx, e, span := p.restart(ctx, e)
	err := r.bus.Publish(ctx, topic, e)
	if errors.Is(err, bus.ErrRejected) {
		err = Permanent(err)
	}
	span.end(e, err)
	return err
}
