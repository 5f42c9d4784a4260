package hearken

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearken-go/hearken/bus"
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

	// intake ends when Run's context does, or a source fails for good: sources
	// and Receive stop, and sleeping retries are handed back.
	intake     context.Context //nolint:containedctx // the life of the run
	stopIntake context.CancelCauseFunc
	// work ends when the drain is over: emits and firings under way stop.
	work     context.Context //nolint:containedctx // the life of the run
	stopWork context.CancelFunc
	// settling never ends: a delivery is settled whatever else has ended.
	settling context.Context //nolint:containedctx // the life of the run
}

func (p *Pipeline) newRunner(ctx context.Context) *runner {
	r := &runner{Pipeline: p, bus: p.Bus, log: p.logger(), sources: make(map[*EventSource]*sourcePlan)}
	r.intake, r.stopIntake = context.WithCancelCause(ctx)
	r.settling = context.WithoutCancel(ctx)
	r.work, r.stopWork = context.WithCancel(r.settling)
	for _, s := range p.EventSources {
		r.sources[s] = planSource(s)
	}
	for i := range p.Sensors {
		r.sensors = append(r.sensors, newSensorRun(r, planSensor(p.Name, &p.Sensors[i])))
	}
	return r
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
	defer r.stopWork()
	defer r.stopIntake(nil)
	if err := r.openStore(); err != nil {
		return err
	}
	if err := r.subscribe(); err != nil {
		return errors.Join(err, r.unsubscribe())
	}
	var sensors, sources sync.WaitGroup
	for _, s := range r.sensors {
		s.start(&sensors)
	}
	r.emits.unlock()
	r.ready.Store(true)
	for _, s := range r.sources {
		if s.Source != nil {
			sources.Go(func() { r.supervise(s) })
		}
	}
	<-r.intake.Done()
	r.ready.Store(false)
	r.log.Info("pipeline is draining", "drain", r.drain())
	err := r.stop(&sources, &sensors)
	if cause := context.Cause(r.intake); IsPermanent(cause) {
		return errors.Join(cause, err)
	}
	return err
}

func (r *runner) openStore() error {
	r.store = r.Pipeline.Store
	storer, ok := r.bus.(bus.Storer)
	if r.store != nil || !ok {
		return nil
	}
	var err error
	if r.store, err = storer.Store(r.intake); err != nil {
		return fmt.Errorf("the bus's store: %w", err)
	}
	return nil
}

func (r *runner) subscribe() error {
	for _, s := range r.sensors {
		sub, err := r.bus.Subscribe(r.intake, s.group)
		if err != nil {
			return fmt.Errorf("subscribe sensor %q: %w", s.name, err)
		}
		s.setSubscription(sub)
		s.log.Info("sensor subscribed", "group", s.group.Name, "topics", s.group.Topics)
	}
	return nil
}

func (r *runner) unsubscribe() error {
	ctx, cancel := context.WithTimeout(r.settling, closeTimeout)
	defer cancel()
	var errs []error
	for _, s := range r.sensors {
		if sub := s.subscription(); sub != nil {
			if err := sub.Close(ctx); err != nil {
				errs = append(errs, fmt.Errorf("close subscription of sensor %q: %w", s.name, err))
			}
		}
	}
	return errors.Join(errs...)
}

// closeTimeout bounds the closing of the subscriptions, which only hands back.
const closeTimeout = 5 * time.Second

func (r *runner) drain() time.Duration {
	return max(orDefault(r.Drain, defaultDrain), 0)
}

// stop ends what intake's end has not: it lets emits and firings under way end
// within Drain, then cancels them, then hands everything back.
func (r *runner) stop(sources, sensors *sync.WaitGroup) error {
	for _, s := range r.sensors {
		s.stop()
	}
	draining, cancel := context.WithTimeout(r.work, r.drain())
	defer cancel()
	drained := wait(draining, sources) && wait(draining, sensors)
	emitting := 0
	if drained {
		emitting = r.emits.shut(draining)
	}
	var late error
	if !drained || emitting > 0 {
		late = r.late(emitting)
		r.stopWork()
		grace, cancel := context.WithTimeout(r.settling, afterDrain)
		defer cancel()
		wait(grace, sources)
		wait(grace, sensors)
		r.emits.shut(grace)
	}
	return errors.Join(late, r.unsubscribe())
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
func (r *runner) late(emitting int) error {
	var what []string
	for _, s := range r.sensors {
		what = append(what, s.firing()...)
	}
	for _, s := range r.sources {
		if s.stats.running.Load() {
			what = append(what, fmt.Sprintf("event source %s", s.topic))
		}
	}
	if emitting > 0 {
		what = append(what, fmt.Sprintf("%d emits", emitting))
	}
	if len(what) == 0 {
		return nil // it ended in the meantime
	}
	return fmt.Errorf("%w (%v): %s", ErrDrain, r.drain(), strings.Join(what, ", "))
}
