package join

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
)

// world is a bus, a store and two processes, played step by step: whatever one of
// them does with the store or the bus waits until the player lets it.
type world struct {
	history
	rng     *rand.Rand
	action  [2]*Action // by version
	procs   []*proc
	events  []*happening // in the order of publication
	log     int
	seq     uint64
	started int  // tasks
	running bool // something may be on its way to its next step

	lock   sync.Mutex
	kv     map[string][]byte
	parked []*step
	*ledger
}

// happening is an event on the bus.
type happening struct {
	id      string
	key     string
	deps    []string
	pos     bus.Pos
	stored  time.Time
	event   Event
	settled bool
	gone    bool // with its log
	holder  *proc
}

// step is something that waits to be let go on.
type step struct {
	proc   *proc
	task   int
	resume chan mode
}

// mode is how a step goes on.
type mode int

const (
	goOn       mode = iota
	failBefore      // with an error, and nothing done
	failAfter       // with an error, although it is done
	died            // its process is no more
)

var errFault = errors.New("the store does not answer")

// proc is a process.
type proc struct {
	*world
	*Engine
	version int
	dead    chan struct{}
	takes   []*op // of the update that is being made
}

// sim is the store as one task of a process sees it.
type sim struct{ *proc }

type taskKey struct{}

func (w *world) start(version int) *proc {
	p := &proc{world: w, version: version, dead: make(chan struct{})}
	p.Engine = New(sim{p}, "join/", func(err error) {
		if !errors.Is(err, errFault) {
			w.fail("reported: %v", err)
		}
	}, w.action[version])
	p.Engine.trace = func(o *op) { p.takes = append(p.takes, o) }
	return p
}

// park waits to be let go on.
func (p *proc) park(ctx context.Context) mode {
	task, ok := ctx.Value(taskKey{}).(int)
	if !ok { // nobody else does anything
		return goOn
	}
	s := &step{proc: p, task: task, resume: make(chan mode)}
	p.lock.Lock()
	p.parked = append(p.parked, s)
	p.lock.Unlock()
	select {
	case m := <-s.resume:
		return m
	case <-p.dead:
		return died
	}
}

// fault waits to be let go on, and returns whether it is to happen, and with which
// error.
func (p *proc) fault(ctx context.Context) (bool, error) {
	switch p.park(ctx) {
	case goOn:
		return true, nil
	case failAfter:
		return true, errFault
	default:
		return false, errFault
	}
}

func (s sim) Get(ctx context.Context, key string) ([]byte, error) {
	if _, err := s.fault(ctx); err != nil {
		return nil, err
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	return slices.Clone(s.kv[key]), nil
}

func (s sim) Update(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
	happens, fault := s.fault(ctx)
	if !happens {
		return fault
	}
	s.lock.Lock()
	old := s.kv[key]
	s.lock.Unlock()
	entry, isEntry := strings.CutPrefix(key, "join/e/")
	if isEntry {
		_, _ = f(slices.Clone(old)) // as when another update came between
	}
	s.takes = nil
	value, err := f(slices.Clone(old))
	if err != nil {
		return err
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.kv[key] = slices.Clone(value); value == nil {
		delete(s.kv, key)
	}
	if isEntry {
		s.changed(s.proc, entry, old, value)
	}
	return fault
}

func (s sim) List(ctx context.Context, prefix string) iter.Seq2[bus.Entry, error] {
	return func(yield func(bus.Entry, error) bool) {
		if _, err := s.fault(ctx); err != nil {
			yield(bus.Entry{}, err)
			return
		}
		s.lock.Lock()
		var found []bus.Entry
		for k, v := range s.kv {
			if strings.HasPrefix(k, prefix) {
				found = append(found, bus.Entry{Key: k, Value: slices.Clone(v)})
			}
		}
		s.lock.Unlock()
		slices.SortFunc(found, func(x, y bus.Entry) int { return strings.Compare(x.Key, y.Key) })
		for _, e := range found {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// task runs something on its own.
func (w *world) task(f func(ctx context.Context)) {
	w.started++
	w.running = true
	ctx := context.WithValue(context.Background(), taskKey{}, w.started)
	go f(ctx)
}

// crash ends a process where it is, and starts another. What it held comes again.
func (w *world) crash(i int) {
	p := w.procs[i]
	w.kill(p)
	version := p.version
	if w.versions && w.rng.IntN(2) == 0 {
		version = 1
	}
	w.procs[i] = w.start(version)
}

// stop ends a process.
func (w *world) stop(i int) {
	w.kill(w.procs[i])
	w.procs = slices.Delete(w.procs, i, i+1)
}

func (w *world) kill(p *proc) {
	close(p.dead)
	w.running = true
	w.wait()
	w.parked = slices.DeleteFunc(w.parked, func(s *step) bool { return s.proc == p })
	for _, h := range w.events {
		if h.holder == p {
			h.holder = nil
		}
	}
}

// deliver has a process handle a happening.
func (w *world) deliver(p *proc, h *happening) {
	if h.holder == nil {
		h.holder = p
	}
	w.task(func(ctx context.Context) { p.settle(ctx, h) })
}

func (p *proc) settle(ctx context.Context, h *happening) {
	settled := p.handle(ctx, h)
	p.lock.Lock()
	defer p.lock.Unlock()
	if h.holder == p {
		h.holder = nil
	}
	h.settled = h.settled || settled
}

// handle is what a sensor does with a delivery. It reports whether it settled it.
func (p *proc) handle(ctx context.Context, h *happening) bool {
	a := p.action[p.version]
	arrival := &Arrival{Keyed: p.keyed, Key: h.key, Event: h.event, Pos: h.pos, Stored: h.stored}
	var out Outcome
	err := p.again(ctx, func() (err error) {
		out, err = p.Take(ctx, a, arrival)
		return err
	})
	if err != nil {
		return false
	}
	if f := out.Firing; f != nil {
		cleared := false
		err := p.again(ctx, func() error {
			err := p.Load(ctx, f, arrival)
			if cleared = errors.Is(err, ErrCleared); cleared {
				return nil
			}
			return err
		})
		if err != nil || p.park(ctx) == died {
			return false
		}
		if cleared {
			return p.park(ctx) != died
		}
		p.fired(f)
		if p.park(ctx) == died || p.again(ctx, func() error { return p.Clear(ctx, f) }) != nil {
			return false
		}
	}
	return p.park(ctx) != died
}

// again repeats what fails, while the process lives.
func (p *proc) again(ctx context.Context, f func() error) error {
	for {
		err := f()
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, errFault):
			p.fail("an error that no fault explains: %v", err)
			return err
		case p.park(ctx) == died:
			return err
		}
	}
}

func newEvent(h *happening) Event {
	e := event.New()
	e.SetID(h.id)
	e.SetSource("source")
	e.SetType("type")
	e.DataEncoded = []byte(fmt.Sprint(h.pos))
	return Event{Topic: bus.Topic{EventSource: "source", Event: "event"}, Original: e, Dependencies: h.deps}
}

// sweep has a process sweep.
func (w *world) sweep(p *proc) {
	floor := w.floor()
	w.task(func(ctx context.Context) { p.sweep(ctx, floor) })
}

func (p *proc) sweep(ctx context.Context, floor bus.Floor) {
	err := p.Sweep(ctx, floor, func(_ context.Context, l Loss) error {
		if p.park(ctx) != goOn {
			return errFault
		}
		p.bury(l.Pos)
		return nil
	})
	if err != nil && !errors.Is(err, errFault) {
		p.fail("sweep: %v", err)
	}
}

// floor is how far everything is settled.
func (w *world) floor() bus.Floor {
	f := bus.Floor{Time: time.Now(), Logs: map[string]uint64{w.logName(): w.seq}}
	for _, h := range w.events {
		if h.settled || h.gone {
			continue
		}
		if h.stored.Before(f.Time) {
			f.Time = h.stored
		}
		f.Logs[h.pos.Log] = min(f.Logs[h.pos.Log], h.pos.Seq-1)
	}
	return f
}

func (w *world) logName() string { return "log" + strconv.Itoa(w.log) }

// resume lets one of the parked steps go on.
func (w *world) resume(m mode) {
	w.lock.Lock()
	slices.SortFunc(w.parked, func(x, y *step) int { return cmp.Compare(x.task, y.task) })
	i := w.rng.IntN(len(w.parked))
	s := w.parked[i]
	w.parked = slices.Delete(w.parked, i, i+1)
	w.lock.Unlock()
	s.resume <- m
	w.running = true
}

// wait waits until everything is parked or done.
func (w *world) wait() {
	if w.running {
		synctest.Wait()
		w.running = false
	}
}
