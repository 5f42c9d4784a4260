// Package crew shares work among goroutines of which one, the leader, waits for
// more to arrive. Who receives an event does it himself and lets another lead,
// so that an event does not wait for a second goroutine to wake up.
package crew

import "sync"

// Crew is the work of some goroutines, its members, of which a limited number is
// at work at a time. There is one member more than that, or nobody would be
// left to lead. What bounds the work that waits is how much its owner accepts.
type Crew[T any] struct {
	mu      sync.Mutex
	call    sync.Cond // calls idle members
	limit   int       // of members at work
	busy    int       // members at work
	idle    int       // members that wait to be called
	leading bool      // a member leads
	closed  bool

	ring []T // what waits; its length is a power of two
	head int
	n    int
}

// New returns a crew of which at most limit members are at work, at least one.
func New[T any](limit int) *Crew[T] {
	c := &Crew[T]{limit: limit}
	c.call.L = &c.mu
	return c
}

// Turn is what a member is to do next.
type Turn int

// A member is to do what Next returned and then call Done; to lead, which means
// to receive and to call Got with each thing received until that says that it is
// the member's own; or to go home.
const (
	Work Turn = iota
	Lead
	Home
)

// Next waits for a member's turn.
func (c *Crew[T]) Next() (v T, turn Turn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return v, Home
		case c.n > 0 && c.busy < c.limit:
			c.busy++
			return c.take(), Work
		case !c.leading:
			c.leading = true
			return v, Lead
		}
		c.idle++
		c.call.Wait()
	}
}

// Got gives v, received by the leader, to the crew. When it is the leader's own
// to do, it is at work from then on and another leads; otherwise it leads on. It
// returns false for ok when the crew is closed, and has not taken v then.
func (c *Crew[T]) Got(v T) (own, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return false, false
	case c.n > 0 || c.busy == c.limit:
		c.add(v)
		return false, true
	}
	c.busy++
	c.leading = false
	c.callOne()
	return true, true
}

// Done says that a member is not at work any more.
func (c *Crew[T]) Done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy--
}

// Push adds work that did not come by the leader, or returns false when the crew
// is closed.
func (c *Crew[T]) Push(v T) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.add(v)
	return true
}

// add adds work that waits, and calls somebody for it: one who was called for
// what waits already does only that.
func (c *Crew[T]) add(v T) {
	c.put(v)
	if c.busy < c.limit {
		c.callOne()
	}
}

// Close sends all home who are not at work or leading, and these when they come
// to ask, and returns the work that nobody has begun.
func (c *Crew[T]) Close() []T {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	rest := make([]T, 0, c.n)
	for c.n > 0 {
		rest = append(rest, c.take())
	}
	c.call.Broadcast()
	return rest
}

// callOne calls an idle member, if there is one.
func (c *Crew[T]) callOne() {
	if c.idle > 0 {
		c.idle--
		c.call.Signal()
	}
}

func (c *Crew[T]) put(v T) {
	if c.n == len(c.ring) {
		c.grow()
	}
	c.ring[(c.head+c.n)&(len(c.ring)-1)] = v
	c.n++
}

func (c *Crew[T]) take() T {
	var zero T
	v := c.ring[c.head]
	c.ring[c.head] = zero // or the ring would keep it alive
	c.head = (c.head + 1) & (len(c.ring) - 1)
	c.n--
	return v
}

func (c *Crew[T]) grow() {
	ring := make([]T, max(16, 2*len(c.ring)))
	n := copy(ring, c.ring[c.head:])
	copy(ring[n:], c.ring[:c.head])
	c.ring, c.head = ring, 0
}
