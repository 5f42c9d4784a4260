package hearken_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/stretchr/testify/assert"
)

// part is a part of a pipeline that has something to say of itself.
type part struct {
	script
	err   error
	reads []hearken.Read
}

func (p *part) Validate() error       { return p.err }
func (p *part) Reads() []hearken.Read { return p.reads }

// messages returns what Validate says, one line for each mistake.
func messages(t *testing.T, p *hearken.Pipeline) []string {
	t.Helper()
	err := p.Validate()
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%T is not joined", err)
	}
	var lines []string
	for _, e := range joined.Unwrap() {
		var c *hearken.ConfigError
		if !errors.As(e, &c) {
			t.Errorf("%v is no ConfigError", e)
		}
		lines = append(lines, e.Error())
	}
	return lines
}

func TestTenMistakesAtOnce(t *testing.T) {
	listed := &hearken.EventSource{Name: "orders", Event: "created"}
	f := newFixture(
		hearken.Action{Name: "a", When: hearken.Any(), Trigger: new(script)},
		hearken.Action{Name: "a", When: &hearken.Dependency{EventSource: &hearken.EventSource{Name: "oders", Event: "created"}}},
		hearken.Action{Name: "join", When: hearken.All(&hearken.Dependency{EventSource: listed, Key: hearken.DataKey("id")}, &hearken.Dependency{Name: "b", EventSource: listed}), Trigger: new(script)},
	)
	f.Name = ""
	f.Bus = nil
	f.EventSources = []*hearken.EventSource{listed, {Name: "$x", Event: "y"}, {Name: "orders", Event: "created"}}
	f.Sensors[0].Workers = -1
	f.Sensors = append(f.Sensors, hearken.Sensor{Name: "s"})
	assert.Equal(t, []string{
		`Name: is empty; it is what the bus stores things under`,
		`Bus: is nil; give a bus, such as &memory.Bus{} where events may be lost with the process`,
		`EventSources["$x/y"].Name: begins with $, which is kept for Hearken's own topics`,
		`EventSources["orders/created"]: has the Name and Event of another event source`,
		`Sensors["s"].Workers: is -1; at most 65536, and zero means 16`,
		`Sensors["s"].Actions["a"].When: is an empty Any, which never holds`,
		`Sensors["s"].Actions["a"].Name: is the name of another action of the sensor too`,
		`Sensors["s"].Actions["a"].When["created"].EventSource: oders/created is not among the pipeline's EventSources; list it, with a nil Source if another process runs it`,
		`Sensors["s"].Actions["a"].Trigger: is nil; an action without a trigger does nothing`,
		`Sensors["s"].Actions["join"].When: joins dependencies with a Key (["created"]) and without (["b"]): give all of them one, or none`,
		`Sensors["s"].Name: is the name of another sensor too`,
		`Sensors["s"].Actions: is empty; a sensor without actions does nothing`,
	}, messages(t, f.Pipeline))
}

func TestValidate(t *testing.T) {
	var nilBus *scriptedBus
	var nilDependency *hearken.Dependency
	source := &part{}
	run := hearken.SourceFunc(func(context.Context, hearken.Output) error { return nil })
	tests := []struct {
		name   string
		change func(f *fixture, a *hearken.Action)
		want   []string
	}{
		{"good", func(*fixture, *hearken.Action) {}, nil},
		{"nothing", func(f *fixture, _ *hearken.Action) { f.Sensors, f.EventSources = nil, nil }, []string{"the pipeline has neither event sources nor sensors"}},
		{"a nil pointer for a bus", func(f *fixture, _ *hearken.Action) { f.Bus = nilBus }, []string{"Bus: is nil; give a bus, such as &memory.Bus{} where events may be lost with the process"}},
		{"control characters", func(f *fixture, _ *hearken.Action) { f.Name = "a\nb" }, []string{`Name: "a\nb" holds a control character`}},
		{"a nil event source", func(f *fixture, _ *hearken.Action) { f.EventSources = append(f.EventSources, nil) }, []string{"EventSources[1]: is nil"}},
		{"an event source without names", func(f *fixture, _ *hearken.Action) {
			f.EventSources = append(f.EventSources, &hearken.EventSource{})
		}, []string{"EventSources[1].Name: is empty; it is what the bus stores things under", "EventSources[1].Event: is empty; it is what the bus stores things under"}},
		{"one source twice", func(f *fixture, _ *hearken.Action) {
			f.source.Source = runnable{source}
			two := &runnablePointer{runnable{source}}
			f.EventSources = append(f.EventSources, &hearken.EventSource{Name: "a", Event: "b", Source: two}, &hearken.EventSource{Name: "a", Event: "c", Source: two}, &hearken.EventSource{Name: "a", Event: "d", Source: run}, &hearken.EventSource{Name: "a", Event: "e", Source: run})
		}, []string{`EventSources["a/c"].Source: is also the Source of EventSources["a/b"]; give each event source its own`}},
		{"sources without a size", func(f *fixture, _ *hearken.Action) {
			f.EventSources = append(f.EventSources, &hearken.EventSource{Name: "a", Event: "b", Source: new(sizeless)}, &hearken.EventSource{Name: "a", Event: "c", Source: new(sizeless)})
		}, nil},
		{"a sensor's names", func(f *fixture, _ *hearken.Action) { f.Sensors[0].Name = "*" }, []string{`Sensors["*"].Name: is "*", which means all sensors in DeadLetters`}},
		{"a sensor without a name", func(f *fixture, _ *hearken.Action) { f.Sensors[0].Name, f.Sensors[0].InFlight = "", -1 }, []string{
			"Sensors[0].Name: is empty; it is what the bus stores things under", "Sensors[0].InFlight: is -1; at most 1048576, and zero means 16 for each worker",
		}},
		{"actions without a name", func(f *fixture, a *hearken.Action) {
			f.Sensors[0].Actions = append(f.Sensors[0].Actions, *a)
		}, []string{`Sensors["s"].Actions[0].Name: is empty; only the one action of a sensor may do without`, `Sensors["s"].Actions[1].Name: is empty; only the one action of a sensor may do without`}},
		{"no condition", func(_ *fixture, a *hearken.Action) { a.When = nil }, []string{"When: is nil; say which dependency the action waits for"}},
		{"a nil dependency", func(_ *fixture, a *hearken.Action) { a.When = nilDependency }, []string{"When: is nil; say which dependency the action waits for"}},
		{"nil within a condition", func(f *fixture, a *hearken.Action) { a.When = hearken.Any(nil, nilDependency, hearken.All(), f.dep) }, []string{
			"When.Any[0]: is nil", "When.Any[1]: is nil", "When.Any[2]: is an empty All, which never holds",
		}},
		{"a dependency on nothing", func(_ *fixture, a *hearken.Action) { a.When = &hearken.Dependency{Name: "d"} }, []string{`When["d"].EventSource: is nil; say where the event comes from`}},
		{"dead letters of nobody", func(_ *fixture, a *hearken.Action) {
			a.When = &hearken.Dependency{Name: "d", EventSource: hearken.DeadLetters("")}
		}, []string{`When["d"].EventSource: DeadLetters: is empty; it is what the bus stores things under`}},
		{"two dependencies of one name", func(f *fixture, a *hearken.Action) {
			a.When = hearken.Any(f.dep, f.dep, &hearken.Dependency{EventSource: f.source})
		}, []string{`When["created"].Name: is the name of two dependencies of the action; give one another Name`}},
		{"joins", func(_ *fixture, a *hearken.Action) { a.Within, a.Reset, a.Queue = 1, every{}, true }, []string{
			"Within: is about joins, but one event is enough for the action's When", "Reset: is about joins, but one event is enough for the action's When", "Queue: is about joins, but one event is enough for the action's When",
		}},
		{"negative times", func(_ *fixture, a *hearken.Action) {
			a.Within, a.Retry = -1, hearken.Retry{Min: -1, Max: -1, For: -1, Attempts: -1}
		}, []string{
			"Within: is negative", "Retry.Min: is negative; for no retry say Attempts: 1", "Retry.Max: is negative; for no retry say Attempts: 1",
			"Retry.For: is negative; for no retry say Attempts: 1", "Retry.Attempts: is negative; zero means as many as fit in For",
		}},
		{"no retry fits", func(_ *fixture, a *hearken.Action) { a.Retry.Min, a.Retry.Max = time.Hour, time.Hour }, []string{"Retry.Min: is 1h0m0s, above For, 15m0s"}},
		{"one attempt needs none", func(_ *fixture, a *hearken.Action) {
			a.Retry = hearken.Retry{Min: time.Hour, Max: time.Hour, Attempts: 1}
		}, nil},
		{"a dependency in two actions is told once", func(f *fixture, a *hearken.Action) {
			a.Name, f.dep.Filter = "a", &validFilter{err: errBroken}
			f.Sensors[0].Actions = append(f.Sensors[0].Actions, *a)
			f.Sensors[0].Actions[1].Name = "b"
		}, []string{`Sensors["s"].Actions["a"].When["created"].Filter: broken`}},
		{"retry bounds", func(_ *fixture, a *hearken.Action) { a.Retry.Max = time.Millisecond }, []string{"Retry.Max: is 1ms, below Min, 500ms"}},
		{"what parts say", func(f *fixture, a *hearken.Action) {
			f.Store = &validStore{err: errors.New("no replicas")}
			f.dep.Filter = &validFilter{err: &hearken.ConfigError{Path: "[1]", Msg: "no path"}}
			a.Trigger = &part{err: errors.Join(&hearken.ConfigError{Path: "URL", Msg: "is empty"}, fmt.Errorf("and: %w", &hearken.ConfigError{Msg: "more"}))}
		}, []string{"Store: no replicas", `When["created"].Filter[1]: no path`, "Trigger.URL: is empty", "Trigger: and: more"}},
		{"nil pointers for parts", func(f *fixture, a *hearken.Action) {
			var filter *validFilter
			var store *validStore
			var limit *limiter
			f.Store, f.dep.Filter, a.RateLimit, f.source.Source = store, filter, limit, hearken.SourceFunc(nil)
		}, []string{
			"Store: is a nil *hearken_test.validStore", `EventSources["orders/created"].Source: is a nil hearken.SourceFunc`,
			`When["created"].Filter: is a nil *hearken_test.validFilter`, "RateLimit: is a nil *hearken_test.limiter",
		}},
		{"parts that panic, and a nil error", func(f *fixture, a *hearken.Action) {
			var none *hearken.ConfigError
			f.Store, a.Trigger = &validStore{err: none}, &part{err: textlessError{}}
		}, []string{"Trigger: %!v(PANIC=Error method: broken)"}},
		{"names that are not UTF-8", func(f *fixture, _ *hearken.Action) { f.Name = "\xff" }, []string{`Name: "\xff" is not UTF-8`}},
		{"what a trigger reads", func(f *fixture, a *hearken.Action) {
			other := &hearken.Dependency{Name: "other", EventSource: f.source}
			a.When = hearken.Any(f.dep, hearken.All(other))
			a.Trigger = &part{reads: []hearken.Read{{Dependency: f.dep, Path: `Payload["x"]`}, {Dependency: other, Path: "URL", Optional: true}, {Dependency: &hearken.Dependency{Name: "none"}, Path: "URL"}, {}}}
		}, []string{
			`Trigger.Payload["x"]: reads dependency "created", which may be absent under Any; give a default`,
			`Trigger.URL: reads dependency "none", which is not in the action's When`, "Trigger: reads a nil dependency",
		}},
		{"copies of an event source and of a dependency", func(f *fixture, a *hearken.Action) {
			f.EventSources = append(f.EventSources, nil)
			copied, twin := *f.source, *f.dep
			a.When = hearken.Any(nil, f.dep, &hearken.Dependency{Name: "d", EventSource: &copied})
			a.Trigger = &part{reads: []hearken.Read{{Dependency: &twin, Path: `Payload["x"]`}}}
		}, []string{
			"EventSources[1]: is nil", "When.Any[0]: is nil",
			`When["d"].EventSource: is another *EventSource than the orders/created of the pipeline's EventSources; use the same pointer`,
			`Trigger.Payload["x"]: reads another *Dependency than the "created" of the action's When; use the same pointer`,
		}},
		{"what it reads beside nil", func(f *fixture, a *hearken.Action) {
			a.When = hearken.All(nil, f.dep)
			a.Trigger = &part{reads: []hearken.Read{{Dependency: f.dep}, {}}}
		}, []string{"When.All[0]: is nil", "Trigger: reads a nil dependency"}},
		{"what it reads is there", func(f *fixture, a *hearken.Action) {
			a.When = hearken.Any(f.dep, hearken.All(f.dep))
			a.Trigger = &part{reads: []hearken.Read{{Dependency: f.dep}}}
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(hearken.Action{Trigger: new(script)})
			a := &f.Sensors[0].Actions[0]
			tt.change(f, a)
			got := messages(t, f.Pipeline)
			for i := range got {
				for _, prefix := range []string{`Sensors["s"].Actions[0].`} {
					if len(got[i]) > len(prefix) && got[i][:len(prefix)] == prefix && !slices.Contains(tt.want, got[i]) {
						got[i] = got[i][len(prefix):]
					}
				}
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

// sizeless is a source of which all values may have one address.
type sizeless struct{}

func (*sizeless) Run(context.Context, hearken.Output) error { return nil }

// textlessError is an error that cannot say what it is.
type textlessError struct{}

func (textlessError) Error() string { panic(errBroken) }

type every struct{}

func (every) Next(t time.Time) time.Time { return t.Add(time.Hour) }

type runnable struct{ *part }

func (runnable) Run(ctx context.Context, _ hearken.Output) error { <-ctx.Done(); return nil }

type runnablePointer struct{ runnable }

type validFilter struct {
	filterFunc
	err error
}

func (v *validFilter) Validate() error { return v.err }

func ExamplePipeline_Validate() {
	p := &hearken.Pipeline{Sensors: []hearken.Sensor{{Name: "deploy", Actions: []hearken.Action{{Name: "notify"}}}}}
	fmt.Println(p.Validate())
	// Output:
	// Name: is empty; it is what the bus stores things under
	// Bus: is nil; give a bus, such as &memory.Bus{} where events may be lost with the process
	// Sensors["deploy"].Actions["notify"].When: is nil; say which dependency the action waits for
	// Sensors["deploy"].Actions["notify"].Trigger: is nil; an action without a trigger does nothing
}

// validStore is a store only as far as Validate asks.
type validStore struct {
	bus.Store
	err error
}

func (v *validStore) Validate() error { return v.err }
