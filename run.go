package hearken

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearken-go/hearken/bus"
	"go.opentelemetry.io/otel/trace"
)

// afterDrain is how long triggers and sources may take to notice that their
// context has been cancelled before Run returns without them.
const afterDrain = time.Second

// runner is a Pipeline that runs.
type runner struct {
	*Pipeline
	bus     bus.Bus
	store   bus.Store // nil: none
	log     *slog.Logger
	sources map[*EventSource]*sourcePlan
	sensors []*sensorRun
	emits   gate
	ready   atomic.Bool
	ended   atomic.Bool
	tele    telemetry

	// intake ends when Run's context does, or a source fails for good: sources
	// and Receive stop, and sleeping retries are handed back.
	intake     context.Context //nolint:containedctx // the life of the run
	stopIntake context.CancelCauseFunc
	// work ends when the drain is over: emits and firings under way stop.
	work     context.Context //nolint:containedctx // the life of the run
	stopWork context.CancelFunc
	// settling ends when all that could be settled has been: it bounds Ack and
	// Retry, which go on while work is cut off.
	settling     context.Context //nolint:containedctx // the life of the run
	stopSettling context.CancelFunc
}

func (p *Pipeline) newRunner(ctx context.Context) *runner {
	r := &runner{Pipeline: p, bus: p.Bus, log: p.logger(), sources: make(map[*EventSource]*sourcePlan)}
	ctx = trace.ContextWithSpanContext(ctx, trace.SpanContext{}) // a span around Run is nobody's parent: it would be that of all
	r.intake, r.stopIntake = context.WithCancelCause(ctx)
	r.settling, r.stopSettling = context.WithCancel(context.WithoutCancel(ctx))
	r.work, r.stopWork = context.WithCancel(r.settling)
	for _, s := range p.EventSources {
		r.sources[s] = planSource(s)
	}
	for i := range p.Sensors {
		r.sensors = append(r.sensors, newSensorRun(r, planSensor(p.Name, &p.Sensors[i])))
	}
	return r.instrumented()
}

func (p *Pipeline) logger() *slog.Logger {
	l := p.Logger
	if l == nil {
		l = slog.Default()
	}
	return l.With("pipeline", p.Name)
}

// run does what Pipeline.Run promises.
func (r *runner) run() error {
	defer r.ended.Store(true)
	defer r.stopSettling()
	defer r.stopIntake(nil)
	if err := r.begin(); err != nil {
		if r.intake.Err() != nil {
			err = nil // told to stop before it began
		}
		return errors.Join(err, r.unsubscribe())
	}
	var sensors, sources sync.WaitGroup
	for _, s := range r.sensors {
		s.start(&sensors)
	}
	if r.store != nil {
		sensors.Go(r.watchRetired)
	}
	r.emits.unlock()
	r.ready.Store(true)
	r.log.Info("pipeline is ready", "event_sources", len(r.sources), "sensors", len(r.sensors))
	for _, s := range r.sources {
		if s.Source != nil {
			sources.Go(func() { r.supervise(s) })
		}
	}
	<-r.intake.Done()
	r.ready.Store(false)
	r.log.Info("pipeline is draining", "drain", r.drain())
	err := r.stop(&sources, &sensors)
	r.log.Info("pipeline has ended", "clean", err == nil)
	if cause := context.Cause(r.intake); IsPermanent(cause) {
		return errors.Join(cause, err)
	}
	return err
}

// begin does what comes before anything can be received.
func (r *runner) begin() error {
	if err := r.openStore(); err != nil {
		return err
	}
	return r.subscribe()
}

func (r *runner) openStore() error {
	r.store = r.Pipeline.Store
	storer, ok := r.bus.(bus.Storer)
	if r.store != nil || !ok {
		return nil
	}
	// The store may outlive intake, and so may what it does with the context.
	stop := context.AfterFunc(r.intake, r.stopSettling)
	var err error
	r.store, err = storer.Store(r.settling)
	if !stop() {
		err = r.intake.Err()
	}
	if err != nil {
		return fmt.Errorf("the bus's store: %w", err)
	}
	return nil
}

func (r *runner) subscribe() error {
	had := sync.OnceValue(r.hadJoins)
	for _, s := range r.sensors {
		if err := s.openJoins(had); err != nil {
			return err
		}
		sub, err := r.bus.Subscribe(r.intake, s.group)
		if err != nil {
			return fmt.Errorf("subscribe sensor %q: %w", s.name, err)
		}
		s.setSubscription(sub)
		s.warnOfUnknownLetters()
		s.log.Info("sensor subscribed", "group", s.group.Name, "topics", s.group.Topics)
	}
	return nil
}

func (r *runner) unsubscribe() error {
	var errs []error
	for _, s := range r.sensors {
		if sub := s.subscription(); sub != nil {
			if err := s.close(sub); err != nil {
				errs = append(errs, fmt.Errorf("close subscription of sensor %q: %w", s.name, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (r *runner) drain() time.Duration {
	return max(orDefault(r.Drain, defaultDrain), 0)
}

// stop ends what intake's end has not: it lets emits and firings under way end
// within Drain, then cancels them, then hands everything back.
func (r *runner) stop(sources, sensors *sync.WaitGroup) error {
	draining, cancel := context.WithTimeout(r.work, r.drain())
	defer cancel()
	for _, s := range r.sensors {
		sensors.Go(s.stop)
	}
	var late error
	if !r.drained(draining, sources, sensors) {
		late = r.late()
		r.stopWork()
		grace, cancel := context.WithTimeout(r.settling, afterDrain)
		defer cancel()
		if !r.drained(grace, sources, sensors) && late == nil {
			late = fmt.Errorf("%w (%v): the bus did not take back a delivery", ErrDrain, r.drain())
		}
		r.emits.shut(grace) // whatever else still runs
	}
	r.stopSettling()
	return errors.Join(late, r.unsubscribe())
}

// drained reports whether nothing was under way any more before ctx ended.
func (r *runner) drained(ctx context.Context, sources, sensors *sync.WaitGroup) bool {
	return wait(ctx, sources) && wait(ctx, sensors) && r.emits.shut(ctx) == 0
}

// wait returns whether wg was done before ctx ended.
func wait(ctx context.Context, wg *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// late names what still runs at the end of the drain.
func (r *runner) late() error {
	var what []string
	for _, s := range r.sensors {
		what = append(what, s.firing()...)
	}
	for _, s := range r.sources {
		if s.stats.running.Load() {
			what = append(what, fmt.Sprintf("event source %s", s.topic))
		}
	}
	if emitting := r.emits.within(); emitting > 0 {
		what = append(what, fmt.Sprintf("%d emits", emitting))
	}
	if len(what) == 0 {
		return nil // it ended in the meantime
	}
	return fmt.Errorf("%w (%v): %s", ErrDrain, r.drain(), strings.Join(what, ", "))
}

// warnOfUnknownLetters says so where dead letters are those of a sensor that is
// not here: it may run in another process, or its name may be misspelt.
func (s *sensorRun) warnOfUnknownLetters() {
	for _, d := range s.deps {
		known := func(o *sensorRun) bool { return o.name == d.letters }
		if d.letters != "" && d.letters != "*" && !slices.ContainsFunc(s.run.sensors, known) {
			s.log.Warn("dead letters of a sensor that this pipeline does not have", "dependency", d.name(), "dead_letters_of", d.letters)
		}
	}
}
