package triggertest

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

// label marks the goroutines that a function starts, and those that they start,
// so that they are told from the goroutines of other tests and of the target.
type label string

func newLabel(tb testing.TB) label {
	return label(fmt.Sprintf("%s-%d", strings.ReplaceAll(tb.Name(), `"`, ""), time.Now().UnixNano()))
}

func (l label) do(ctx context.Context, f func(context.Context)) {
	pprof.Do(ctx, pprof.Labels("triggertest", string(l)), f)
}

// left waits for the marked goroutines to end, and returns the stacks of those
// that have not after the given time.
func (l label) left(within time.Duration) string {
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		stacks := l.stacks()
		if stacks == "" {
			return ""
		}
		select {
		case <-tick.C:
		case <-timeout.C:
			return stacks
		}
	}
}

func (l label) stacks() string {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return err.Error()
	}
	var marked []string
	for _, stack := range strings.Split(profile.String(), "\n\n") {
		if strings.Contains(stack, string(l)) {
			marked = append(marked, stack)
		}
	}
	return strings.Join(marked, "\n\n")
}
