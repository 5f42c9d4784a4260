// Package attempt has the context of one attempt at a firing: a deadline whose
// timer is set only when somebody waits for it. Most triggers that finish in
// microseconds never do, and a timer per firing would cost more than the rest
// of the engine.
package attempt

import (
	"context"
	"sync"
	"time"
)

// Context is a context with a deadline, usable after Start. It must not be
// started twice: whoever was given it may keep it.
type Context struct {
	parent   context.Context //nolint:containedctx // it is a context
	deadline time.Time       // zero: none

	mu     sync.Mutex
	ctx    context.Context //nolint:containedctx // the real one, once someone asked for Done
	cancel context.CancelFunc
	ended  bool
	err    error // what Err has said, which does not change
}

// Start makes c a child of parent that ends at the deadline; zero means never.
func (c *Context) Start(parent context.Context, deadline time.Time) {
	c.parent, c.deadline = parent, deadline
}

// End cancels c and frees its timer.
func (c *Context) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.cancel != nil {
		c.cancel()
	}
}

// Deadline implements context.Context.
func (c *Context) Deadline() (time.Time, bool) {
	d, ok := c.parent.Deadline()
	if c.deadline.IsZero() || ok && d.Before(c.deadline) {
		return d, ok
	}
	return c.deadline, true
}

// Done implements context.Context. The first call sets the timer.
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx == nil {
		if c.deadline.IsZero() {
			c.ctx, c.cancel = context.WithCancel(c.parent)
		} else {
			c.ctx, c.cancel = context.WithDeadline(c.parent, c.deadline)
		}
		if c.ended {
			c.cancel()
		}
	}
	return c.ctx.Done()
}

// Err implements context.Context.
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
	case c.ctx != nil:
		c.err = c.ctx.Err()
	case c.ended:
		c.err = context.Canceled
	case c.parent.Err() != nil:
		c.err = c.parent.Err()
	case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
		c.err = context.DeadlineExceeded
	}
	return c.err
}

// Value implements context.Context. Once there is a real context the question
// goes to it, so that package context recognises it and makes children of c
// without a goroutine each.
func (c *Context) Value(key any) any {
	c.mu.Lock()
	ctx := c.ctx
	c.mu.Unlock()
	if ctx != nil {
		return ctx.Value(key)
	}
	return c.parent.Value(key)
}
