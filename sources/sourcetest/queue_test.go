package sourcetest_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/sources/sourcetest"
)

// queue is an upstream whose messages are taken, and deleted or handed back.
type queue struct {
	messages chan int
	mu       sync.Mutex
	outcomes map[int]sourcetest.Outcome
}

func newQueue() *queue {
	return &queue{messages: make(chan int, 1000), outcomes: map[int]sourcetest.Outcome{}}
}

func (q *queue) produce(_ context.Context, n int) error {
	q.messages <- n
	return nil
}

func (q *queue) outcome(n int) sourcetest.Outcome {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.outcomes[n]
}

func (q *queue) tell(n int, o sourcetest.Outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.outcomes[n] = o
}

// handBack makes a message be delivered again.
func (q *queue) handBack(n int, after time.Duration) {
	q.tell(n, sourcetest.Later)
	time.AfterFunc(after, func() { q.messages <- n })
}

// source takes messages from a queue. Without faults it keeps the contract.
type source struct {
	*queue
	workers int
	quit    chan struct{} // ends what a fault leaves running

	invalid, ignoresContext, otherError, endsEarly, onlyOnce, leaks  bool
	settlesFirst, fullSettles, fullDrops, fullRefuses, fullEndsRun   bool
	neverSettles, neverRepeats, errorSettles, errorDrops, endForgets bool
	newIDs, oneID, noIDs, noType, badJSON, reusesData                bool

	runs, ids atomic.Int64
	buffer    []byte
}

func (s *source) Validate() error {
	if s.invalid {
		return errors.New("a mistake")
	}
	return nil
}

func (s *source) Run(ctx context.Context, out hearken.Output) error {
	if s.onlyOnce && s.runs.Add(1) > 1 {
		<-ctx.Done()
		return nil
	}
	if s.leaks {
		go func() { <-s.quit }()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range s.workers {
		wg.Go(func() {
			if err := s.work(ctx, out); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return s.result(ctx)
}

var errEnd = errors.New("the end")

func (s *source) result(ctx context.Context) error {
	switch err := context.Cause(ctx); {
	case s.ignoresContext:
		<-s.quit
		return nil
	case s.otherError:
		return errEnd
	case errors.Is(err, errEnd):
		return nil
	default:
		return err
	}
}

func (s *source) work(ctx context.Context, out hearken.Output) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case n := <-s.messages:
			if err := s.handle(ctx, out, n); err != nil {
				return err
			}
		}
	}
}

func (s *source) handle(ctx context.Context, out hearken.Output, n int) error {
	if s.settlesFirst {
		s.tell(n, sourcetest.Settled)
	}
	e, err := s.event(n)
	if err != nil {
		return err
	}
	switch err = out.Emit(ctx, e); {
	case err == nil:
		s.tell(n, sourcetest.Settled)
	case errors.Is(err, bus.ErrFull):
		err = s.full(n, err)
	case hearken.IsPermanent(err):
		s.never(ctx, out, n, e)
		err = nil
	default:
		s.failed(n)
		err = nil
	}
	if s.endsEarly {
		return errEnd
	}
	return err
}

func (s *source) full(n int, err error) error {
	switch {
	case s.fullSettles:
		s.tell(n, sourcetest.Settled)
	case s.fullRefuses:
		s.tell(n, sourcetest.Refused)
	case s.fullEndsRun:
		s.handBack(n, time.Millisecond)
		return fmt.Errorf("stopped: %w", err)
	case !s.fullDrops:
		s.handBack(n, time.Millisecond)
	}
	return nil
}

func (s *source) never(ctx context.Context, out hearken.Output, n int, e hearken.Event) {
	switch {
	case s.neverSettles:
		s.tell(n, sourcetest.Settled)
	case s.neverRepeats:
		<-ctx.Done()
	default:
		s.tell(n, sourcetest.Refused)
		out.Logger.Warn("refused", "id", e.ID())
	}
}

func (s *source) failed(n int) {
	switch {
	case s.errorSettles:
		s.tell(n, sourcetest.Settled)
	case !s.errorDrops && !s.endForgets:
		s.handBack(n, time.Millisecond)
	case s.endForgets:
		s.tell(n, sourcetest.Later)
	}
}

func (s *source) event(n int) (hearken.Event, error) {
	id, typ, data := strconv.Itoa(n), "message", fmt.Appendf(nil, `{"n":%03d}`, n+100)
	switch {
	case s.newIDs:
		id = "new" + strconv.FormatInt(s.ids.Add(1), 10)
	case s.oneID:
		id = "one"
	case s.noIDs:
		id = ""
	}
	if s.noType {
		typ = ""
	}
	if s.badJSON {
		data = data[1:]
	}
	if s.reusesData {
		s.buffer = append(s.buffer[:0], data...)
		data = s.buffer
	}
	return hearken.NewEvent(typ, id, data)
}

// harness returns a harness for sources that are made anew from f, in a bubble.
func harness(f func(*source)) sourcetest.Harness {
	return sourcetest.Harness{
		Bubble:     true,
		Concurrent: true,
		New: func(t testing.TB) sourcetest.Upstream {
			q := newQueue()
			s := &source{queue: q, workers: 4, quit: make(chan struct{})}
			t.Cleanup(func() { close(s.quit) })
			f(s)
			return sourcetest.Upstream{Source: s, Produce: q.produce, Outcome: q.outcome}
		},
	}
}
