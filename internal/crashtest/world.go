package crashtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// World is the processes of a scenario and what is between them.
type World struct {
	Scenario
	dir     string
	log     *os.File // what the processes say
	ledger  *Ledger
	sink    *Sink
	sinkURL string
	http    *http.Server
	targets *targets
	load    *load

	// Each is touched by one killer at a time.
	replicas []*process
	server   *process
	proxy    *Proxy // to the server, which is at another address after each start

	mu       sync.Mutex
	result   Result
	failures []error // of processes that ended by themselves
	watching sync.WaitGroup
}

func newWorld(ctx context.Context, s Scenario, dir string) (*World, error) {
	s.Replicas = max(s.Replicas, 1)
	w := &World{
		Scenario: s, dir: dir, ledger: &Ledger{}, targets: &targets{}, replicas: make([]*process, s.Replicas),
		result: Result{Scenario: s.Name, Seed: s.Seed},
	}
	w.load = newLoad(w.ledger, w.targets)
	w.sink = NewSink(w.ledger, rand.New(rand.NewPCG(s.Seed, 200)), s.Whims) //nolint:gosec // to be repeatable
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w.sinkURL = "http://" + l.Addr().String()
	w.http = &http.Server{Handler: w.sink, ReadHeaderTimeout: 10 * time.Second}
	w.watching.Go(func() {
		if err := w.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			w.fail(err)
		}
	})
	if w.log, err = os.Create(w.logFile()); err != nil {
		return nil, errors.Join(err, w.http.Close())
	}
	return w, nil
}

func (w *World) start(ctx context.Context) error {
	if w.Server {
		var err error
		if w.proxy, err = NewProxy(ctx, ""); err != nil {
			return err
		}
		if err := w.startServer(ctx); err != nil {
			return err
		}
	}
	for i := range w.replicas {
		if err := w.startReplica(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// close ends everything, whatever state it is in.
func (w *World) close() {
	w.load.client.CloseIdleConnections()
	for _, p := range append(w.replicas, w.server) {
		if p != nil {
			p.kill()
		}
	}
	var err error
	if w.proxy != nil {
		err = w.proxy.Close()
	}
	w.fail(errors.Join(err, w.http.Close(), w.log.Close()))
	w.watching.Wait()
}

func (w *World) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.failures = append(w.failures, err)
	}
}

func (w *World) count(add func(*Result)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	add(&w.result)
}

func (w *World) startServer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	p, err := start(ctx, childConfig{Serve: "127.0.0.1:0", Dir: filepath.Join(w.dir, "server")}, w.log)
	if err != nil {
		return fmt.Errorf("nats-server: %w", err)
	}
	w.server = p
	w.watch(p, "nats-server")
	w.proxy.SetTarget(p.addr)
	return nil
}

func (w *World) startReplica(ctx context.Context, i int) error {
	c := childConfig{Dir: filepath.Join(w.dir, "pipeline"), Sink: w.sinkURL, Drain: w.Drain, Sabotage: w.Sabotage}
	if w.Once {
		c.AckWait = 30 * time.Second // a machine that stands still for a while is no dead member
	}
	if w.proxy != nil {
		c.URL = "nats://" + w.proxy.Addr()
	}
	p, err := start(ctx, c, w.log)
	if err != nil {
		return fmt.Errorf("replica %d: %w", i, err)
	}
	w.replicas[i] = p
	w.watch(p, fmt.Sprintf("replica %d", i))
	w.targets.set(i, p.addr)
	return nil
}

// restart starts a replica again. One that comes up while its server is away
// may fail, and is then started again as a supervisor would.
func (w *World) restart(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	began := time.Now()
	err := w.startReplica(ctx, i)
	for w.Server && err != nil && pause(ctx, 50*time.Millisecond) == nil {
		err = w.startReplica(ctx, i)
	}
	if err == nil {
		w.ledger.Restarted()
		w.count(func(r *Result) { r.LongStart = max(r.LongStart, time.Since(began)) })
	}
	return err
}

// watch notes a process that ends by itself.
func (w *World) watch(p *process, name string) {
	w.watching.Go(func() {
		<-p.exited
		if !p.asked.Load() {
			w.fail(fmt.Errorf("%s ended by itself: %w", name, p.err))
		}
	})
}

// stop stops a replica in order.
func (w *World) stop(i int) error {
	// It may take all of its Drain, and then has the bus to close.
	took, err := w.replicas[i].terminate(w.Drain + stopWithin)
	w.targets.set(i, "")
	w.count(func(r *Result) {
		r.Stops++
		r.LongStop = max(r.LongStop, took)
	})
	return err
}

// stopAll ends the replicas in order, in peace.
func (w *World) stopAll() error {
	var errs []error
	for i := range w.replicas {
		errs = append(errs, w.stop(i))
	}
	return errors.Join(errs...)
}

// stillness sums up what the replicas still have to do.
func (w *World) stillness(ctx context.Context) (stillness, error) {
	var sum stillness
	for _, addr := range w.targets.all() {
		s, err := w.askStill(ctx, addr)
		if err != nil {
			return sum, err
		}
		sum.Backlog = max(sum.Backlog, s.Backlog) // each knows all of it
		sum.InFlight += s.InFlight
	}
	return sum, nil
}

func (w *World) askStill(ctx context.Context, addr string) (s stillness, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/still", nil)
	if err != nil {
		return s, err
	}
	resp, err := w.load.client.Do(req)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return s, fmt.Errorf("GET /still: %s", resp.Status)
	}
	return s, json.NewDecoder(resp.Body).Decode(&s)
}
