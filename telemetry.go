package hearken

import (
	"errors"

	"github.com/hearken-go/hearken/bus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// scope names this package to the providers, as what made the spans and
// instruments.
const scope = "github.com/hearken-go/hearken"

// The attributes that are Hearken's own, of spans and of instruments alike.
// Those of instruments are names that the application chose, or words of this
// package: never what an event brings, so that their number is bounded.
const (
	attrPipeline    = attribute.Key("hearken.pipeline")
	attrEventSource = attribute.Key("hearken.event_source")
	attrEvent       = attribute.Key("hearken.event")
	attrSensor      = attribute.Key("hearken.sensor")
	attrAction      = attribute.Key("hearken.action")
	attrDependency  = attribute.Key("hearken.dependency")
	attrOutcome     = attribute.Key("hearken.outcome")
	attrReason      = attribute.Key("hearken.reason")
	attrFiring      = attribute.Key("hearken.firing.id") // of spans only
	attrAttempt     = attribute.Key("hearken.attempt")   // of spans only
)

// telemetry is what a pipeline tells OpenTelemetry by. The zero value tells
// nothing.
type telemetry struct {
	pipeline attribute.KeyValue
	tracer   trace.Tracer // nil: no traces
	passive  bool         // no traces, but those under way are passed on
	meters   *meters      // nil: no metrics
}

func newTelemetry(p *Pipeline) (telemetry, error) {
	t := telemetry{pipeline: attrPipeline.String(p.Name)}
	switch provider := p.TracerProvider.(type) {
	case nil:
	case noop.TracerProvider: // its spans do nothing and cost a tenth of an event's time
		t.passive = true
	default:
		t.tracer = provider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))
	}
	var err error
	if p.MeterProvider != nil {
		t.meters, err = newMeters(p.MeterProvider.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL)))
	}
	return t, err
}

// source makes an event source tell.
func (t *telemetry) source(p *sourcePlan) {
	p.emits = t.producer("emit", p.topic.String(), attrEventSource.String(p.Name), attrEvent.String(p.Event))
	if t.meters != nil {
		t.meters.source(&p.stats, t.pipeline, attrEventSource.String(p.Name), attrEvent.String(p.Event))
	}
}

// sensor makes a sensor tell, and all that it consists of.
func (t *telemetry) sensor(p *sensorPlan) {
	sensor := attrSensor.String(p.name)
	p.burials = t.producer("dead_letter", p.letters.String(), sensor)
	for _, a := range p.actions {
		a.fires = t.consumer(p, a)
	}
	if t.meters == nil {
		return
	}
	t.meters.sensor(&p.stats, t.pipeline, sensor)
	for _, d := range p.deps {
		t.meters.dependency(&d.stats, t.pipeline, sensor, attrDependency.String(d.name()),
			attrEventSource.String(d.EventSource.Name), attrEvent.String(d.EventSource.Event))
	}
	for _, a := range p.actions {
		t.meters.action(&a.stats, t.pipeline, sensor, attrAction.String(a.name))
	}
}

// instrumented makes all that runs tell. What a provider does not like is
// logged: a pipeline that counts less still works.
func (r *runner) instrumented() *runner {
	var err error
	if r.tele, err = newTelemetry(r.Pipeline); err != nil {
		r.log.Error("not everything is measured", "error", err)
	}
	for _, s := range r.sources {
		r.tele.source(s)
	}
	for _, s := range r.sensors {
		r.tele.sensor(s.sensorPlan)
	}
	return r
}

// made collects the errors of making instruments.
func made[T any](errs *[]error) func(T, error) T {
	return func(instrument T, err error) T {
		*errs = append(*errs, err)
		return instrument
	}
}

func newMeters(m metric.Meter) (*meters, error) {
	var errs []error
	counter := func(name, unit, what string) metric.Int64Counter {
		return made[metric.Int64Counter](&errs)(m.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(what)))
	}
	level := func(name, unit, what string) metric.Int64UpDownCounter {
		return made[metric.Int64UpDownCounter](&errs)(m.Int64UpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(what)))
	}
	seconds := func(name, what string) metric.Float64Histogram {
		return made[metric.Float64Histogram](&errs)(m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(what),
			metric.WithExplicitBucketBoundaries(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)))
	}
	return &meters{
		emitted:     counter("hearken.events.emitted", "{event}", "Events that sources and Emit published, by outcome: stored, full, rejected, invalid or error."),
		received:    counter("hearken.events.received", "{event}", "Deliveries that a sensor took in hand."),
		redelivered: counter("hearken.events.redelivered", "{event}", "Deliveries among the received that were not the first of their event."),
		repeated:    counter("hearken.events.repeated", "{event}", "Deliveries dropped since the sensor held them already."),
		matched:     counter("hearken.events.matched", "{event}", "Events that a dependency let through."),
		filtered:    counter("hearken.events.filtered", "{event}", "Events that a dependency did not let through, by reason: filter, or error of a transform, filter or key."),
		buried:      counter("hearken.events.dead_lettered", "{event}", "Events given up; without an action when none was begun."),
		inFlight:    level("hearken.events.in_flight", "{event}", "Deliveries that a sensor holds."),
		unburied:    level("hearken.dead_letters.unstored", "{event}", "Dead letters that the bus has not taken yet."),

		joined:     counter("hearken.joins.joined", "{event}", "Events stored to wait for others."),
		pending:    level("hearken.joins.pending", "{event}", "Events that this process stored to wait for others, less those it took out again."),
		superseded: counter("hearken.joins.superseded", "{event}", "Waiting events that a later one took the place of."),
		expired:    counter("hearken.joins.expired", "{event}", "Waiting events that were dead-lettered: their time ran out, or their version runs no more."),
		reset:      counter("hearken.joins.reset", "{event}", "Waiting events that a reset cleared."),

		fired:    counter("hearken.firings.fired", "{firing}", "Firings that succeeded."),
		failed:   counter("hearken.firings.failed_attempts", "{attempt}", "Attempts at a firing that failed."),
		retried:  counter("hearken.firings.retried", "{attempt}", "Attempts put off for another."),
		duration: seconds("hearken.firing.duration", "From the beginning of a firing's first attempt to its end, by outcome: fired or dead_lettered."),
		latency:  seconds("hearken.event.latency", "From when the bus stored the event that made an action fire to the firing's end, by outcome: fired or dead_lettered."),
	}, errors.Join(errs...)
}

// What became of an emit, as spans and instruments say it.
const (
	outcomeStored   = "stored"
	outcomeFull     = "full"
	outcomeRejected = "rejected"
	outcomeInvalid  = "invalid"
	outcomeError    = "error"
)

// outcomeOf says what became of an emit that returned err.
func outcomeOf(err error) string {
	switch {
	case err == nil:
		return outcomeStored
	case errors.Is(err, bus.ErrFull):
		return outcomeFull
	case errors.Is(err, bus.ErrRejected):
		return outcomeRejected
	case IsPermanent(err):
		return outcomeInvalid
	default:
		return outcomeError
	}
}
