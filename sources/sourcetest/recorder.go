package sourcetest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
)

// Recorder stands in for the pipeline behind a source and remembers what the
// source emits. The zero value is ready to use, and stores every event. It
// keeps each event as the source made it: nothing is stamped, checked or
// dropped as a duplicate.
type Recorder struct {
	// Then decides what Emit returns, after the attempt was recorded:
	// FailFirst, a Gate's Emit, or any function. It is called concurrently if
	// the source emits so. Nil: every event is stored.
	Then func(ctx context.Context, e hearken.Event) error

	// Topic and Store are handed to the source as they are.
	Topic bus.Topic
	Store bus.Store

	// Logger is handed to the source. Nil: what it logs is discarded.
	Logger *slog.Logger

	mu       sync.Mutex
	attempts []hearken.Event
	events   []hearken.Event
	changed  chan struct{} // closed and replaced at each record; nil: nobody waits
}

// Output returns what to pass to a source's Run.
func (r *Recorder) Output() hearken.Output {
	logger := r.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return hearken.Output{Topic: r.Topic, Emit: r.emit, Store: r.Store, Logger: logger}
}

func (r *Recorder) emit(ctx context.Context, e hearken.Event) error {
	r.record(&r.attempts, e)
	if r.Then != nil {
		if err := r.Then(ctx, e); err != nil {
			return err
		}
	}
	r.record(&r.events, e)
	return nil
}

func (r *Recorder) record(list *[]hearken.Event, e hearken.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*list = append(*list, e)
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// Events returns the events for which Emit returned nil, in the order in which
// it did.
func (r *Recorder) Events() []hearken.Event { return r.list(&r.events) }

// Attempts returns the events of all calls of Emit, those that failed too, in
// the order in which they began.
func (r *Recorder) Attempts() []hearken.Event { return r.list(&r.attempts) }

func (r *Recorder) list(list *[]hearken.Event) []hearken.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(*list)
}

// Wait returns Events as soon as there are n. When ctx ends first it returns
// those there are and an error that wraps ctx's.
func (r *Recorder) Wait(ctx context.Context, n int) ([]hearken.Event, error) {
	return r.wait(ctx, n, &r.events, "events")
}

// WaitAttempts is Wait for Attempts.
func (r *Recorder) WaitAttempts(ctx context.Context, n int) ([]hearken.Event, error) {
	return r.wait(ctx, n, &r.attempts, "attempts")
}

func (r *Recorder) wait(ctx context.Context, n int, list *[]hearken.Event, what string) ([]hearken.Event, error) {
	for {
		got, changed := r.watch(list)
		if len(got) >= n {
			return got, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if got = r.list(list); len(got) >= n {
				return got, nil
			}
			return got, fmt.Errorf("%d of %d %s: %w", len(got), n, what, ctx.Err())
		}
	}
}

func (r *Recorder) watch(list *[]hearken.Event) ([]hearken.Event, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return slices.Clone(*list), r.changed
}

// FailFirst returns a Recorder.Then by which the first k calls of Emit fail
// with err and the others succeed.
func FailFirst(k int, err error) func(context.Context, hearken.Event) error {
	var calls atomic.Int64
	return func(context.Context, hearken.Event) error {
		if calls.Add(1) <= int64(k) {
			return err
		}
		return nil
	}
}

// Gate holds calls of Emit until it is open. The zero value is closed.
type Gate struct {
	made, opened sync.Once
	ch           chan struct{}
}

// Open lets all calls pass, those to come too. It may be called again.
func (g *Gate) Open() { g.opened.Do(func() { close(g.gate()) }) }

// Emit is a Recorder.Then that waits for Open and returns nil. As the
// pipeline's Emit does, it goes on when ctx is cancelled; when ctx's deadline
// has passed it returns ctx's error.
func (g *Gate) Emit(ctx context.Context, _ hearken.Event) error {
	deadline, ok := ctx.Deadline()
	ctx = context.WithoutCancel(ctx)
	if ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	select {
	case <-g.gate():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *Gate) gate() chan struct{} {
	g.made.Do(func() { g.ch = make(chan struct{}) })
	return g.ch
}
