package hearken_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
)

// A pipeline of an event source without a Source: the application emits.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	orders := &hearken.EventSource{Name: "shop", Event: "order"}
	order := &hearken.Dependency{EventSource: orders}
	p := &hearken.Pipeline{
		Name:         "example",
		Bus:          &memory.Bus{},
		EventSources: []*hearken.EventSource{orders},
		Sensors: []hearken.Sensor{{Name: "ship", Actions: []hearken.Action{{
			When: order,
			Trigger: hearken.TriggerFunc(func(_ context.Context, f hearken.Firing) error {
				e, err := f.Event(order)
				fmt.Printf("%s ships %s\n", f.Sensor, e.Data())
				cancel()
				return err
			}),
		}}}},
		Logger: slog.New(slog.DiscardHandler),
	}
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()

	e, err := hearken.NewEvent("order", "17", map[string]int{"number": 17})
	for err == nil {
		if err = p.Emit(ctx, orders, e); !errors.Is(err, hearken.ErrNotRunning) {
			break
		}
		err = nil // not yet
	}
	fmt.Println(err, <-done)
	// Unordered output:
	// ship ships {"number":17}
	// <nil> <nil>
}

func ExampleSourceFunc() {
	orders := hearken.SourceFunc(func(ctx context.Context, out hearken.Output) error {
		e, err := hearken.NewEvent("order", "17", map[string]int{"number": 17})
		if err != nil {
			return hearken.Permanent(err)
		}
		return out.Emit(ctx, e)
	})
	err := orders.Run(context.Background(), hearken.Output{Emit: func(_ context.Context, e hearken.Event) error {
		fmt.Println(e.Type(), e.ID(), string(e.Data()))
		return nil
	}})
	fmt.Println(err)
	// Output:
	// order 17 {"number":17}
	// <nil>
}

func ExampleAny() {
	created := &hearken.Dependency{EventSource: &hearken.EventSource{Name: "shop", Event: "created"}}
	changed := &hearken.Dependency{EventSource: &hearken.EventSource{Name: "shop", Event: "changed"}}
	index := hearken.Action{Name: "index", When: hearken.Any(created, changed)}

	f := hearken.Firing{ID: "1", Action: index.Name, Events: map[string]hearken.Event{"created": {}}}
	_, err := f.Event(changed)
	fmt.Println(err)
	// Output: firing 1 has no event of dependency "changed"
}

func ExampleDataKey() {
	e, err := hearken.NewEvent("push", "1", map[string]string{"commit": "f00"})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(hearken.DataKey("commit")(e))
	fmt.Println(hearken.DataKey("branch")(e))
	// Output:
	// f00 <nil>
	//  no key at "branch" of the data
}

func ExamplePermanent() {
	err := hearken.Permanent(errors.New("no such queue"))
	fmt.Println(err, hearken.IsPermanent(fmt.Errorf("submit: %w", err)))
	// Output: no such queue true
}

func ExampleTriggerFunc() {
	greet := hearken.TriggerFunc(func(_ context.Context, f hearken.Firing) error {
		fmt.Println("firing", f.ID, "of", f.Action)
		return nil
	})
	fmt.Println(greet.Fire(context.Background(), hearken.Firing{ID: "1", Action: "greet"}))
	// Output:
	// firing 1 of greet
	// <nil>
}

func ExampleNewEvent() {
	e, err := hearken.NewEvent("order", "17", map[string]int{"number": 17})
	fmt.Println(e.Type(), e.ID(), e.DataContentType(), string(e.Data()), err)
	// Output: order 17 application/json {"number":17} <nil>
}

func ExampleDeadLetters() {
	// A sensor that tells a person what another has given up.
	letter := &hearken.Dependency{EventSource: hearken.DeadLetters("ship")}
	tell := hearken.Sensor{Name: "tell", Actions: []hearken.Action{{
		When: letter,
		Trigger: hearken.TriggerFunc(func(_ context.Context, f hearken.Firing) error {
			e, err := f.Event(letter)
			if err != nil {
				return err
			}
			fmt.Println("order", e.Extensions()["hearkenid"], "failed:", e.Extensions()["hearkenerror"])
			return nil
		}),
	}}}

	e, err := hearken.NewEvent("order", "a letter's own id", nil)
	if err != nil {
		fmt.Println(err)
	}
	e.SetExtension("hearkenid", "17")
	e.SetExtension("hearkenerror", "no such address")
	err = tell.Actions[0].Trigger.Fire(context.Background(), hearken.Firing{Events: map[string]hearken.Event{"ship": e}})
	fmt.Println(err)
	// Output:
	// order 17 failed: no such address
	// <nil>
}

func ExampleAll() {
	images := &hearken.EventSource{Name: "ci", Event: "image"}
	tests := &hearken.EventSource{Name: "ci", Event: "tests"}
	built := &hearken.Dependency{EventSource: images, Key: hearken.DataKey("commit")}
	green := &hearken.Dependency{EventSource: tests, Key: hearken.DataKey("commit")}

	ctx, stop := context.WithCancel(context.Background())
	p := hearken.Pipeline{
		Name: "delivery", Bus: &memory.Bus{}, EventSources: []*hearken.EventSource{images, tests},
		Sensors: []hearken.Sensor{{Name: "deploy", Actions: []hearken.Action{{
			When: hearken.All(built, green), Within: time.Hour,
			Trigger: hearken.TriggerFunc(func(_ context.Context, f hearken.Firing) error {
				image, err := f.Event(built)
				fmt.Println("deploy", string(image.Data()))
				stop()
				return err
			}),
		}}}},
		Logger: slog.New(slog.DiscardHandler),
	}
	emit := func(s *hearken.EventSource, commit string) {
		e, err := hearken.NewEvent("ci", "", map[string]string{"commit": commit})
		if err == nil {
			err = p.Emit(ctx, s, e)
		}
		if err != nil {
			fmt.Println(err)
		}
	}
	var done sync.WaitGroup
	done.Go(func() { fmt.Println(p.Run(ctx)) })
	for !p.Health().Ready {
		runtime.Gosched()
	}
	emit(images, "abc")
	emit(tests, "def") // of another commit: it waits
	emit(tests, "abc")
	done.Wait()
	// Output:
	// deploy {"commit":"abc"}
	// <nil>
}

func ExampleRetryAfter() {
	throttled := hearken.TriggerFunc(func(context.Context, hearken.Firing) error {
		return hearken.RetryAfter(errors.New("too many requests"), time.Minute)
	})
	fmt.Println(throttled.Fire(context.Background(), hearken.Firing{}))
	// Output: too many requests
}

func ExamplePayloadFunc() {
	order := &hearken.Dependency{Name: "order"}
	number := hearken.PayloadFunc(func(f hearken.Firing) ([]byte, error) {
		e, err := f.Event(order)
		return e.Data(), err
	})
	e, err := hearken.NewEvent("order", "17", 17)
	if err != nil {
		fmt.Println(err)
	}
	b, err := number.Payload(hearken.Firing{Events: map[string]hearken.Event{"order": e}})
	fmt.Println(string(b), err)
	// Output: 17 <nil>
}

// Probes for an orchestrator: when to restart the process, and when to send it
// requests.
func ExamplePipeline_ReadyHandler() {
	orders := &hearken.EventSource{Name: "shop", Event: "order"}
	p := &hearken.Pipeline{
		Name: "example", Bus: &memory.Bus{}, EventSources: []*hearken.EventSource{orders}, Logger: slog.New(slog.DiscardHandler),
		Sensors: []hearken.Sensor{{Name: "ship", Actions: []hearken.Action{{
			When:    &hearken.Dependency{EventSource: orders},
			Trigger: hearken.TriggerFunc(func(context.Context, hearken.Firing) error { return nil }),
		}}}},
	}
	mux := http.NewServeMux()
	mux.Handle("/livez", p.LiveHandler())
	mux.Handle("/readyz", p.ReadyHandler())
	probe := func(path string) int {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code
	}
	fmt.Println("before: live", probe("/livez"), "ready", probe("/readyz"))

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	for probe("/readyz") != http.StatusOK {
		runtime.Gosched()
	}
	backlog, err := p.Backlog(ctx)
	fmt.Println("running: live", probe("/livez"), "ready", probe("/readyz"), "backlog", backlog["ship"].Backlog, err)

	cancel()
	fmt.Println(<-done)
	fmt.Println("ended: live", probe("/livez"), "ready", probe("/readyz"))
	// Output:
	// before: live 200 ready 503
	// running: live 200 ready 200 backlog 0 <nil>
	// <nil>
	// ended: live 503 ready 503
}
