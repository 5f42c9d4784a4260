package triggertest

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Failing runs the kit as Run does and returns the names of the cases that
// fail, with what each had to say.
func Failing(t *testing.T, h Harness) map[string]string {
	failed := make(map[string]string)
	for _, c := range clauses() {
		if bad, said := Record(t, func(tb testing.TB) { c.prove(tb, h) }); bad {
			failed[c.name] = said
		}
	}
	return failed
}

// Record runs f, and its cleanups, with a TB that does not fail t, and returns
// whether it failed and what it had to say.
func Record(t *testing.T, f func(tb testing.TB)) (failed bool, said string) {
	tb := &recordingTB{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer tb.cleanUp()
		f(tb)
	}()
	<-done
	return tb.Failed(), tb.said()
}

// ClauseNames returns the names of all cases.
func ClauseNames() []string {
	var names []string
	for _, c := range clauses() {
		names = append(names, c.name)
	}
	return names
}

// recordingTB fails by itself, without the test that it is made of.
type recordingTB struct {
	testing.TB
	mu       sync.Mutex
	failed   bool
	log      []string
	cleanups []func()
}

func (r *recordingTB) add(failed bool, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = r.failed || failed
	r.log = append(r.log, text)
}

func (r *recordingTB) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *recordingTB) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.log, "\n")
}

func (r *recordingTB) cleanUp() {
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
}

func (r *recordingTB) Cleanup(f func())           { r.cleanups = append(r.cleanups, f) }
func (r *recordingTB) Logf(f string, args ...any) { r.add(false, fmt.Sprintf(f, args...)) }
func (r *recordingTB) Error(args ...any)          { r.add(true, fmt.Sprint(args...)) }

func (r *recordingTB) Errorf(f string, args ...any) { r.add(true, fmt.Sprintf(f, args...)) }

func (r *recordingTB) Fatal(args ...any) {
	r.Error(args...)
	runtime.Goexit()
}

func (r *recordingTB) Fatalf(f string, args ...any) {
	r.Errorf(f, args...)
	runtime.Goexit()
}
