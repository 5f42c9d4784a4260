package hearken_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/stretchr/testify/require"
)

// fixture is a pipeline of one event source over a scripted bus.
type fixture struct {
	*hearken.Pipeline
	bus    *scriptedBus
	source *hearken.EventSource
	dep    *hearken.Dependency
	stop   context.CancelFunc
	done   chan error
	seq    uint64
}

// topic is where the fixture's events come from.
func topic() bus.Topic { return bus.Topic{EventSource: "orders", Event: "created"} }

func letters() bus.Topic { return bus.Topic{EventSource: bus.DeadLetterSource, Event: "test"} }

// newFixture makes a pipeline with one sensor of the given actions; those
// without a condition fire on every event.
func newFixture(actions ...hearken.Action) *fixture {
	source := &hearken.EventSource{Name: "orders", Event: "created"}
	dep := &hearken.Dependency{EventSource: source}
	for i := range actions {
		if actions[i].When == nil {
			actions[i].When = dep
		}
	}
	b := newScriptedBus()
	return &fixture{
		bus: b, source: source, dep: dep, done: make(chan error, 1),
		Pipeline: &hearken.Pipeline{
			Name: "test", Bus: b, EventSources: []*hearken.EventSource{source},
			Sensors: []hearken.Sensor{{Name: "s", Actions: actions}},
			Logger:  slog.New(slog.DiscardHandler),
		},
	}
}

// start runs the pipeline within a synctest bubble until it is ready.
func (f *fixture) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f.stop = cancel
	go func() { f.done <- f.Run(ctx) }()
	synctest.Wait()
	require.True(t, f.Health().Ready)
}

// end stops the pipeline and returns Run's error.
func (f *fixture) end() error {
	f.stop()
	return <-f.done
}

// deliver delivers an event with the given id and waits until nothing moves.
func (f *fixture) deliver(id string, change ...func(*bus.Delivery)) bus.Pos {
	f.seq++
	e, err := hearken.NewEvent("order", id, map[string]string{"id": id})
	if err != nil {
		panic(err)
	}
	e.SetSource("shop")
	d := bus.Delivery{Topic: topic(), Event: e, Pos: bus.Pos{Log: "log", Seq: f.seq}, Stored: time.Now()}
	for _, c := range change {
		c(&d)
	}
	f.bus.deliver(d)
	synctest.Wait()
	return d.Pos
}

func acked(pos ...bus.Pos) (want []settlement) {
	for _, p := range pos {
		want = append(want, settlement{Pos: p, Ack: true})
	}
	return want
}

func handedBack(pos bus.Pos) []settlement { return []settlement{{Pos: pos}} }

// script is a trigger that answers attempt by attempt, then with nil.
type script struct {
	mu      sync.Mutex
	answers []error
	firings []hearken.Firing
	times   []time.Time
}

func (s *script) Fire(_ context.Context, f hearken.Firing) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.firings = append(s.firings, f)
	s.times = append(s.times, time.Now())
	if len(s.answers) == 0 {
		return nil
	}
	err := s.answers[0]
	s.answers = s.answers[1:]
	return err
}

func (s *script) fired() []hearken.Firing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]hearken.Firing(nil), s.firings...)
}

// always is a trigger that fails each time.
type always struct{ err error }

func (a always) Fire(context.Context, hearken.Firing) error { return a.err }

var errBroken = errors.New("broken")

func extensions(e hearken.Event) map[string]any { return e.Extensions() }

// panicking is a trigger that panics with an error.
type panicking struct{}

func (panicking) Fire(context.Context, hearken.Firing) error { panic(errBroken) }
