package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/hearken-go/hearken/bus"
)

// letters is the place for dead letters. It is guarded by Bus.mu.
type letters struct {
	kept    []*record // oldest first
	bytes   int64
	dropped uint64
}

// letter is what a dead letter has beyond another record, guarded by Bus.mu.
type letter struct {
	topic bus.Topic
	items []*item // in all groups
}

// keep stores r under t and drops the oldest letters for it.
func (b *Bus) keep(r *record, t bus.Topic) {
	r.letter = &letter{topic: t}
	b.begin()
	b.expire(r.stored)
	l := &b.letters
	for len(l.kept) >= cmp.Or(b.MaxDeadLetters, 10_000) || l.bytes+r.size > b.maxBytes()+bus.DeadLetterRoom {
		l.drop()
	}
	l.kept = append(l.kept, r)
	l.bytes += r.size
}

// expire drops the letters that are too old. b.mu is held, and no group's.
func (b *Bus) expire(now time.Time) {
	l := &b.letters
	for age := cmp.Or(b.DeadLetterAge, 7*24*time.Hour); len(l.kept) > 0 && now.Sub(l.kept[0].stored) > age; {
		l.drop()
	}
}

// drop gives up the oldest letter, in all groups.
func (l *letters) drop() {
	r := l.kept[0]
	l.kept[0] = nil
	l.kept = l.kept[1:]
	l.bytes -= r.size
	l.dropped++
	for _, it := range r.letter.items {
		g := it.place.group
		g.mu.Lock()
		g.discard(it)
		g.mu.Unlock()
	}
}

// catchUp gives a new place the letters of its topic that are kept. They are
// older than anything fresh, and go before it. The group's lock is held.
func (l *letters) catchUp(p *place, now time.Duration) {
	if !p.topic.IsDeadLetters() {
		return
	}
	for _, r := range l.kept {
		if r.letter.topic == p.topic {
			it := &item{record: r, place: p}
			r.letter.items = append(r.letter.items, it)
			p.backlog++
			p.group.again.pushBack(it)
		}
	}
	p.group.match(now)
}

// leave takes what g has out of the letters, which would keep all of it.
func (l *letters) leave(g *group) {
	for _, r := range l.kept {
		r.letter.items = slices.DeleteFunc(r.letter.items, func(it *item) bool { return it.place.group == g })
	}
}

// DeadLetters implements bus.DeadLetterCounter.
func (b *Bus) DeadLetters(context.Context) (bus.DeadLetterInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire(time.Now())
	return bus.DeadLetterInfo{Kept: uint64(len(b.letters.kept)), Dropped: b.letters.dropped}, nil
}
