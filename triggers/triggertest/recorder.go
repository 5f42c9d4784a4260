package triggertest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/hearken-go/hearken"
)

// Recorder is a trigger that remembers its firings. The zero value is ready to
// use, and all its attempts succeed. It keeps every firing until it is
// collected itself.
type Recorder struct {
	// Then decides the outcome of an attempt, after it was recorded: FailFirst,
	// Panic, a *Gate, or any trigger. Nil: success.
	Then hearken.Trigger

	mu       sync.Mutex
	attempts []hearken.Firing
	firings  []hearken.Firing
	changed  chan struct{} // closed and replaced at each record; nil: nobody waits
}

// Fire records f and returns the outcome.
func (r *Recorder) Fire(ctx context.Context, f hearken.Firing) error {
	r.record(&r.attempts, f)
	if r.Then != nil {
		if err := r.Then.Fire(ctx, f); err != nil {
			return err
		}
	}
	r.record(&r.firings, f)
	return nil
}

func (r *Recorder) record(list *[]hearken.Firing, f hearken.Firing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*list = append(*list, f)
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// Firings returns the firings that succeeded, in the order in which they ended.
// One that succeeded twice is there twice.
func (r *Recorder) Firings() []hearken.Firing { return r.list(&r.firings) }

// Attempts returns all attempts, failed ones too, in the order in which they
// began.
func (r *Recorder) Attempts() []hearken.Firing { return r.list(&r.attempts) }

func (r *Recorder) list(list *[]hearken.Firing) []hearken.Firing {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(*list)
}

// Wait returns Firings as soon as there are n. When ctx ends first it returns
// those there are and an error that wraps ctx's. Give ctx a deadline: t.Context ends
// with the test only, which then waits for what never comes.
func (r *Recorder) Wait(ctx context.Context, n int) ([]hearken.Firing, error) {
	return r.wait(ctx, n, &r.firings, "firings")
}

// WaitAttempts is Wait for Attempts.
func (r *Recorder) WaitAttempts(ctx context.Context, n int) ([]hearken.Firing, error) {
	return r.wait(ctx, n, &r.attempts, "attempts")
}

func (r *Recorder) wait(ctx context.Context, n int, list *[]hearken.Firing, what string) ([]hearken.Firing, error) {
	for {
		got, changed := r.watch(n, list)
		if changed == nil {
			return got, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			got := r.list(list)
			return got, fmt.Errorf("%d of %d %s: %w", len(got), n, what, ctx.Err())
		}
	}
}

// watch returns the list when it has n entries, and else what is closed when it
// changes.
func (r *Recorder) watch(n int, list *[]hearken.Firing) ([]hearken.Firing, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(*list) >= n {
		return slices.Clone(*list), nil
	}
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return nil, r.changed
}
