// Replicas is three processes that share the work of one sensor, of which one
// is killed every two seconds:
//
//	go run ./examples/replicas
//
// The program is the NATS server, the source of the events and what they end up
// at; it starts itself three times more as the replicas. In the end it says what
// has become of the events.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/signal"
	"strconv"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
	"github.com/hearken-go/hearken/triggers/httptrigger"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	replica := flag.String("replica", "", "be a replica, on the NATS server at this `URL`")
	to := flag.String("to", "", "`URL` that a replica posts to")
	duration := flag.Duration("for", 20*time.Second, "how long events are emitted")
	every := flag.Duration("every", 2*time.Second, "how often a replica is killed")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *replica != "" {
		err = runReplica(ctx, *replica, *to)
	} else {
		err = run(ctx, *duration, *every)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// pipeline is what all processes have in common: one name on one bus, which
// makes replicas of them.
func pipeline(b *natsbus.Bus) (*hearken.Pipeline, *hearken.EventSource) {
	orders := &hearken.EventSource{Name: "shop", Event: "order"} // emitted by the first process
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return &hearken.Pipeline{Name: "replicas", Bus: b, EventSources: []*hearken.EventSource{orders}, Logger: logger}, orders
}

// limits are the bus's: small, and in memory.
func limits() natsbus.Config {
	return natsbus.Config{Storage: jetstream.MemoryStorage, MaxBytes: 64 << 20, StoreMaxBytes: 1 << 20, DeadLetterMaxBytes: 1 << 20}
}

func runReplica(ctx context.Context, url, to string) error {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends when the first process does
		cancel()
	}()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1))
	if err != nil {
		return err
	}
	defer nc.Close()
	b, err := natsbus.Open(ctx, nc, limits())
	if err != nil {
		return err
	}
	defer func() { _ = b.Close(context.WithoutCancel(ctx)) }()
	p, orders := pipeline(b)
	p.Sensors = []hearken.Sensor{{Name: "ship", Actions: []hearken.Action{{
		When:    &hearken.Dependency{EventSource: orders},
		Trigger: &httptrigger.Trigger{URL: to},
	}}}}
	go announce(ctx, p)
	return p.Run(ctx)
}

// announce prints a line when the sensor has its place on the bus: before the
// first has, nobody wants the events, and they are dropped.
func announce(ctx context.Context, p *hearken.Pipeline) {
	for !p.Health().Ready && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("ready")
}

func run(ctx context.Context, duration, every time.Duration) (err error) {
	b, err := embedded.OpenWith(ctx, embedded.Config{Listen: "127.0.0.1:0"}, limits())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()
	l := &ledger{fired: map[string]int{}}
	sink := httptest.NewServer(l)
	defer sink.Close()
	crew := &crew{args: []string{"-replica", b.Server.URL(), "-to", sink.URL}}
	defer crew.end()
	for i := range crew.replicas {
		if err := crew.start(ctx, i); err != nil {
			return err
		}
	}

	ctx, cancel := context.WithCancel(ctx)
	p, orders := pipeline(b.Bus)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	err = post(ctx, p, orders, l, crew, duration, every)
	for give := time.Now().Add(time.Minute); l.lost() != 0 && time.Now().Before(give) && ctx.Err() == nil; {
		time.Sleep(10 * time.Millisecond)
	}
	switch {
	case ctx.Err() != nil: // Ctrl-C, which ends the replicas too: nobody is left to fire what waits
		fmt.Printf("%s waiting %d duplicates %d\n", l, l.lost(), l.duplicates())
	default:
		fmt.Printf("%s lost %d duplicates %d\n", l, l.lost(), l.duplicates())
		if l.lost() != 0 {
			err = errors.Join(err, errors.New("events are lost"))
		}
	}
	cancel()
	return errors.Join(err, <-ended)
}

// post emits events, and has a replica killed every so often.
func post(ctx context.Context, p *hearken.Pipeline, orders *hearken.EventSource, l *ledger, c *crew, duration, every time.Duration) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	second, kill := began.Add(time.Second), began.Add(every)
	for n := 0; time.Since(began) < duration && ctx.Err() == nil; {
		<-tick.C
		if time.Now().After(kill) {
			if err := c.killOne(ctx); err != nil && ctx.Err() == nil {
				return err
			}
			kill = kill.Add(every)
		}
		if now := time.Now(); now.After(second) { // a kill may have taken a while
			fmt.Printf("%3.0fs  killed %d  %s\n", now.Sub(began).Seconds(), c.killed, l)
			second = second.Add(time.Second)
		}
		e, err := hearken.NewEvent("order", strconv.Itoa(n), map[string]int{"order": n})
		if err != nil {
			return err
		}
		if p.Emit(ctx, orders, e) == nil { // else the same is emitted again
			l.accepted.Add(1)
			n++
		}
	}
	return nil
}
