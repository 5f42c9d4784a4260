package triggertest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

// A trigger is tested by itself with a firing made of events.
func ExampleNewFiring() {
	push := &hearken.Dependency{EventSource: &hearken.EventSource{Name: "git", Event: "push"}}
	greet := hearken.TriggerFunc(func(_ context.Context, f hearken.Firing) error {
		e, err := f.Event(push)
		if err != nil {
			return err
		}
		fmt.Println(e.Source(), e.Subject(), string(e.Data()))
		return nil
	})

	e, err := hearken.NewEvent("commit", "", map[string]string{"branch": "main"})
	if err != nil {
		fmt.Println(err)
		return
	}
	f := triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{push: e})
	fmt.Println(greet.Fire(context.Background(), f))
	// Output:
	// git push {"branch":"main"}
	// <nil>
}

// A Recorder remembers what fired.
func ExampleRecorder() {
	r := &triggertest.Recorder{Then: triggertest.FailFirst(1, errors.New("not yet"))}

	go func() {
		for attempt := 1; attempt <= 2; attempt++ {
			_ = r.Fire(context.Background(), hearken.Firing{ID: "a", Attempt: attempt})
		}
	}()

	firings, err := r.Wait(context.Background(), 1)
	fmt.Println(len(firings), err)
	fmt.Println(len(r.Attempts()))
	// Output:
	// 1 <nil>
	// 2
}

// A Gate holds firings until the test has seen what it wants to see.
func ExampleGate() {
	gate := new(triggertest.Gate)
	r := &triggertest.Recorder{Then: gate}
	go func() { _ = r.Fire(context.Background(), hearken.Firing{ID: "a"}) }()

	attempts, _ := r.WaitAttempts(context.Background(), 1)
	fmt.Println(len(attempts), len(r.Firings()))

	gate.Open()
	firings, _ := r.Wait(context.Background(), 1)
	fmt.Println(len(firings))
	// Output:
	// 1 0
	// 1
}

// A test of a pipeline, which stops with the test. In the bubble the retry takes no
// time, and neither does the minute after which the test fails if nothing fires.
func ExampleStart() {
	// As in func TestBuild(t *testing.T).
	test := func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fired := &triggertest.Recorder{Then: triggertest.FailFirst(1, errors.New("not yet"))}
			push := &hearken.EventSource{Name: "git", Event: "push"}
			p := &hearken.Pipeline{
				Name:         "test",
				Bus:          &memory.Bus{},
				EventSources: []*hearken.EventSource{push},
				Sensors: []hearken.Sensor{{Name: "build", Actions: []hearken.Action{{
					When:    &hearken.Dependency{EventSource: push},
					Trigger: fired,
				}}}},
			}
			triggertest.Start(t, p)

			e, err := hearken.NewEvent("commit", "42", nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Emit(t.Context(), push, e); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := fired.Wait(ctx, 1); err != nil {
				t.Error(err)
			}
		})
	}
	_ = test
}

// The kit proves that a trigger keeps the contract.
func ExampleRun() {
	// As in func TestConformance(t *testing.T).
	test := func(t *testing.T) {
		triggertest.Run(t, triggertest.Harness{
			New: func(testing.TB) triggertest.Target {
				server := new(fake) // in earnest a server and a trigger
				return server.target()
			},
			Needs: push,
		})
	}
	_ = test
}
