package hearken

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/internal/attempt"
	"github.com/hearken-go/hearken/internal/backoff"
	"github.com/hearken-go/hearken/internal/crew"
	"github.com/hearken-go/hearken/internal/join"
	"go.opentelemetry.io/otel/trace"
)

// sensorRun is a sensor that runs: a crew of workers, one of which receives while
// the others match and fire, and timers that bring retries back to them.
//
// A delivery that has been received is held until all its tasks have ended.
// Each task is in one place at a time: waiting, with a worker, or asleep.
type sensorRun struct {
	*sensorPlan
	run  *runner
	log  *slog.Logger
	crew *crew.Crew[*task]
	// joins remember the events that wait; nil: none do.
	joins *join.Engine

	mu       sync.Mutex
	sub      bus.Subscription
	held     map[bus.Pos]*held
	sleeping map[*task]*time.Timer
	stopped  bool
}

// held is a delivery that is not settled.
type held struct {
	bus.Delivery
	open     atomic.Int32 // tasks that have not ended
	handBack atomic.Bool  // a task ended without being finished
	after    time.Duration
	first    task // the matching, then the first action's; there is seldom a second
}

// task is what one action has to do about a delivery. Without an action it is
// the matching that finds the actions.
type task struct {
	*held
	action *actionPlan
	ended  bool
	firing Firing
	began  time.Time       // of the first attempt; zero: not yet
	ctx    attempt.Context // of the first attempt
	letter *deadLetter     // not nil: it failed for good
	join   *joining        // nil: one event is enough
	span   trace.Span      // of the firing, from the first attempt; nil: not traced
}

func newSensorRun(r *runner, p *sensorPlan) *sensorRun {
	return &sensorRun{
		sensorPlan: p,
		crew:       crew.New[*task](p.workers),
		run:        r,
		log:        r.log.With("sensor", p.name),
		held:       make(map[bus.Pos]*held),
		sleeping:   make(map[*task]*time.Timer),
	}
}

func (s *sensorRun) subscription() bus.Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sub
}

func (s *sensorRun) setSubscription(sub bus.Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sub = sub
	s.stats.receiving.Store(true)
}

func (s *sensorRun) start(wg *sync.WaitGroup) {
	for range s.workers + 1 { // one more, to receive while all others are busy
		s.addWorker(wg)
	}
	if s.joins != nil {
		wg.Go(s.sweepJoins)
	}
}

// receive waits for the next delivery, through all troubles of the bus, until
// intake ends. The bus stops it when all places in flight are held.
func (s *sensorRun) receive() (bus.Delivery, bool) {
	ctx := s.run.intake
	for failures := 1; ; failures++ {
		d, err := s.subscription().Receive(ctx)
		if err == nil {
			return d, true
		}
		if ctx.Err() != nil {
			return d, false
		}
		s.stats.receiving.Store(false)
		s.stats.failed(err)
		s.log.Warn("sensor cannot receive", "error", err, "failures", failures)
		if sleep(ctx, backoff.Jitter(failures, restartMin, restartMax)) {
			s.resubscribe(err)
		}
	}
}

// resubscribe makes good for a subscription that is gone: its group was
// forgotten, or the bus was closed under it.
func (s *sensorRun) resubscribe(err error) {
	if !errors.Is(err, bus.ErrClosed) {
		s.stats.receiving.Store(true)
		return
	}
	if err := s.close(s.subscription()); err != nil {
		s.log.Debug("the lost subscription was not closed", "error", err)
	}
	sub, err := s.run.bus.Subscribe(s.run.intake, s.group)
	if err != nil {
		s.stats.failed(err)
		s.log.Warn("sensor cannot subscribe again", "group", s.group.Name, "error", err)
		return
	}
	s.setSubscription(sub)
	s.log.Warn("sensor subscribed again", "group", s.group.Name)
}

// closeTimeout bounds the closing of a subscription, which only hands back.
const closeTimeout = 5 * time.Second

func (s *sensorRun) close(sub bus.Subscription) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.run.settling), closeTimeout)
	defer cancel()
	return sub.Close(ctx)
}

// accept takes a delivery in hand and returns its first task, or nil. One whose
// position is held already is the same event come again, and is settled in its
// place: the subscription that the first came by may be gone.
func (s *sensorRun) accept(d bus.Delivery) *task {
	h := &held{Delivery: d}
	h.open.Store(1)
	h.first.held = h
	s.mu.Lock()
	first := s.held[d.Pos]
	if first == nil {
		s.held[d.Pos] = h
	} else {
		first.Settler = d.Settler
	}
	s.mu.Unlock()
	if first != nil {
		s.stats.repeated.Add(1)
		return nil
	}
	s.stats.accepted(d.Attempt)
	return &h.first
}

// end ends a task, finished or to be handed back, and with the last one of a
// delivery settles it.
func (s *sensorRun) end(t *task, finished bool) {
	t.ended = true
	t.told(s.run.work, finished)
	if !finished {
		t.handBack.Store(true)
		if t.letter != nil && t.letter.tries > 0 {
			s.stats.unburied.Add(-1)
		}
	}
	if t.open.Add(-1) == 0 {
		s.settle(t.held)
	}
}

func (s *sensorRun) settle(h *held) {
	s.mu.Lock()
	delete(s.held, h.Pos)
	settler := h.Settler
	s.mu.Unlock()
	s.stats.inFlight.Add(-1)
	var err error
	if h.handBack.Load() {
		s.stats.handedBack.Add(1)
		err = guarded("the bus", func() error { return settler.Retry(s.run.settling, h.after) })
	} else {
		s.stats.settled.Add(1)
		err = guarded("the bus", func() error { return settler.Ack(s.run.settling) })
	}
	if err != nil {
		s.unsettled(h, err)
	}
}

// unsettled tells that the bus did not take an answer. It will deliver the event
// again: a duplicate, never a loss.
func (s *sensorRun) unsettled(h *held, err error) {
	s.stats.failed(fmt.Errorf("settle: %w", err))
	level, stack := slog.LevelDebug, stackOf(err)
	if stack != nil {
		level = slog.LevelError // no outage, which is told where it is received, but a bug
	}
	s.log.Log(s.run.settling, level, "delivery was not settled", append(stack,
		"event_source", h.Topic.EventSource, "event", h.Topic.Event, "event_id", h.Event.ID(), "error", err)...)
}

// sleep puts a task aside. It returns false when the sensor is stopping.
func (s *sensorRun) sleep(t *task, d time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.sleeping[t] = time.AfterFunc(d, func() { s.wake(t) })
	return true
}

// wake gives a task that has slept to the workers, unless stop was faster.
func (s *sensorRun) wake(t *task) {
	s.mu.Lock()
	_, mine := s.sleeping[t]
	delete(s.sleeping, t)
	s.mu.Unlock()
	if mine && !s.crew.Push(t) {
		s.end(t, false)
	}
}

// stop hands back what no worker has begun. The workers end with what they have
// in hand.
func (s *sensorRun) stop() {
	s.mu.Lock()
	s.stopped = true
	asleep := s.sleeping
	s.sleeping = make(map[*task]*time.Timer)
	s.mu.Unlock()
	for _, t := range s.crew.Close() {
		s.end(t, false)
	}
	for t, timer := range asleep {
		timer.Stop()
		s.end(t, false)
	}
}

// firing names the events that are held.
func (s *sensorRun) firing() []string {
	const most = 5
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, h := range s.held {
		if len(names) == most {
			names = append(names, fmt.Sprintf("sensor %q: %d more", s.name, len(s.held)-most))
			break
		}
		names = append(names, fmt.Sprintf("sensor %q: event %q of %s", s.name, h.Event.ID(), h.Topic))
	}
	return names
}

// worker runs tasks.
type worker struct {
	*sensorRun
	verdicts []verdict // of the delivery being matched
}

func (s *sensorRun) addWorker(wg *sync.WaitGroup) {
	wg.Go(func() {
		w := worker{sensorRun: s}
		ended := false
		defer func() {
			if !ended { // by runtime.Goexit, as testing.T.FailNow does
				s.addWorker(wg)
			}
		}()
		for t, turn := w.next(); turn != crew.Home; t, turn = w.next() {
			w.do(t)
		}
		ended = true
	})
}

// next returns the next task, if need be by receiving it.
func (w *worker) next() (*task, crew.Turn) {
	t, turn := w.crew.Next()
	for turn == crew.Lead {
		d, ok := w.receive()
		if !ok {
			return nil, crew.Home
		}
		if t = w.accept(d); t == nil {
			continue
		}
		own, ok := w.crew.Got(t)
		if !ok {
			w.end(t, false)
			return nil, crew.Home
		}
		if own {
			turn = crew.Work
		}
	}
	return t, turn
}

var errGoexit = errors.New("the goroutine was ended by runtime.Goexit")

// do runs a task. Whatever of the application's code panics or ends the
// goroutine fails this task only.
func (w *worker) do(t *task) {
	defer w.crew.Done()
	returned := false
	defer func() {
		if v := recover(); v != nil {
			w.broken(t, newPanicError("what the event met", v))
		} else if !returned {
			w.broken(t, errGoexit)
		}
	}()
	now := time.Now() // asked for once: it is a good part of what a delivery costs
	if t.action == nil && t.letter == nil {
		w.stats.last.set(now)
		w.match(t, now)
	} else {
		w.proceed(t, now)
	}
	returned = true
}

// broken goes on with a task that was left in the middle.
func (w *worker) broken(t *task, err error) {
	switch {
	case t.ended:
		w.log.Error("the end of an event was broken off", append(stackOf(err), "error", err)...)
	case t.action == nil || t.letter != nil || !errors.Is(err, errGoexit):
		w.bury(t, err)
	default:
		w.failed(t, err)
	}
}

// attempt fires once, and says what follows.
func (w *worker) attempt(t *task, now time.Time) {
	if a := t.action; a.RateLimit != nil {
		if err := limit(w.run.intake, a.RateLimit); err != nil {
			w.unlimited(t, now, err)
			return
		}
		now = time.Now()
	}
	ctx := &t.ctx
	if t.firing.Attempt++; t.firing.Attempt > 1 {
		ctx = new(attempt.Context) // somebody may have kept the first
	}
	if t.began.IsZero() {
		t.began = now
	}
	var deadline time.Time
	if t.action.timeout > 0 {
		deadline = now.Add(t.action.timeout)
	}
	ctx.Start(t.traced(w.run.work), deadline)
	err := fire(ctx, t.action.Trigger, t.firing)
	switch {
	case err == nil:
		t.action.stats.succeeded(now)
		w.tellFired(t, now)
		w.finish(t)
	case w.run.work.Err() != nil:
		w.end(t, false) // cut off by the end of the drain: nobody's failure
	default:
		w.failed(t, err)
	}
}

// tellFired logs a success, for whoever wonders whether anything happens.
func (s *sensorRun) tellFired(t *task, began time.Time) {
	if !s.log.Enabled(s.run.work, slog.LevelDebug) {
		return
	}
	s.log.DebugContext(t.within(s.run.work), "fired", "action", t.action.name, "firing", t.firing.ID,
		"event_source", t.Topic.EventSource, "event", t.Topic.Event, "event_id", t.Event.ID(),
		"attempt", t.firing.Attempt, "took", time.Since(began))
}

// unlimited goes on with a task that a rate limiter did not let pass. That is
// no attempt, but it takes of the time for retries.
func (w *worker) unlimited(t *task, now time.Time, err error) {
	if w.run.intake.Err() != nil {
		w.end(t, false)
		return
	}
	if t.began.IsZero() {
		t.began = now
	}
	w.failed(t, err)
}

func limit(ctx context.Context, l interface{ Wait(context.Context) error }) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = newPanicError("rate limit", v)
		}
	}()
	if err := l.Wait(ctx); err != nil {
		return fmt.Errorf("rate limit: %w", err)
	}
	return nil
}

// fire calls the trigger and makes of a panic an error of this firing.
func fire(ctx *attempt.Context, t Trigger, f Firing) (err error) {
	defer ctx.End()
	defer func() {
		if v := recover(); v != nil {
			err = newPanicError("trigger", v)
		}
	}()
	return t.Fire(ctx, f)
}

// failed puts a task aside for its next attempt, or gives it up.
func (s *sensorRun) failed(t *task, err error) {
	a, n := t.action, t.firing.Attempt
	a.stats.failed(err)
	t.attempted(err)
	pause := max(backoff.Jitter(max(n, 1), a.retry.Min, a.retry.Max), retryAfter(err))
	level := slog.LevelDebug
	if a.stats.warn() {
		level = slog.LevelWarn
	}
	again := !IsPermanent(err) && (a.retry.Attempts == 0 || n < a.retry.Attempts) && pause <= a.retry.For-time.Since(t.began)
	var wait time.Duration // zero: it is given up
	if again {
		wait = pause
	}
	s.log.Log(t.within(s.run.work), level, "firing failed", append(stackOf(err),
		"action", a.name, "firing", t.firing.ID, "event_source", t.Topic.EventSource, "event", t.Topic.Event, "event_id", t.Event.ID(),
		"attempt", n, "error", err, "retry_in", wait)...)
	if !again {
		s.bury(t, err)
		return
	}
	if !s.sleep(t, pause) {
		s.end(t, false)
		return
	}
	a.stats.retried.Add(1)
}
