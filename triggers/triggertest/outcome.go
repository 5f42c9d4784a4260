package triggertest

import (
	"context"
	"sync"

	"github.com/hearken-go/hearken"
)

// FailFirst returns a trigger that fails the first k attempts of each firing,
// by Firing.Attempt, with err, and then succeeds. hearken.Permanent and
// hearken.RetryAfter say what kind of error it is.
func FailFirst(k int, err error) hearken.Trigger {
	return hearken.TriggerFunc(func(_ context.Context, f hearken.Firing) error {
		if f.Attempt <= k {
			return err
		}
		return nil
	})
}

// Panic returns a trigger that panics with v.
func Panic(v any) hearken.Trigger {
	return hearken.TriggerFunc(func(context.Context, hearken.Firing) error { panic(v) })
}

// Gate is a trigger that succeeds once it is open and until then holds each
// attempt, or until the attempt's context ends. The zero value is closed.
type Gate struct {
	made, opened sync.Once
	ch           chan struct{}
}

// Open lets all attempts pass, those to come too. It may be called again.
func (g *Gate) Open() { g.opened.Do(func() { close(g.gate()) }) }

// Fire waits for Open.
func (g *Gate) Fire(ctx context.Context, _ hearken.Firing) error {
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
