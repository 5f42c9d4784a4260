package resource

import (
	"context"
	"sync"
)

// tracker knows up to which resourceVersion all that was read is done with,
// while several events are under way at once.
type tracker struct {
	reached func(version string) // called, in order, with each version that all is done up to

	mu    sync.Mutex
	steps []*step
	fewer chan struct{} // closed when there are fewer steps; nil: nobody waits
}

// maxSteps bounds what is read ahead of an event that waits for a full bus: of
// other objects nothing may be wanted.
const maxSteps = 1000

// step is something that was read and is to be done.
type step struct {
	version string // to be reached by it; "": none
	done    bool
}

// begin adds a step after those begun before, when there is room, or returns
// ctx's error.
func (t *tracker) begin(ctx context.Context, version string) (*step, error) {
	if err := t.fewerThan(ctx, maxSteps); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &step{version: version}
	t.steps = append(t.steps, s)
	return s, nil
}

// finish says that s is done.
func (t *tracker) finish(s *step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.done = true
	var version string
	n := 0
	for ; n < len(t.steps) && t.steps[n].done; n++ {
		if v := t.steps[n].version; v != "" {
			version = v
		}
		t.steps[n] = nil
	}
	t.steps = t.steps[n:]
	if version != "" {
		t.reached(version)
	}
	if n > 0 && t.fewer != nil {
		close(t.fewer)
		t.fewer = nil
	}
}

// wait returns when all is done, or ctx's error.
func (t *tracker) wait(ctx context.Context) error { return t.fewerThan(ctx, 1) }

func (t *tracker) fewerThan(ctx context.Context, n int) error {
	for ctx.Err() == nil {
		t.mu.Lock()
		if len(t.steps) < n {
			t.mu.Unlock()
			return nil
		}
		if t.fewer == nil {
			t.fewer = make(chan struct{})
		}
		fewer := t.fewer
		t.mu.Unlock()
		select {
		case <-fewer:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}
