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
	"github.com/hearken-go/hearken/internal/workqueue"
)

// sensorRun is a sensor that runs: one goroutine receives, workers match and
// fire, timers bring retries back to the workers.
//
// A delivery that has been received is held until all its tasks have ended.
// Each task is in one place at a time: in the queue, with a worker, or asleep.
type sensorRun struct {
	*sensorPlan
	run   *runner
	log   *slog.Logger
	queue workqueue.Queue[*task]

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
	firing Firing
	began  time.Time       // of the first attempt; zero: not yet
	ctx    attempt.Context // of the first attempt
	letter *deadLetter     // not nil: it failed for good
}

func newSensorRun(r *runner, p *sensorPlan) *sensorRun {
	return &sensorRun{
		sensorPlan: p,
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
	wg.Go(s.receive)
	for range s.workers {
		s.addWorker(wg)
	}
}

// receive takes deliveries from the bus until intake ends. The bus stops it
// when all places in flight are held.
func (s *sensorRun) receive() {
	ctx := s.run.intake
	for failures := 0; ctx.Err() == nil; {
		d, err := s.subscription().Receive(ctx)
		if err == nil {
			failures = 0
			s.accept(d)
			continue
		}
		if ctx.Err() != nil {
			return
		}
		failures++
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
	if errors.Is(err, bus.ErrClosed) {
		sub, err := s.run.bus.Subscribe(s.run.intake, s.group)
		if err != nil {
			s.stats.failed(err)
			return
		}
		s.setSubscription(sub)
		s.log.Warn("sensor subscribed again", "group", s.group.Name)
	}
	s.stats.receiving.Store(true)
}

// accept takes a delivery in hand. One whose position is held already is the
// same event come again: settling the first settles it.
func (s *sensorRun) accept(d bus.Delivery) {
	h := &held{Delivery: d}
	h.open.Store(1)
	h.first.held = h
	s.mu.Lock()
	_, again := s.held[d.Pos]
	if !again {
		s.held[d.Pos] = h
	}
	s.mu.Unlock()
	if again {
		s.stats.repeated.Add(1)
		return
	}
	s.stats.received.Add(1)
	if !s.queue.Push(&h.first) {
		s.end(&h.first, false)
	}
}

// end ends a task, finished or to be handed back, and with the last one of a
// delivery settles it.
func (s *sensorRun) end(t *task, finished bool) {
	if !finished {
		t.handBack.Store(true)
	}
	if t.open.Add(-1) == 0 {
		s.settle(t.held)
	}
}

func (s *sensorRun) settle(h *held) {
	s.mu.Lock()
	delete(s.held, h.Pos)
	s.mu.Unlock()
	var err error
	if h.handBack.Load() {
		s.stats.handedBack.Add(1)
		err = h.Retry(s.run.settling, h.after)
	} else {
		s.stats.settled.Add(1)
		err = h.Ack(s.run.settling)
	}
	if err != nil {
		// The bus will deliver it again: a duplicate, never a loss.
		s.stats.failed(fmt.Errorf("settle: %w", err))
		s.log.Debug("delivery was not settled", "topic", h.Topic.String(), "event_id", h.Event.ID(), "error", err)
	}
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
	if mine && !s.queue.Push(t) {
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
	for _, t := range s.queue.Close() {
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
	current  *task
}

func (s *sensorRun) addWorker(wg *sync.WaitGroup) {
	wg.Go(func() {
		w := worker{sensorRun: s}
		ended := false
		defer func() {
			if !ended { // by runtime.Goexit, as testing.T.FailNow does
				s.addWorker(wg)
				w.exited()
			}
		}()
		for t, ok := s.queue.Pop(); ok; t, ok = s.queue.Pop() {
			w.do(t)
		}
		ended = true
	})
}

var errGoexit = errors.New("the goroutine was ended by runtime.Goexit")

// exited fails the task whose filter or trigger has ended the goroutine.
func (w *worker) exited() {
	if t := w.current; t.action == nil {
		w.bury(t, errGoexit)
	} else {
		w.failed(t, errGoexit)
	}
}

func (w *worker) do(t *task) {
	w.current = t
	now := time.Now() // asked for once: it is a good part of what a delivery costs
	switch {
	case t.letter != nil:
		w.publishLetter(t)
	case t.action == nil:
		w.stats.last.set(now)
		w.match(t, now)
	default:
		w.attempt(t, now)
	}
}

// attempt fires once, and says what follows.
func (w *worker) attempt(t *task, now time.Time) {
	ctx := &t.ctx
	if t.firing.Attempt++; t.firing.Attempt > 1 {
		ctx = new(attempt.Context) // somebody may have kept the first
	}
	limited, err := w.fire(ctx, t, now)
	switch {
	case err == nil:
		t.action.stats.succeeded(now)
		w.end(t, true)
	case limited && w.run.intake.Err() != nil:
		w.end(t, false) // had not begun
	case w.run.work.Err() != nil:
		w.end(t, false) // cut off by the end of the drain: nobody's failure
	default:
		w.failed(t, err)
	}
}

// fire waits for the rate limit, which it says in limited if it was denied, and
// calls the trigger. A panic is an error of this firing only.
func (w *worker) fire(ctx *attempt.Context, t *task, now time.Time) (limited bool, err error) {
	a := t.action
	defer func() {
		if v := recover(); v != nil {
			err = newPanicError("trigger", v)
		}
	}()
	if a.RateLimit != nil {
		if err := a.RateLimit.Wait(w.run.intake); err != nil {
			return true, fmt.Errorf("rate limit: %w", err)
		}
		now = time.Now()
	}
	if t.began.IsZero() {
		t.began = now
	}
	if a.timeout > 0 {
		ctx.Start(w.run.work, now.Add(a.timeout))
	} else {
		ctx.Start(w.run.work, time.Time{})
	}
	defer ctx.End()
	return false, a.Trigger.Fire(ctx, t.firing)
}

// failed puts a task aside for its next attempt, or gives it up.
func (s *sensorRun) failed(t *task, err error) {
	a, n := t.action, t.firing.Attempt
	a.stats.failed(err)
	pause := max(backoff.Jitter(n, a.retry.Min, a.retry.Max), retryAfter(err))
	level := slog.LevelDebug
	if a.stats.warn() {
		level = slog.LevelWarn
	}
	if t.began.IsZero() {
		t.began = time.Now() // a rate limiter failed before the first attempt
	}
	again := !IsPermanent(err) && (a.retry.Attempts == 0 || n < a.retry.Attempts) && time.Since(t.began)+pause <= a.retry.For
	s.log.Log(context.Background(), level, "firing failed", append(stackOf(err), //nolint:contextcheck // nothing to carry
		"action", a.name, "firing", t.firing.ID, "attempt", n, "error", err, "again", again)...)
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
