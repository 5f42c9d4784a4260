package natsbus

// queue is a first-in, first-out list whose room is used again.
type queue struct {
	items []*message
	head  int
}

func (q *queue) len() int { return len(q.items) - q.head }

func (q *queue) push(m *message) {
	if q.head > 0 && len(q.items) == cap(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, m)
}

func (q *queue) pop() *message {
	if q.head == len(q.items) {
		return nil
	}
	m := q.items[q.head]
	q.items[q.head] = nil
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return m
}
