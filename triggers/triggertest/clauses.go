package triggertest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hearken-go/hearken"
)

func clauses() []clause {
	return []clause{
		{"good outcome", "Fire acts, judges the outcome, and returns nil when it is good.", goodOutcome},
		{"bad outcome", "Fire judges the outcome, and returns nil only when it is good.", badOutcome},
		{"retry", "An error is retried as the action's Retry says: a firing that failed may succeed.", retry},
		{"idempotency key", "Hand f.ID on as the idempotency key of the protocol.", idempotencyKey},
		{"fired again", "One firing may be fired again, with the same ID, even after it succeeded.", firedAgain},
		{"concurrent", "Fire is called concurrently.", concurrent},
		{"events unchanged", "Events are shared and must not be changed.", eventsUnchanged},
		{"absent event", "An event may be absent, which is an error, never a zero event and never a panic.", absentEvent},
		{"unreachable", "Permanent asks for no retry: not for a target that is away for a while.", unreachable},
		{"cancelled", "ctx ends on shutdown when the pipeline's Drain is over: Fire returns its error soon.", cancelled},
		{"deadline", "ctx ends with the attempt's timeout: Fire returns its error soon.", deadline},
		{"ended before", "An attempt whose ctx has ended is not one that succeeded.", endedBefore},
		{"nothing left", "What a trigger started is gone when it is no longer used.", nothingLeft},
		{"validate", "Validate has no effects and touches no network.", validate},
		{"mistakes", "Validate finds mistakes before anything runs, each a ConfigError with its place.", mistakes},
		{"reads", "A Reader knows which dependencies it reads, and where.", reads},
	}
}

func goodOutcome(s *subject) {
	f := s.firing()
	s.mustFire(f)
	if s.arrived(f.ID) == 0 {
		s.Errorf("Fire returned nil, but firing %s has not arrived; the keys are %q", f.ID, s.Keys())
	}
}

func badOutcome(s *subject) {
	s.Refuse()
	err := s.fire(s.Context(), s.firing())
	if err == nil {
		s.Fatal("Fire returned nil, but the target has refused")
	}
	if hearken.IsPermanent(err) {
		s.Errorf("a refusal that passes is Permanent: %v", err)
	}
}

func retry(s *subject) {
	mend := s.Refuse()
	f := s.firing()
	if err := s.fire(s.Context(), f); err == nil {
		s.Fatal("Fire returned nil, but the target has refused")
	}
	mend()
	f.Attempt++
	if err := s.fire(s.Context(), f); err != nil {
		s.Errorf("the second attempt, with the target well again: %v", err)
	}
}

func idempotencyKey(s *subject) {
	mend := s.Refuse()
	f, other := s.firing(), s.firing()
	if err := s.fire(s.Context(), f); err == nil {
		s.Error("Fire returned nil, but the target has refused")
	}
	mend()
	f.Attempt++
	s.mustFire(f)
	s.mustFire(other)
	for _, k := range s.Keys() {
		if k != f.ID && k != other.ID {
			s.Errorf("the key %q arrived for firing %s or %s", k, f.ID, other.ID)
		}
	}
	if s.arrived(f.ID) == 0 || s.arrived(other.ID) == 0 {
		s.Errorf("firings %s and %s have not both arrived; the keys are %q", f.ID, other.ID, s.Keys())
	}
}

func firedAgain(s *subject) {
	f := s.firing()
	s.mustFire(f)
	if err := s.fire(s.Context(), f); err != nil {
		s.Errorf("the same firing again: %v", err)
	}
}

func concurrent(s *subject) {
	var firings []hearken.Firing
	shared := s.firing().Events
	for range 64 {
		f := s.firing()
		f.Events = shared
		firings = append(firings, f)
	}
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	var wg sync.WaitGroup
	for _, f := range firings {
		wg.Go(func() {
			r := s.await(ctx, s.start(ctx, f))
			if bad := s.misbehaved(r); bad != "" || r.err != nil {
				s.Errorf("one of %d concurrent firings: %v%s", len(firings), r.err, bad)
			}
		})
	}
	wg.Wait()
	for _, f := range firings {
		if s.arrived(f.ID) == 0 {
			s.Errorf("firing %s of %d concurrent ones has not arrived", f.ID, len(firings))
		}
	}
}

func eventsUnchanged(s *subject) {
	f := s.firing()
	before := make(map[string]hearken.Event)
	for name, e := range f.Events {
		before[name] = e.Clone()
	}
	s.mustFire(f)
	if len(f.Events) != len(before) {
		s.Errorf("the firing had %d events and has %d", len(before), len(f.Events))
	}
	for name, e := range before {
		if got := f.Events[name]; got.String() != e.String() || !slices.Equal(got.Data(), e.Data()) {
			s.Errorf("the event was\n%s\nand is\n%s", e, got)
		}
	}
}

func absentEvent(s *subject) {
	for _, events := range []map[string]hearken.Event{nil, {}} {
		f := s.firing()
		f.Events = events
		err := s.fire(s.Context(), f)
		if s.harness.Needs == nil {
			continue
		}
		if err == nil {
			s.Error("Fire returned nil without the event that it needs")
		}
		if n := s.arrived(f.ID); n > 0 {
			s.Error("a firing without the event that it needs has arrived")
		}
	}
}

func unreachable(s *subject) {
	s.Away()
	err := s.fire(s.Context(), s.firing())
	if err == nil {
		s.Fatal("Fire returned nil, but the target is away")
	}
	if hearken.IsPermanent(err) {
		s.Errorf("the error of a target that is away is Permanent: %v", err)
	}
}

func cancelled(s *subject) {
	reached := s.Hang()
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	done := s.start(ctx, s.firing())
	select {
	case <-reached:
	case r := <-done:
		s.Fatalf("Fire returned before the silent target was reached: %v", s.result(r))
	case <-time.After(patience):
		s.Fatal("the target was not reached")
	}
	cancel()
	s.isEnd(s.result(s.await(ctx, done)), context.Canceled)
}

func deadline(s *subject) {
	s.Hang()
	ctx, cancel := context.WithTimeout(s.Context(), 50*time.Millisecond)
	defer cancel()
	s.isEnd(s.fire(ctx, s.firing()), context.DeadlineExceeded)
}

func endedBefore(s *subject) {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	s.isEnd(s.fire(ctx, s.firing()), context.Canceled)
}

// isEnd checks the error of an attempt whose context has ended.
func (s *subject) isEnd(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("Fire returned %v, which is no %q", err, want)
	}
	if hearken.IsPermanent(err) {
		s.Errorf("an attempt that was cut short is Permanent: %v", err)
	}
}

func nothingLeft(s *subject) {
	label := newLabel(s.TB)
	label.do(s.Context(), func(ctx context.Context) {
		s.mustFire(s.firing())
		reached := s.Hang()
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		done := s.start(ctx, s.firing())
		select {
		case <-reached:
		case <-ctx.Done():
		}
		cancel()
		if bad := s.misbehaved(s.await(ctx, done)); bad != "" {
			s.Error(bad)
		}
	})
	if s.Close != nil {
		s.Close()
	}
	if left := label.left(s.harness.soon()); left != "" {
		s.Errorf("goroutines are left %v after the last firing:\n%s", s.harness.soon(), left)
	}
}

func validate(s *subject) {
	v, ok := s.Trigger.(hearken.Validator)
	if !ok {
		return
	}
	if err := v.Validate(); err != nil {
		s.Errorf("Validate refuses a trigger that works: %v", err)
	}
	if keys := s.Keys(); len(keys) > 0 {
		s.Errorf("Validate has fired: the keys are %q", keys)
	}
	s.Away()
	if err := v.Validate(); err != nil {
		s.Errorf("Validate with the target away: %v", err)
	}
}

func mistakes(s *subject) {
	for path, broken := range s.harness.Broken {
		v, ok := broken.(hearken.Validator)
		if !ok {
			s.Errorf("%T is no Validator", broken)
			continue
		}
		err := v.Validate()
		var mistake *hearken.ConfigError
		switch {
		case !errors.As(err, &mistake):
			s.Errorf("Validate with a mistake in %s returned %v, which is no *ConfigError", path, err)
		case mistake.Path != path:
			s.Errorf("Validate with a mistake in %s names %q: %v", path, mistake.Path, err)
		}
	}
}

func reads(s *subject) {
	r, ok := s.Trigger.(hearken.Reader)
	if !ok {
		return
	}
	for _, read := range r.Reads() {
		if read.Dependency == nil || read.Path == "" {
			s.Errorf("a read without a dependency or a path: %+v", read)
		}
	}
}
