package crashtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"
)

// Scenario is a load, what harms it, and for how long.
type Scenario struct {
	Name     string
	Replicas int  // processes of the pipeline; zero: 1
	Server   bool // the bus is a nats-server process behind a proxy, not in the pipeline's
	Whims    Whims
	Killers  []Killer
	For      time.Duration
	// Accepted is how many events must have been accepted, and Harms how many
	// times harm done, before the load ends: it takes longer than For where the
	// machine is slow.
	Accepted, Harms int
	Seed            uint64
	Drain           time.Duration // of the pipelines; zero: theirs
	Sabotage        Sabotage
	Once            bool // nothing may fire twice, not even under the same id
}

// Killer does one of its harms at a time, in random order, each as often as the
// others.
type Killer struct {
	// Every is how long it waits before each; a random time from half of it to
	// one and a half.
	Every time.Duration
	// Steady makes it exactly Every from the beginning of one to that of the
	// next, unless one takes longer.
	Steady bool
	Harms  []Harm
}

// Harm does harm to a world and returns once it is over. Its random choices
// come from r.
type Harm func(ctx context.Context, w *World, r *rand.Rand) error

// Result is what came of a scenario.
type Result struct {
	Scenario string
	Seed     uint64
	Kills    int // SIGKILLs, of pipelines and servers
	Stops    int // SIGTERMs
	Cuts     int // times that connections were cut, refused or slowed
	// LongStart is the longest from a restart to its being ready, and LongStop
	// from a SIGTERM to the end.
	LongStart, LongStop time.Duration
	Tally
}

// stormWithin is how long beyond For it may take until it is enough.
const stormWithin = time.Minute

// quietWithin is how long a world may take to come to rest, startWithin a process to
// be ready, and stopWithin one to end when it has drained: seconds, unless the
// machine has much else to do.
const (
	quietWithin = 3 * time.Minute
	startWithin = 2 * time.Minute
	stopWithin  = time.Minute
)

// Run lets the load and the killers run, then all in peace until it is quiet,
// proves that what is pending is there, and closes the account. It keeps its
// files in dir. It returns an error if that could not be done; what the account
// says is in the result.
func (s Scenario) Run(ctx context.Context, dir string) (Result, error) {
	w, err := newWorld(ctx, s, dir)
	if err != nil {
		return Result{Scenario: s.Name, Seed: s.Seed}, err
	}
	err = w.run(ctx)
	w.close()
	w.result.Tally = w.ledger.Tally()
	if n := w.result.Duplicates; s.Once && n > 0 {
		w.result.wrong("%d firings came again, although nothing was killed", n)
	}
	return w.result, errors.Join(append(w.failures, err)...)
}

func (w *World) run(ctx context.Context) error {
	if err := w.start(ctx); err != nil {
		return err
	}
	err := w.storm(ctx)
	w.sink.Calm()
	if err != nil {
		return err
	}
	if err := w.settle(ctx); err != nil {
		return err
	}
	return w.stopAll()
}

// storm is the part with the harm.
func (w *World) storm(ctx context.Context) error {
	loaded, stop := context.WithTimeout(ctx, w.For+stormWithin)
	defer stop()
	errs := make([]error, len(w.Killers))
	var all sync.WaitGroup
	all.Go(func() { w.load.run(loaded, w.Seed) })
	all.Go(func() {
		defer stop()
		for err := pause(loaded, w.For); err == nil && !w.enough(); {
			err = pause(loaded, 10*time.Millisecond)
		}
	})
	for i, k := range w.Killers {
		all.Go(func() {
			r := rand.New(rand.NewPCG(w.Seed, uint64(100+i))) //nolint:gosec // to be repeatable
			if errs[i] = k.run(loaded, w, r); errs[i] != nil {
				stop()
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// enough reports whether there was as much load and harm as the scenario wants.
func (w *World) enough() bool {
	w.mu.Lock()
	harms := w.result.Kills + w.result.Stops + w.result.Cuts
	w.mu.Unlock()
	return harms >= w.Harms && w.ledger.Accepted() >= w.Accepted
}

// run does harm until ctx ends; what has begun is brought to its end.
func (k Killer) run(ctx context.Context, w *World, r *rand.Rand) error {
	var deck []int
	tick := time.NewTicker(k.Every)
	defer tick.Stop()
	for {
		if len(deck) == 0 {
			deck = r.Perm(len(k.Harms))
		}
		if !k.Steady {
			tick.Reset(k.Every/2 + time.Duration(r.Int64N(int64(k.Every))))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil // the load is over
		}
		if err := k.Harms[deck[0]](context.WithoutCancel(ctx), w, r); err != nil {
			return err
		}
		deck = deck[1:]
	}
}

// settle waits until all is quiet, and posts what is missing for each pending
// event.
func (w *World) settle(ctx context.Context) error {
	const rounds = 4
	ctx, cancel := context.WithTimeout(ctx, quietWithin)
	defer cancel()
	for range rounds {
		if err := w.quiet(ctx); err != nil {
			return err
		}
		missing := w.ledger.Missing()
		if len(missing) == 0 {
			return nil
		}
		for _, e := range missing {
			if err := w.load.insist(ctx, e); err != nil {
				return err
			}
		}
	}
	return w.quiet(ctx)
}

// quiet waits until the bus holds nothing that is not settled.
func (w *World) quiet(ctx context.Context) error {
	still := 0
	for still < 3 {
		sum, err := w.stillness(ctx)
		if still++; err != nil || sum != (stillness{}) {
			still = 0
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("never quiet: %+v (%w)", sum, err)
		}
	}
	return nil
}

// KillPipeline kills one of the replicas and starts it again; at times it kills
// it in the middle of the start, too.
func KillPipeline(ctx context.Context, w *World, r *rand.Rand) error {
	i := r.IntN(len(w.replicas))
	w.replicas[i].kill()
	w.targets.set(i, "")
	w.count(func(r *Result) { r.Kills++ })
	if err := pause(ctx, time.Duration(r.IntN(100))*time.Millisecond); err != nil {
		return err
	}
	if r.IntN(3) == 0 {
		soon, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(200))*time.Millisecond)
		defer cancel()
		if w.restart(soon, i) == nil {
			return nil // it was faster
		}
		w.count(func(r *Result) { r.Kills++ })
	}
	return w.restart(ctx, i)
}

// StopPipeline stops one of the replicas as an operator does, and starts it
// again.
func StopPipeline(ctx context.Context, w *World, r *rand.Rand) error {
	i := r.IntN(len(w.replicas))
	if err := w.stop(i); err != nil {
		return err
	}
	return w.restart(ctx, i)
}

// KillServer kills the NATS server and starts it again.
func KillServer(ctx context.Context, w *World, r *rand.Rand) error {
	w.server.kill()
	w.proxy.SetTarget("")
	w.count(func(r *Result) { r.Kills++ })
	if err := pause(ctx, time.Duration(r.IntN(400))*time.Millisecond); err != nil {
		return err
	}
	if err := w.startServer(ctx); err != nil {
		return err
	}
	w.ledger.Restarted()
	return nil
}

// CutConnections breaks all connections to the NATS server.
func CutConnections(_ context.Context, w *World, _ *rand.Rand) error {
	w.proxy.Cut()
	w.count(func(r *Result) { r.Cuts++ })
	return nil
}

// RefuseConnections breaks all connections to the NATS server, and new ones
// for up to a second.
func RefuseConnections(ctx context.Context, w *World, r *rand.Rand) error {
	w.proxy.Refuse(true)
	defer w.proxy.Refuse(false)
	w.proxy.Cut()
	w.count(func(r *Result) { r.Cuts++ })
	return pause(ctx, time.Duration(r.IntN(1000))*time.Millisecond)
}

// SlowConnections slows all connections to the NATS server for up to a second.
func SlowConnections(ctx context.Context, w *World, r *rand.Rand) error {
	w.proxy.SetPace(Pace{Delay: time.Duration(1+r.IntN(20)) * time.Millisecond, Bytes: 100_000})
	defer w.proxy.SetPace(Pace{})
	w.count(func(r *Result) { r.Cuts++ })
	return pause(ctx, time.Duration(r.IntN(1000))*time.Millisecond)
}

func (w *World) logFile() string { return filepath.Join(w.dir, "log") }
