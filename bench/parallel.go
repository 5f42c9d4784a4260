package bench

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// ackDeadline is how long a peer waits for a message to be settled.
const ackDeadline = time.Minute

// quiet returns a logger that writes nothing: what is logged on a busy path is
// the library's mistake, not its output's.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// inParallel calls f with 0 to n-1 from so many goroutines, until one fails.
func inParallel(callers, n int, f func(i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, callers)
	for c := range callers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && errs[c] == nil; i = int(next.Add(1)) - 1 {
				errs[c] = f(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
