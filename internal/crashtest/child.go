package crashtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
	"github.com/hearken-go/hearken/sources/webhook"
	"github.com/hearken-go/hearken/triggers/httptrigger"
	"github.com/nats-io/nats.go"
)

// ChildEnv is the environment variable that makes a test binary a child: its
// TestMain calls RunChild with the value.
const ChildEnv = "CRASHTEST_CHILD"

// childConfig is the value of ChildEnv, as JSON.
type childConfig struct {
	Serve string // be a NATS server at this address
	Dir   string // of the server, or of the pipeline's own

	URL      string // of the NATS server to use; empty: one in the process
	Sink     string
	Drain    time.Duration
	AckWait  time.Duration // of the bus; zero: its default
	Sabotage Sabotage
}

// hello is what a child prints, as JSON, once it is ready.
type hello struct {
	Addr string // host:port
}

// stillness is what a pipeline answers to GET /still.
type stillness struct {
	Backlog  int // of all groups
	InFlight int // of this process
}

// RunChild is a pipeline or a NATS server until it is told to end, or its parent
// has died.
func RunChild(value string) error {
	var c childConfig
	if err := json.Unmarshal([]byte(value), &c); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // nobody is there to be told
	}()
	if c.Serve != "" {
		return runServer(ctx, c)
	}
	return runPipeline(ctx, c)
}

func runServer(ctx context.Context, c childConfig) error {
	s, err := embedded.Start(ctx, embedded.Config{Dir: c.Dir, Listen: c.Serve})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(hello{Addr: s.URL()[len("nats://"):]}); err != nil {
		return err
	}
	<-ctx.Done()
	return s.Shutdown(context.WithoutCancel(ctx))
}

func runPipeline(ctx context.Context, c childConfig) error {
	b, closeBus, err := c.open(ctx)
	if err != nil {
		return err
	}
	p, mux := c.pipeline(b)
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux.HandleFunc("/still", func(w http.ResponseWriter, r *http.Request) { answerStill(w, r, p, b) })
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ends := make(chan error, 3)
	go func() { ends <- p.Run(ctx) }()
	go func() {
		server := &webhook.Server{Handler: mux, Listener: l, Drain: c.Drain}
		ends <- server.Run(ctx)
	}()
	go func() { ends <- greet(ctx, p, l.Addr().String()) }()
	for range cap(ends) {
		if failed := <-ends; failed != nil {
			cancel()
			err = errors.Join(err, failed)
		}
	}
	return errors.Join(err, closeBus(context.WithoutCancel(ctx)))
}

// greet says hello when the pipeline is ready, and nothing when it does not
// come to that.
func greet(ctx context.Context, p *hearken.Pipeline, addr string) error {
	for !p.Health().Ready {
		if pause(ctx, 2*time.Millisecond) != nil {
			return nil //nolint:nilerr // the pipeline says why
		}
	}
	return json.NewEncoder(os.Stdout).Encode(hello{Addr: addr})
}

// open opens the bus, and waits for its server if that is another process.
func (c childConfig) open(ctx context.Context) (*natsbus.Bus, func(context.Context) error, error) {
	config := natsbus.Config{Name: "crashtest", MaxBytes: 64 << 20, StoreMaxBytes: 64 << 20, DeadLetterMaxBytes: 64 << 20, AckWait: c.AckWait}
	if c.URL == "" {
		b, err := embedded.OpenWith(ctx, embedded.Config{Dir: c.Dir}, config)
		if err != nil {
			return nil, nil, err
		}
		return b.Bus, b.Close, nil
	}
	for {
		b, closeBus, err := dial(ctx, c.URL, config)
		if err == nil {
			return b, closeBus, nil
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			return nil, nil, err
		}
	}
}

func dial(ctx context.Context, url string, c natsbus.Config) (*natsbus.Bus, func(context.Context) error, error) {
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.Timeout(time.Second))
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	b, err := natsbus.Open(ctx, nc, c)
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	return b, func(ctx context.Context) error {
		defer nc.Close()
		return b.Close(ctx)
	}, nil
}

// pipeline is what all of it is about, and the mux of its webhooks.
func (c childConfig) pipeline(b *natsbus.Bus) (*hearken.Pipeline, *http.ServeMux) {
	mux := http.NewServeMux()
	var sources []*hearken.EventSource
	source := func(topic string) *hearken.EventSource {
		hook := &webhook.Source{Verify: webhook.AllowUnauthenticated}
		mux.Handle("/"+topic, hook)
		s := &hearken.EventSource{Name: "crashtest", Event: topic, Source: hook}
		sources = append(sources, s)
		return s
	}
	sensors := []hearken.Sensor{
		c.sensor(soloSensor, hearken.Action{When: &hearken.Dependency{EventSource: source(Solo)}}),
		c.sensor(lettersSensor, hearken.Action{When: &hearken.Dependency{EventSource: hearken.DeadLetters("*")}}),
	}
	if Joins {
		key := hearken.DataKey("key")
		sensors = append(sensors, c.sensor(pairSensor, hearken.Action{Within: time.Hour, When: hearken.All(
			&hearken.Dependency{EventSource: source(Left), Key: key}, &hearken.Dependency{EventSource: source(Right), Key: key},
		)}), c.sensor(queueSensor, hearken.Action{Queue: true, When: hearken.All(
			&hearken.Dependency{EventSource: source(First)}, &hearken.Dependency{EventSource: source(Second)},
		)}))
	}
	return &hearken.Pipeline{
		Name: "crashtest", Bus: c.Sabotage.bus(b), EventSources: sources, Sensors: sensors, Drain: c.Drain,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}, mux
}

// sensor completes one whose firings go to the sink, and are tried until they
// do.
func (c childConfig) sensor(name string, a hearken.Action) hearken.Sensor {
	a.Trigger = &httptrigger.Trigger{URL: c.Sink, Payload: hearken.PayloadFunc(report)}
	a.Retry = hearken.Retry{Min: 20 * time.Millisecond, Max: 200 * time.Millisecond, For: time.Hour}
	return hearken.Sensor{Name: name, Actions: []hearken.Action{a}}
}

// report is what the sink is told of a firing.
func report(f hearken.Firing) ([]byte, error) {
	said := Firing{Sensor: f.Sensor}
	for _, name := range slices.Sorted(maps.Keys(f.Events)) {
		e := f.Events[name]
		var posted Event
		if err := json.Unmarshal(e.Data(), &posted); err != nil {
			return nil, err
		}
		said.Events = append(said.Events, posted)
		if why, ok := e.Extensions()["hearkenerror"].(string); ok {
			said.Error = why
		}
	}
	return json.Marshal(said)
}

// answerStill says how much there is still to do.
func answerStill(w http.ResponseWriter, r *http.Request, p *hearken.Pipeline, b bus.Groups) {
	groups, err := b.Groups(r.Context())
	if err != nil {
		http.Error(w, fmt.Sprint(err), http.StatusServiceUnavailable)
		return
	}
	var s stillness
	for _, g := range groups {
		s.Backlog += g.Backlog
	}
	for _, sensor := range p.Health().Sensors {
		s.InFlight += sensor.InFlight
	}
	_ = json.NewEncoder(w).Encode(s) // to the test, which asks again
}
