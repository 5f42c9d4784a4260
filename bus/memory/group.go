package memory

import (
	"container/heap"
	"sync"
	"time"

	"github.com/hearken-go/hearken/bus"
)

// place is a topic of a group. Its counts are guarded by the group's lock.
type place struct {
	group   *group
	topic   bus.Topic
	listed  int // by so many members
	backlog int // events not settled
}

// idle reports whether p is to be given up.
func (p *place) idle() bool {
	return p.listed == 0 && p.backlog == 0 && len(p.group.members) > 0
}

// group is a group and its backlog. While an item is ready, no waiter is that
// could have it: match restores this after each change.
type group struct {
	bus  *Bus
	name string
	log  string

	mu      sync.Mutex // after Bus.mu
	places  map[bus.Topic]*place
	members map[*member]struct{}
	again   list // ready, and was handed back or is an old letter: goes first
	fresh   list // ready, and was never delivered; in the order of seq
	delayed delays
	timer   *time.Timer   // for the first of the delayed
	waiters waiters       // of members that had room when they came
	active  time.Duration // when it received or settled last, since Bus.begun; 0: never
}

// push stores r for the group, in r's own item if that is free. It returns
// granted and who is to be woken for r.
func (g *group) push(p *place, r *record, own bool, now time.Duration, granted *waiter) *waiter {
	it := &r.first
	if !own {
		it = new(item)
	}
	it.record, it.place = r, p
	if r.letter != nil {
		r.letter.items = append(r.letter.items, it)
	}
	g.mu.Lock()
	p.backlog++
	g.fresh.pushBack(it)
	granted = g.grant(now, granted)
	g.mu.Unlock()
	return granted
}

// pop takes the next ready item out; nil when none is.
func (g *group) pop() *item {
	l := &g.again
	if l.head == nil {
		l = &g.fresh
	}
	it := l.head
	if it != nil {
		l.remove(it)
	}
	return it
}

// now is the time since Bus.begun, which is cheaper than time.Now.
func (g *group) now() time.Duration { return time.Since(g.bus.begun) }

// touch notes that the group received or settled an event now.
func (g *group) touch(now time.Duration) { g.active = max(1, now) }

func (g *group) ready() bool { return g.again.head != nil || g.fresh.head != nil }

// match gives ready items to who waits for one.
func (g *group) match(now time.Duration) { g.grant(now, nil).wake() }

// grant gives ready items to who waits for one, who is to be woken then, and
// before granted. The lock is better given back first: a woken Receive wants it.
func (g *group) grant(now time.Duration, granted *waiter) *waiter {
	for g.ready() && g.waiters.head != nil {
		w := g.waiters.head
		g.waiters.remove(w)
		if w.member.full() {
			w.member.stalled.pushBack(w)
			continue
		}
		w.got, w.next = w.member.take(g.pop(), now), granted
		granted = w
	}
	return granted
}

// done takes it off the backlog.
func (g *group) done(it *item) {
	if it.gone {
		return
	}
	it.gone = true
	it.place.backlog--
	g.bus.room.settled(it.record)
}

// discard ends it, wherever it is. A holder keeps it until it settles.
func (g *group) discard(it *item) {
	switch {
	case it.gone || it.holder != nil:
	case it.delayed > 0:
		heap.Remove(&g.delayed, int(it.delayed)-1)
	default:
		it.in.remove(it)
	}
	g.done(it)
}

// delay makes it ready when due.
func (g *group) delay(it *item, due time.Duration) {
	it.due = due
	heap.Push(&g.delayed, it)
	if g.delayed[0] == it {
		g.arm()
	}
}

// arm sets the timer to the first of the delayed.
func (g *group) arm() {
	if len(g.delayed) == 0 {
		return
	}
	after := g.delayed[0].due - g.now()
	if g.timer == nil {
		g.timer = time.AfterFunc(after, g.wake)
		return
	}
	g.timer.Reset(after)
}

// wake makes ready what is due.
func (g *group) wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	for len(g.delayed) > 0 && g.delayed[0].due <= now {
		g.again.pushBack(heap.Pop(&g.delayed).(*item))
	}
	g.match(now)
	g.arm()
}

// ordinary counts what the group has not settled, but for dead letters.
func (g *group) ordinary() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for t, p := range g.places {
		if !t.IsDeadLetters() {
			n += p.backlog
		}
	}
	return n
}
