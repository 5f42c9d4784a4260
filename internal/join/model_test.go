package join

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	histories = flag.Int("histories", 20_000, "random histories of the model test")
	seed      = flag.Uint64("seed", 1, "seed of the first history; 0: another each time")
)

// history is what a random history is made from. The same one runs the same way.
type history struct {
	seed  uint64
	size  int // events that are published
	steps int // before everything is let run to its end

	keyed, queue, duplicates, again, disorder, crashes, faults, failures, versions, newLog, sweeps bool
}

func (h history) String() string {
	type plain history
	return fmt.Sprintf("%+v", plain(h))
}

func newHistory(seed uint64) history {
	r := rand.New(rand.NewPCG(seed, 1))
	yes := func() bool { return r.IntN(3) > 0 }
	return history{
		seed: seed, size: 2 + r.IntN(10), steps: 20 + r.IntN(200),
		keyed: yes(), queue: !yes(), duplicates: yes(), again: yes(), disorder: yes(), crashes: yes(), faults: yes(),
		failures: yes(), versions: !yes(), newLog: r.IntN(6) == 0, sweeps: yes(),
	}
}

// smaller returns histories that are simpler than h.
func (h history) smaller() []history {
	var all []history
	change := func(f func(*history)) {
		s := h
		if f(&s); s != h {
			all = append(all, s)
		}
	}
	for _, f := range []func(*history){
		func(s *history) { s.size = max(2, s.size/2) },
		func(s *history) { s.size = max(2, s.size-1) },
		func(s *history) { s.steps /= 2 },
		func(s *history) { s.steps = max(0, s.steps-10) },
		func(s *history) { s.steps = max(0, s.steps-1) },
		func(s *history) { s.newLog = false }, func(s *history) { s.versions = false },
		func(s *history) { s.faults = false }, func(s *history) { s.crashes = false },
		func(s *history) { s.duplicates = false }, func(s *history) { s.failures = false },
		func(s *history) { s.sweeps = false }, func(s *history) { s.again = false },
		func(s *history) { s.disorder = false }, func(s *history) { s.queue = false }, func(s *history) { s.keyed = false },
	} {
		change(f)
	}
	return all
}

// TestModel feeds the engine and the reference the same random histories: orders,
// a publisher's duplicates, redelivery after any delay and of what was settled,
// lost answers of the store, crashes between any two steps, two processes and two
// versions at once, a stream made anew, expiry and resets.
func TestModel(t *testing.T) {
	first := *seed
	if first == 0 {
		first = rand.Uint64() >> 1
	}
	t.Logf("%d histories from -seed=%d", *histories, first)
	queue := &chunks{next: first, end: first + uint64(*histories)}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for from, to := queue.take(); from < to; from, to = queue.take() {
				synctest.Test(t, func(t *testing.T) { queue.found(playAll(from, to)) })
			}
		})
	}
	workers.Wait()
	if queue.problem != "" {
		t.Fatal(queue.problem)
	}
	t.Logf("%d histories: no event lost, none fired with under two IDs, all as the reference has it", queue.played)
}

// chunks deals out the seeds of histories, until one of them has a problem.
type chunks struct {
	lock      sync.Mutex
	next, end uint64
	played    uint64
	problem   string
}

func (c *chunks) take() (from, to uint64) {
	c.lock.Lock()
	defer c.lock.Unlock()
	from, to = c.next, min(c.next+200, c.end)
	c.next = to
	return from, to
}

func (c *chunks) found(played uint64, problem string) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.played += played; problem != "" {
		c.problem, c.next = problem, c.end
	}
}

// playAll plays histories one after the other, each on days of its own, until one
// has a problem, and shrinks that.
func playAll(from, to uint64) (played uint64, problem string) {
	for seed := from; seed < to; seed++ {
		h := newHistory(seed)
		if problems := play(h); problems != nil {
			small, problems := shrink(h, problems)
			return seed - from, fmt.Sprintf("history %v, shrunk to %v:\n%s", h, small, strings.Join(problems, "\n"))
		}
	}
	return to - from, ""
}

// shrink looks for a simpler history that has a problem too.
func shrink(h history, problems []string) (history, []string) {
	for range 200 {
		found := false
		for _, s := range h.smaller() {
			if p := play(s); p != nil {
				h, problems, found = s, p, true
				break
			}
		}
		if !found {
			break
		}
	}
	return h, problems
}

// play runs a history and returns what was wrong. It begins at midnight, so that
// the history runs the same way whatever came before.
func play(h history) []string {
	const day = 24 * time.Hour
	time.Sleep(time.Until(time.Now().Truncate(day).Add(day)))
	w := newWorld(h)
	for range h.steps {
		w.wait()
		w.turn()
	}
	w.finish()
	for _, p := range w.procs {
		close(p.dead)
	}
	synctest.Wait()
	return w.problems
}

func newWorld(h history) *world {
	w := &world{history: h, rng: rand.New(rand.NewPCG(h.seed, 2)), kv: map[string][]byte{}}
	names := []string{"a", "b", "c"}[:2+w.rng.IntN(2)]
	within := []time.Duration{0, 10 * time.Minute, time.Hour}[w.rng.IntN(3)]
	if h.keyed {
		within = max(within, 10*time.Minute)
	}
	var reset interface{ Next(time.Time) time.Time }
	if w.rng.IntN(4) == 0 {
		reset = every(30 * time.Minute)
	}
	for v := range w.action {
		w.action[v] = &Action{
			Name: "action", Dependencies: names, Holds: w.condition(names), Within: within, Reset: reset, Queue: h.queue,
			Version: fmt.Sprint("v", v), Seed: []byte("seed"),
		}
	}
	w.ledger = newLedger(w)
	w.procs = []*proc{w.start(0), w.start(0)}
	if h.versions {
		w.procs[1] = w.start(1)
	}
	return w
}

// every is a schedule without a library.
type every time.Duration

func (e every) Next(t time.Time) time.Time { return t.Truncate(time.Duration(e)).Add(time.Duration(e)) }

// condition makes a random tree of all and any.
func (w *world) condition(names []string) func(func(string) bool) bool {
	if len(names) == 1 {
		return func(has func(string) bool) bool { return has(names[0]) }
	}
	cut := 1 + w.rng.IntN(len(names)-1)
	left, right, all := w.condition(names[:cut]), w.condition(names[cut:]), w.rng.IntN(4) > 0
	return func(has func(string) bool) bool {
		if all {
			return left(has) && right(has)
		}
		return left(has) || right(has)
	}
}

// turn does one random thing.
func (w *world) turn() {
	switch n := w.rng.IntN(100); {
	case n < 12:
		w.publish()
	case n < 30:
		w.deliverSome()
	case n < 33 && w.again:
		w.deliverAgain()
	case n < 35 && w.crashes:
		w.crash(w.rng.IntN(len(w.procs)))
	case n < 38 && w.sweeps:
		w.sweep(w.procs[w.rng.IntN(len(w.procs))])
	case n < 40:
		w.pass(time.Duration(w.rng.IntN(9)) * 30 * time.Second)
	case n < 41 && w.newLog && w.seq > 2:
		w.anew()
	case len(w.parked) > 0:
		m := goOn
		if w.faults && w.rng.IntN(12) == 0 {
			m = failBefore + mode(w.rng.IntN(2))
		}
		w.resume(m)
	}
}

// publish stores an event on the bus.
func (w *world) publish() {
	if len(w.events) >= w.size {
		return
	}
	names := w.action[0].Dependencies
	h := &happening{id: fmt.Sprint(len(w.events)), key: fmt.Sprint(w.rng.IntN(2)), stored: time.Now()}
	for _, d := range names {
		if w.rng.IntN(len(names)) == 0 {
			h.deps = append(h.deps, d)
		}
	}
	if len(h.deps) == 0 {
		h.deps = []string{names[w.rng.IntN(len(names))]}
	}
	if w.duplicates && len(w.events) > 0 && w.rng.IntN(5) == 0 {
		of := w.events[w.rng.IntN(len(w.events))]
		h.id, h.key, h.deps = of.id, of.key, of.deps
	}
	if !w.keyed {
		h.key = ""
	}
	w.seq++
	h.pos.Log, h.pos.Seq = w.logName(), w.seq
	h.event = newEvent(h)
	w.events = append(w.events, h)
}

// deliverSome delivers the first event that nobody has, or another.
func (w *world) deliverSome() {
	var waiting []*happening
	for _, h := range w.events {
		if !h.settled && !h.gone && h.holder == nil {
			waiting = append(waiting, h)
		}
	}
	if len(waiting) == 0 {
		return
	}
	i := 0
	if w.disorder && w.rng.IntN(3) == 0 {
		i = w.rng.IntN(len(waiting))
	}
	w.deliver(w.procs[w.rng.IntN(len(w.procs))], waiting[i])
}

// deliverAgain delivers any event once more, held or settled or not.
func (w *world) deliverAgain() {
	live := slices.DeleteFunc(slices.Clone(w.events), func(h *happening) bool { return h.gone })
	if len(live) > 0 {
		w.deliver(w.procs[w.rng.IntN(len(w.procs))], live[w.rng.IntN(len(live))])
	}
}

// anew makes the bus's stream anew: what it held is gone.
func (w *world) anew() {
	for _, h := range w.events {
		h.gone = true
	}
	w.log, w.seq = w.log+1, 0
}

// pass lets time pass. All processes sweep before that makes an old version of
// theirs: the engine expects it every few minutes.
func (w *world) pass(d time.Duration) {
	w.rest()
	for _, p := range w.procs {
		p.sweep(context.Background(), w.floor())
	}
	time.Sleep(d)
}

// passInSteps lets time pass in steps of random length.
func (w *world) passInSteps(d, shortest time.Duration) {
	for d > 0 {
		step := min(d, shortest*time.Duration(1+w.rng.IntN(8)))
		w.pass(step)
		d -= step
	}
	w.pass(0)
}

// rest lets everything that is parked go on, without faults, until nothing is.
func (w *world) rest() {
	for range 100_000 {
		w.wait()
		if len(w.parked) == 0 {
			return
		}
		w.resume(goOn)
	}
	w.fail("it never comes to rest")
}

// finish lets everything run to its end, looks at the books, and then lets three
// weeks go by: what is given up in the first is remembered for one more. What one
// process has not done by then, none does for it.
func (w *world) finish() {
	w.wait()
	for len(w.events) < w.size {
		w.publish()
	}
	for i := range w.procs { // the deploy is over
		if w.versions && w.procs[i].version == 0 {
			w.crash(i)
			w.procs[i] = w.start(1)
		}
	}
	for range 1000 {
		w.rest()
		open := slices.DeleteFunc(slices.Clone(w.events), func(h *happening) bool { return h.settled || h.gone })
		if len(open) == 0 {
			break
		}
		for _, h := range open {
			w.procs[w.rng.IntN(len(w.procs))].settle(context.Background(), h)
		}
	}
	w.stop(w.rng.IntN(len(w.procs)))
	w.passInSteps(2*time.Hour, 4*time.Minute) // beyond each deadline
	w.check()
	w.passInSteps(21*24*time.Hour, 12*time.Hour)
	w.checkForgotten()
}
