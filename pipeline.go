package hearken

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/hearken-go/hearken/bus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// Pipeline is event sources, a bus and sensors put together. Fill in the fields
// and call Run; do not change them, nor copy the pipeline, after that.
type Pipeline struct {
	// Name keeps what this application stores on the bus apart from others':
	// the places of its sensors, its stores, its firing IDs, its dead letters.
	// Processes with the same Name share their work. Required; no control
	// characters.
	Name string

	// Bus carries the events. Required: a silent in-memory bus would lose
	// events.
	Bus bus.Bus

	// Store keeps the state of joins and sources. Nil: the Bus's own, where it
	// has one.
	Store bus.Store

	// EventSources are the topics, with their sources.
	EventSources []*EventSource

	// Sensors act on the events.
	Sensors []Sensor

	// Logger gets what the pipeline has to say. An action that fails warns at
	// most once in 10 seconds; at level debug each attempt is logged, and why an
	// event was filtered out. A record of a firing has its span in the context.
	// Nil: slog.Default().
	//
	// The keys are stable: pipeline; event_source and event, the topic; event_id;
	// sensor, dependency, action, firing and attempt, as far as they apply. What
	// went wrong is error, with stack if it was a panic; failures counts how
	// often in a row, and retry_in is the wait, zero for none.
	Logger *slog.Logger

	// TracerProvider makes the spans: one for each publish (Emit, Redrive, a
	// dead letter), below the one in its context; and one for each firing, from
	// its first attempt to its end, which is linked to the traces of its events
	// and is in the context that the trigger gets. An event carries the context
	// of the span that published it in the extensions of CloudEvents' Distributed
	// Tracing, traceparent and tracestate; one that brought a traceparent keeps
	// it. A dead letter, and what Redrive makes of it, are events of their own,
	// linked to what they were.
	//
	// Nil: no traces. otel.GetTracerProvider is not asked: what is set for the
	// whole process is for the application to pass on.
	TracerProvider trace.TracerProvider

	// MeterProvider makes the instruments that the package's documentation lists.
	// Their attributes are names of parts and words of this package, never what
	// an event brings. Nil: no metrics, as with TracerProvider.
	MeterProvider metric.MeterProvider

	// Drain is how long Run lets firings and emits go on after its context has
	// ended. Zero: 20 s. Negative: none.
	Drain time.Duration

	started atomic.Bool
	running atomic.Pointer[runner]
}

// Validate finds all mistakes that can be found before anything runs, those of
// the pipeline's parts included (see Validator). It returns one error that
// joins, by errors.Join, a *ConfigError for each, or nil.
func (p *Pipeline) Validate() error {
	m := mistakes{seen: make(map[*Dependency]bool)}
	m.pipeline(p)
	return m.Err()
}

// Run validates, subscribes every sensor, then runs the sources, until ctx ends.
// A source that fails is run again after a backoff; one that fails for good
// (see Permanent) ends Run with its error.
//
// When ctx ends, intake ends first: sources are told to stop and sensors receive
// no more; what waits for a worker or a retry is handed back to the bus at once.
// Emits and firings under way go on for at most Drain and are then cancelled
// and handed back. Run returns nil after a clean end, ErrDrain when something
// had to be cut off. All goroutines that it started are gone by then, save a
// trigger or source that ignores its context.
//
// A pipeline runs once. A program that stays up after an error makes a new one.
func (p *Pipeline) Run(ctx context.Context) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if p.started.Swap(true) {
		return errors.New("hearken: the pipeline has been run already")
	}
	r := p.newRunner(ctx)
	p.running.Store(r)
	return r.run() //nolint:contextcheck // the runner has contexts of its own, made from ctx
}

// Emit publishes an event of s, which is one of the pipeline's EventSources, as
// its Source would through Output.Emit: what e leaves empty is stamped, and the
// same errors are returned. It may be called while Run is under way,
// concurrently, also by a trigger; ErrNotRunning means that it is not yet, or no
// longer. Unlike Output.Emit it ends when ctx does, and the event may then have
// been stored.
func (p *Pipeline) Emit(ctx context.Context, s *EventSource, e Event) error {
	r := p.running.Load()
	if r == nil {
		return ErrNotRunning
	}
	plan := r.sources[s]
	if plan == nil {
		return Permanent(refusedSource(p, s))
	}
	return r.publish(ctx, plan, e)
}

func refusedSource(p *Pipeline, s *EventSource) error {
	switch {
	case s == nil:
		return errors.New("hearken: emit for a nil event source")
	case s.Name == bus.DeadLetterSource:
		return errors.New("hearken: emit for DeadLetters, which the pipeline alone emits")
	}
	return errors.New("hearken: emit: the event source " + unlisted(p, s))
}
