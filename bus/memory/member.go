package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/hearken-go/hearken/bus"
)

// member is a subscription. Its fields are guarded by the group's lock.
type member struct {
	group    *group
	topics   map[bus.Topic]struct{}
	limit    int
	inFlight int
	held     list
	stalled  waiters // for a place in flight
	closed   bool
}

func (m *member) full() bool { return m.inFlight >= m.limit }

// take gives it to m.
func (m *member) take(it *item, now time.Duration) grant {
	it.attempt++
	it.holder = m
	if it.attempt == 1 {
		it.first = m
	}
	m.inFlight++
	m.held.pushBack(it)
	m.group.touch(now)
	return grant{it, int(it.attempt)}
}

// leave takes it from m.
func (m *member) leave(it *item, now time.Duration) {
	m.held.remove(it)
	it.holder = nil
	m.inFlight--
	m.group.touch(now)
	m.unstall()
}

// unstall lets a Receive that waits for a place have the one that is free.
func (m *member) unstall() {
	if w := m.stalled.head; w != nil && !m.full() {
		m.stalled.remove(w)
		m.group.waiters.pushFront(w)
	}
}

// grant is what a Receive got. The attempt is as it was then: the item may be
// with another member by now. Without an item the subscription is closed.
type grant struct {
	item    *item
	attempt int
}

// delivery returns what m got.
func (m *member) delivery(g grant) (bus.Delivery, error) {
	if g.item == nil {
		return bus.Delivery{}, fmt.Errorf("%w: subscription of group %q", bus.ErrClosed, m.group.name)
	}
	r := g.item.record
	d := bus.Delivery{
		Topic:   g.item.place.topic,
		Event:   r.event,
		Pos:     bus.Pos{Log: m.group.log, Seq: r.seq},
		Stored:  r.stored,
		Attempt: g.attempt,
		Settler: g.item,
	}
	if g.attempt > 1 {
		d.Settler = &redelivery{g, m}
	}
	return d, nil
}

// Receive implements bus.Subscription.
func (m *member) Receive(ctx context.Context) (bus.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return bus.Delivery{}, err
	}
	g := m.group
	g.mu.Lock()
	if m.closed {
		g.mu.Unlock()
		return m.delivery(grant{})
	}
	if !m.full() && g.ready() {
		got := m.take(g.pop(), g.now())
		g.mu.Unlock()
		return m.delivery(got)
	}
	w := m.wait()
	g.mu.Unlock()
	return m.await(ctx, w)
}

// wait queues a waiter for the next item.
func (m *member) wait() *waiter {
	w, _ := m.group.bus.waiters.Get().(*waiter)
	if w == nil {
		w = &waiter{granted: make(chan struct{}, 1)}
	}
	w.member = m
	if m.full() {
		m.stalled.pushBack(w)
	} else {
		m.group.waiters.pushBack(w)
	}
	return w
}

// await returns what w is granted. What was granted as ctx ended is returned
// too, or it would be lost.
func (m *member) await(ctx context.Context, w *waiter) (bus.Delivery, error) {
	select {
	case <-w.granted:
	case <-ctx.Done():
		if m.giveUp(w) {
			m.group.bus.waiters.Put(w)
			return bus.Delivery{}, ctx.Err()
		}
		<-w.granted
	}
	got := w.got
	w.got = grant{}
	m.group.bus.waiters.Put(w)
	return m.delivery(got)
}

// giveUp ends w's waiting, and leaves to another the place that it was to have.
// It reports false when w has been granted something.
func (m *member) giveUp(w *waiter) bool {
	m.group.mu.Lock()
	defer m.group.mu.Unlock()
	if w.in == nil {
		return false
	}
	w.in.remove(w)
	m.unstall()
	return true
}

// Close implements bus.Subscription.
func (m *member) Close(context.Context) error {
	g := m.group
	g.mu.Lock()
	if m.closed {
		g.mu.Unlock()
		return nil
	}
	m.end()
	for it := m.held.tail; it != nil; it = m.held.tail { // backwards, to keep the order
		m.held.remove(it)
		it.holder = nil
		if !it.gone {
			g.again.pushFront(it)
		}
	}
	g.match(g.now())
	unlisted := false
	for t := range m.topics {
		p := g.places[t]
		p.listed--
		unlisted = unlisted || p.idle()
	}
	g.mu.Unlock()
	if unlisted {
		g.bus.giveUp(g)
	}
	return nil
}

// end makes m no member of its group, and ends all its Receives.
func (m *member) end() {
	m.closed = true
	delete(m.group.members, m)
	for _, l := range []*waiters{&m.stalled, &m.group.waiters} {
		for w := l.head; w != nil; {
			next := w.next
			if w.member == m {
				l.remove(w)
				w.wake()
			}
			w = next
		}
	}
}

// waiter is a Receive that waits.
type waiter struct {
	member     *member
	got        grant         // what it is granted
	granted    chan struct{} // holds one, so that waking never blocks
	in         *waiters
	prev, next *waiter // in that list; once granted, next is who is to be woken too
}

// wake wakes w and who is chained to it.
func (w *waiter) wake() {
	for w != nil {
		next := w.next
		w.next = nil
		w.granted <- struct{}{} // w is not ours any more
		w = next
	}
}

// waiters is a list of waiters that are in no other.
type waiters struct {
	head, tail *waiter
}

func (l *waiters) pushBack(w *waiter) {
	w.in, w.prev, w.next = l, l.tail, nil
	if l.tail == nil {
		l.head = w
	} else {
		l.tail.next = w
	}
	l.tail = w
}

func (l *waiters) pushFront(w *waiter) {
	w.in, w.prev, w.next = l, nil, l.head
	if l.head == nil {
		l.tail = w
	} else {
		l.head.prev = w
	}
	l.head = w
}

func (l *waiters) remove(w *waiter) {
	if w.prev == nil {
		l.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.in, w.prev, w.next = nil, nil, nil
}
