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
	idle  chan struct{} // closed when no step is left; nil: nobody waits
}

// step is something that was read and is to be done.
type step struct {
	version string // to be reached by it; "": none
	done    bool
}

// begin adds a step after those begun before.
func (t *tracker) begin(version string) *step {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &step{version: version}
	t.steps = append(t.steps, s)
	return s
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
	if len(t.steps) == 0 && t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
}

// wait returns when all is done, or ctx's error.
func (t *tracker) wait(ctx context.Context) error {
	t.mu.Lock()
	if len(t.steps) == 0 {
		t.mu.Unlock()
		return ctx.Err()
	}
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	idle := t.idle
	t.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
