package triggertest

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
)

// Start runs p and returns as soon as it is ready. At the end of the test it
// stops p and reports the error of Run, unless stop did so before: stop ends
// Run's context, waits, and returns Run's error. When p does not start the test
// fails at once.
//
// In a testing/synctest bubble the clock moves by nanoseconds meanwhile.
func Start(tb testing.TB, p *hearken.Pipeline) (stop func() error) {
	tb.Helper()
	if p.Logger == nil {
		p.Logger = slog.New(slog.NewTextHandler(tb.Output(), nil))
	}
	// Cleanup functions that run before stop may need the pipeline.
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = p.Run(ctx)
	}()
	if !ready(p, done) {
		cancel()
		tb.Fatalf("the pipeline has not started: %v", err)
	}
	end := sync.OnceFunc(func() {
		cancel()
		<-done
	})
	reported := false
	tb.Cleanup(func() {
		end()
		if err != nil && !reported {
			tb.Errorf("the pipeline's Run: %v", err)
		}
	})
	return func() error {
		end()
		reported = true
		return err
	}
}

// ready waits until p is ready, and returns false when it is done before.
func ready(p *hearken.Pipeline, done <-chan struct{}) bool {
	for wait := time.Duration(1); ; wait = min(2*wait, time.Millisecond) {
		if p.Health().Ready {
			return true
		}
		select {
		case <-done:
			return false
		case <-time.After(wait):
		}
	}
}
