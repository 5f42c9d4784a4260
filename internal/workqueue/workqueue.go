// Package workqueue has a queue between those who find work and the workers who
// do it. It is unbounded: what bounds it is how much work its owner accepts.
package workqueue

import "sync"

// Queue is a first-in first-out queue. The zero value is empty and open.
type Queue[T any] struct {
	mu     sync.Mutex
	filled sync.Cond
	ring   []T // its length is a power of two
	head   int
	n      int
	idle   int // workers that wait
	closed bool
}

// Push appends v, or returns false when the queue is closed.
func (q *Queue[T]) Push(v T) bool {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	if q.n == len(q.ring) {
		q.grow()
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = v
	q.n++
	wake := q.idle > 0
	if wake {
		q.idle--
	}
	q.mu.Unlock()
	if wake {
		q.filled.Signal()
	}
	return true
}

// Pop waits for the next value. It returns false when the queue is closed.
func (q *Queue[T]) Pop() (v T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.n == 0 && !q.closed {
		q.filled.L = &q.mu
		q.idle++
		q.filled.Wait()
	}
	if q.closed {
		return v, false
	}
	return q.take(), true
}

// Close wakes all who wait, makes Push and Pop return false from now on, and
// returns what was still in the queue.
func (q *Queue[T]) Close() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	rest := make([]T, 0, q.n)
	for q.n > 0 {
		rest = append(rest, q.take())
	}
	q.filled.Broadcast()
	return rest
}

func (q *Queue[T]) take() T {
	var zero T
	v := q.ring[q.head]
	q.ring[q.head] = zero // or the ring would keep it alive
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return v
}

func (q *Queue[T]) grow() {
	ring := make([]T, max(16, 2*len(q.ring)))
	n := copy(ring, q.ring[q.head:])
	copy(ring[n:], q.ring[:q.head])
	q.ring, q.head = ring, 0
}
