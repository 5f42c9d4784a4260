package triggertest

import (
	"context"
	"fmt"
	"runtime/debug"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
)

// Run proves that a kind of trigger keeps the contract of [hearken.Trigger]:
// one subtest for each clause, which on failure logs the sentence that it is
// about. Run it under -race.
func Run(t *testing.T, h Harness) {
	t.Helper()
	for _, c := range clauses() {
		t.Run(c.name, func(t *testing.T) { c.prove(t, h) })
	}
}

// clause is one sentence of the contract.
type clause struct {
	name string
	says string
	run  func(*subject)
}

func (c clause) prove(tb testing.TB, h Harness) {
	tb.Helper()
	defer func() {
		if tb.Failed() {
			tb.Logf("the contract: %s", c.says)
		}
	}()
	target := h.New(tb)
	if field := target.missing(); field != "" {
		tb.Fatalf("the harness's Target has no %s", field)
	}
	c.run(&subject{TB: tb, harness: h, Target: target})
}

// subject is the trigger under test in one case.
type subject struct {
	testing.TB
	Target
	harness Harness
	made    int
}

// patience bounds a firing that the target answers.
const patience = 30 * time.Second

// firing returns a firing unlike those before.
func (s *subject) firing() hearken.Firing {
	s.Helper()
	s.made++
	e, err := s.event()
	if err != nil {
		s.Fatal(err)
	}
	e.SetID(fmt.Sprintf("triggertest-%d", s.made))
	d := s.harness.Needs
	if d == nil {
		d = &hearken.Dependency{EventSource: &hearken.EventSource{Name: "triggertest", Event: "example"}}
	}
	return NewFiring(map[*hearken.Dependency]hearken.Event{d: e})
}

func (s *subject) event() (hearken.Event, error) {
	if e := s.harness.Event; e.Context != nil {
		return e.Clone(), nil
	}
	return hearken.NewEvent("example", "", map[string]string{"message": "hello"})
}

// fire fires f and fails the test when Fire panics, or does not return soon
// after ctx has ended. ctx gets a deadline.
func (s *subject) fire(ctx context.Context, f hearken.Firing) error {
	s.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.result(s.await(ctx, s.start(ctx, f)))
}

type result struct {
	err   error
	panic string
	late  bool // Fire has not returned
}

func (s *subject) start(ctx context.Context, f hearken.Firing) <-chan result {
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r.panic = fmt.Sprintf("%v\n%s", p, debug.Stack())
			}
			done <- r
		}()
		r.err = s.Trigger.Fire(ctx, f)
	}()
	return done
}

// await waits for a firing, until soon after ctx has ended.
func (s *subject) await(ctx context.Context, done <-chan result) result {
	select {
	case r := <-done:
		return r
	case <-ctx.Done():
	}
	late := time.NewTimer(s.harness.soon())
	defer late.Stop()
	select {
	case r := <-done:
		return r
	case <-late.C:
		return result{late: true}
	}
}

// result returns the error of a firing that returned in time.
func (s *subject) result(r result) error {
	s.Helper()
	if bad := s.misbehaved(r); bad != "" {
		s.Fatal(bad)
	}
	return r.err
}

func (s *subject) misbehaved(r result) string {
	switch {
	case r.late:
		return fmt.Sprintf("Fire has not returned %v after its context ended", s.harness.soon())
	case r.panic != "":
		return "Fire panicked: " + r.panic
	}
	return ""
}

// mustFire fires f at a target that is well.
func (s *subject) mustFire(f hearken.Firing) {
	s.Helper()
	if err := s.fire(s.Context(), f); err != nil {
		s.Fatalf("Fire at a target that is well: %v", err)
	}
}

// arrived counts the keys equal to id.
func (s *subject) arrived(id string) int {
	n := 0
	for _, k := range s.Keys() {
		if k == id {
			n++
		}
	}
	return n
}
