package memory

import (
	"sync/atomic"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
)

// record is a stored event. It is kept small, and with the item of its first
// group it is one allocation.
type record struct {
	event     event.Event
	stored    time.Time
	seq       uint64
	size      int64
	letter    *letter      // nil: no dead letter
	unsettled atomic.Int32 // by so many groups; not counted for a dead letter
	first     item
}

// item is an event's way through one group. All but record and place are
// guarded by the group's lock.
type item struct {
	record  *record
	place   *place
	attempt int32
	delayed int32 // index among the delayed, from 1; 0: not there
	gone    bool  // settled, or dropped while held

	in         *list   // the list it is in, its holder's included
	prev, next *item   // in that list
	holder     *member // who holds it
	first      *member // who held it at the first attempt, which item itself settles
	due        time.Duration
}

// list is a list of items that are in no other.
type list struct {
	head, tail *item
}

func (l *list) pushBack(it *item) {
	it.in, it.prev, it.next = l, l.tail, nil
	if l.tail == nil {
		l.head = it
	} else {
		l.tail.next = it
	}
	l.tail = it
}

func (l *list) pushFront(it *item) {
	it.in, it.prev, it.next = l, nil, l.head
	if l.head == nil {
		l.tail = it
	} else {
		l.head.prev = it
	}
	l.head = it
}

func (l *list) remove(it *item) {
	if it.prev == nil {
		l.head = it.next
	} else {
		it.prev.next = it.next
	}
	if it.next == nil {
		l.tail = it.prev
	} else {
		it.next.prev = it.prev
	}
	it.in, it.prev, it.next = nil, nil, nil
}

// delays is a heap of items by when they are due.
type delays []*item

func (d delays) Len() int           { return len(d) }
func (d delays) Less(i, j int) bool { return d[i].due < d[j].due }
func (d delays) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].delayed, d[j].delayed = int32(i+1), int32(j+1)
}

func (d *delays) Push(x any) {
	it := x.(*item)
	*d = append(*d, it)
	it.delayed = int32(len(*d))
}

func (d *delays) Pop() any {
	last := len(*d) - 1
	it := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	it.delayed = 0
	return it
}
