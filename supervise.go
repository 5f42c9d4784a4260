package hearken

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/internal/backoff"
)

// A failed source is run again after a wait with full jitter. The wait begins
// anew once the source has emitted something, or has run for a while.
const (
	restartMin    = 500 * time.Millisecond
	restartMax    = 30 * time.Second
	restartHealed = time.Minute
)

// supervise runs a source until it has finished, or intake ends.
func (r *runner) supervise(s *sourcePlan) {
	log := r.log.With("event_source", s.Name, "event", s.Event)
	log.Info("event source begins")
	out := r.output(s)
	out.Logger = log
	for failures := 1; ; failures++ {
		started, before := time.Now(), s.stats.stored.Load()
		err := s.run(r.intake, out)
		switch {
		case r.intake.Err() != nil:
			if err != nil && !errors.Is(err, context.Canceled) {
				log.Warn("event source ended with an error on shutdown", "error", err)
			}
			return
		case err == nil:
			log.Info("event source has finished")
			return
		case IsPermanent(err) && !isOfEmit(err):
			s.stats.failed(err)
			r.stopIntake(Permanent(fmt.Errorf("event source %s: %w", s.topic, err)))
			return
		}
		if s.stats.stored.Load() > before || time.Since(started) >= restartHealed {
			failures = 1
		}
		pause := max(backoff.Jitter(failures, restartMin, restartMax), retryAfter(err))
		s.stats.failed(err)
		s.stats.restarts.Add(1)
		log.Warn("event source failed and will be run again", append(stackOf(err), "error", err, "failures", failures, "retry_in", pause)...)
		if !sleep(r.intake, pause) {
			return
		}
	}
}

func (r *runner) output(s *sourcePlan) Output {
	out := Output{
		Topic: s.topic,
		Emit: func(ctx context.Context, e Event) error {
			ctx, cancel := r.detach(ctx)
			defer cancel()
			if err := r.publish(ctx, s, e); err != nil {
				return &emitError{err}
			}
			return nil
		},
	}
	if d, ok := r.bus.(bus.Deduper); ok {
		out.Dedupe = d.DedupeWindow()
	}
	if r.store != nil {
		out.Store = corner{r.store, sourceCorner(r.Name, s.topic)}
	}
	return out
}

// run calls the source, in a goroutine of its own, and makes of a panic or of the
// goroutine's end an error of this run.
func (s *sourcePlan) run(ctx context.Context, out Output) error {
	s.stats.running.Store(true)
	defer s.stats.running.Store(false)
	ended := make(chan error, 1)
	go func() {
		err := errGoexit
		defer func() {
			if v := recover(); v != nil {
				err = newPanicError("source", v)
			}
			ended <- err
		}()
		err = sound(s.Source.Run(ctx, out))
	}()
	return <-ended
}

// sound returns err, or in its place one that says that it cannot be looked into:
// a nil pointer that a source returns as its error panics when it is unwrapped.
func sound(err error) (looked error) {
	if err == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			looked = fmt.Errorf("an error of type %T panicked when it was unwrapped: %v", err, v)
		}
	}()
	IsPermanent(err)
	return err
}

// emitError marks an error of Emit: one event that can never be taken is no
// reason to end a pipeline, whose source may have returned it as its own error.
type emitError struct{ err error }

func (e *emitError) Error() string { return e.err.Error() }
func (e *emitError) Unwrap() error { return e.err }

func isOfEmit(err error) bool {
	var e *emitError
	return errors.As(err, &e)
}

// sleep returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 { // such a timer makes the race detector crash at times in a test's bubble
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
