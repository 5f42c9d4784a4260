// Package memory is a bus inside one process, and a store beside it: for tests,
// for programs that may lose what they have not finished, and as the plainest
// example of the contract of package bus. The zero value of [Bus] and of [Store]
// is ready to use.
//
// What the bus accepted it delivers at least once to every group while the
// process lives, and what it has no room for it refuses with bus.ErrFull.
// Nothing survives the process:
//
//	process killed or ended   all events, groups and values are gone
//	power cut                 all events, groups and values are gone
//
// Use natsbus, embedded or not, where that is too little.
//
// Publish never blocks and no lock is held while anyone waits, so a trigger that
// publishes into the bus which it was fired from cannot deadlock it. The bus
// runs no goroutine of its own; there is nothing to close.
package memory

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
)

// Bus is a bus in memory. The zero value is an empty bus with the limits that
// its fields name. The fields must not be changed once the bus is used, and a
// Bus must not be copied.
type Bus struct {
	// MaxEvents is how many events are stored at most. An event is stored until
	// every group has settled it. Zero: 100,000.
	MaxEvents int
	// MaxBytes is how much the stored events may hold together: their data, and
	// 1 KiB each for all else. A larger event is rejected. Zero: 256 MiB.
	MaxBytes int
	// MaxDeadLetters is how many dead letters are kept at most, of MaxBytes and
	// bus.DeadLetterRoom together, in a place of their own; the oldest is
	// dropped for a new one. Zero: 10,000.
	MaxDeadLetters int
	// DeadLetterAge is how long a dead letter is kept at most. Zero: 7 days.
	DeadLetterAge time.Duration
	// DedupeWindow is how long an event is remembered, so that publishing it
	// again does nothing. Zero: 2 minutes.
	DedupeWindow time.Duration
	// MaxIdentities is how many events are remembered for that at most, the
	// latest: at a higher rate the window is shorter. Zero: 65,536.
	MaxIdentities int

	mu      sync.Mutex // before any group's
	log     string     // the log of all positions, named at first use
	begun   time.Time  // when that was
	seq     uint64     // the last position
	places  map[bus.Topic][]*place
	groups  map[string]*group
	seen    dedupe
	letters letters

	room    room
	waiters sync.Pool // of *waiter
	store   Store
}

// What the bus is, for those that ask.
var (
	_ bus.Bus               = (*Bus)(nil)
	_ bus.Groups            = (*Bus)(nil)
	_ bus.Storer            = (*Bus)(nil)
	_ bus.DeadLetterCounter = (*Bus)(nil)
)

// Validate refuses limits below zero.
func (b *Bus) Validate() error {
	var errs []error
	for _, limit := range []struct {
		name  string
		value int64
	}{
		{"MaxEvents", int64(b.MaxEvents)},
		{"MaxBytes", int64(b.MaxBytes)},
		{"MaxDeadLetters", int64(b.MaxDeadLetters)},
		{"DeadLetterAge", int64(b.DeadLetterAge)},
		{"DedupeWindow", int64(b.DedupeWindow)},
		{"MaxIdentities", int64(b.MaxIdentities)},
	} {
		if limit.value < 0 {
			errs = append(errs, fmt.Errorf("%s is negative; zero means the usual", limit.name))
		}
	}
	return errors.Join(errs...)
}

// room counts what takes place on the bus. Who settles only adds to what left,
// and who publishes looks at that only when there seems to be no room, or they
// would wait for each other's cache line with each event.
type room struct {
	events, bytes int64 // stored, and left since the last look; guarded by Bus.mu
	_             [64]byte
	left          struct{ events, bytes atomic.Int64 }
}

// enter takes the place of r until n groups have settled it.
func (m *room) enter(r *record, n int) {
	r.unsettled.Store(int32(n))
	m.events++
	m.bytes += r.size
}

// settled gives the place of r back with the last group.
func (m *room) settled(r *record) {
	if r.letter == nil && r.unsettled.Add(-1) == 0 {
		m.left.events.Add(1)
		m.left.bytes.Add(r.size)
	}
}

// has reports whether there is room for an event more of that size.
func (m *room) has(size, maxEvents, maxBytes int64) bool {
	if m.events < maxEvents && m.bytes+size <= maxBytes {
		return true
	}
	m.events -= m.left.events.Swap(0)
	m.bytes -= m.left.bytes.Swap(0)
	return m.events < maxEvents && m.bytes+size <= maxBytes
}

// overhead is what an event takes beside its data, roughly.
const overhead = 1 << 10

func (b *Bus) maxEvents() int64 { return int64(cmp.Or(b.MaxEvents, 100_000)) }
func (b *Bus) maxBytes() int64  { return int64(cmp.Or(b.MaxBytes, 256<<20)) }

// Publish implements bus.Bus. It looks at ctx only before it begins.
func (b *Bus) Publish(ctx context.Context, t bus.Topic, e event.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	size, most := int64(len(e.DataEncoded)+overhead), b.maxBytes()
	if t.IsDeadLetters() {
		most += bus.DeadLetterRoom
	}
	if size > most {
		return fmt.Errorf("%w: %d bytes, MaxBytes is %d", bus.ErrRejected, size, b.maxBytes())
	}
	granted, err := b.put(t, e, size)
	granted.wake()
	return err
}

// put stores e unless it is a duplicate, and returns who is to be woken for it.
func (b *Bus) put(t bus.Topic, e event.Event, size int64) (granted *waiter, err error) {
	id, letter := bus.IdentityOf(t, e), t.IsDeadLetters()
	b.mu.Lock()
	defer b.mu.Unlock()
	places := b.places[t]
	if len(places) == 0 && !letter {
		return granted, nil
	}
	now := time.Now()
	window := cmp.Or(b.DedupeWindow, 2*time.Minute)
	hash, known := b.seen.find(id, now, window)
	if known {
		return granted, nil
	}
	if !letter && !b.room.has(size, b.maxEvents(), b.maxBytes()) {
		return nil, b.full()
	}
	b.seen.add(hash, now, window, cmp.Or(b.MaxIdentities, 1<<16))
	b.seq++
	r := &record{event: e, seq: b.seq, stored: now, size: size}
	if letter {
		b.keep(r, t)
	} else {
		b.room.enter(r, len(places))
	}
	for i, p := range places {
		granted = p.group.push(p, r, i == 0, now.Sub(b.begun), granted)
	}
	return granted, nil
}

// full returns the error for an event that there is no room for. b.mu is held.
func (b *Bus) full() error {
	var most *group
	backlog := -1
	for _, g := range b.groups {
		if n := g.ordinary(); n > backlog || n == backlog && g.name < most.name {
			most, backlog = g, n
		}
	}
	return fmt.Errorf("%w: %d events of %d bytes are stored, MaxEvents is %d and MaxBytes %d; group %q holds most of them: %d",
		bus.ErrFull, b.room.events, b.room.bytes, b.maxEvents(), b.maxBytes(), most.name, backlog)
}

// Subscribe implements bus.Bus.
func (b *Bus) Subscribe(ctx context.Context, g bus.Group) (bus.Subscription, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := validateGroup(g); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begin()
	b.expire(time.Now())
	joined := b.groups[g.Name]
	if joined == nil {
		joined = &group{bus: b, name: g.Name, log: b.log, places: map[bus.Topic]*place{}, members: map[*member]struct{}{}}
		b.groups[g.Name] = joined
	}
	joined.mu.Lock()
	defer joined.mu.Unlock()
	m := &member{group: joined, limit: g.InFlight, topics: map[bus.Topic]struct{}{}}
	joined.members[m] = struct{}{}
	for _, t := range g.Topics {
		b.list(m, t)
	}
	b.prune(joined)
	return m, nil
}

func validateGroup(g bus.Group) error {
	var errs []error
	if g.Name == "" {
		errs = append(errs, errors.New("memory: the group has no name"))
	}
	if len(g.Topics) == 0 {
		errs = append(errs, fmt.Errorf("memory: group %q has no topic", g.Name))
	}
	if g.InFlight < 1 {
		errs = append(errs, fmt.Errorf("memory: group %q has InFlight %d, want 1 or more", g.Name, g.InFlight))
	}
	return errors.Join(errs...)
}

// begin makes what the zero value lacks. b.mu is held.
func (b *Bus) begin() {
	if b.groups == nil {
		b.groups, b.places = map[string]*group{}, map[bus.Topic][]*place{}
		b.log, b.begun = "memory-"+rand.Text(), time.Now()
	}
}

// list makes m want t. b.mu and the group's are held.
func (b *Bus) list(m *member, t bus.Topic) {
	if _, twice := m.topics[t]; twice {
		return
	}
	m.topics[t] = struct{}{}
	g := m.group
	p := g.places[t]
	if p == nil {
		p = &place{group: g, topic: t}
		g.places[t] = p
		b.places[t] = append(b.places[t], p)
		b.letters.catchUp(p, g.now())
	}
	p.listed++
}

// prune gives up what no member lists and nothing is left of, as long as there
// is a member. b.mu and the group's are held.
func (b *Bus) prune(g *group) {
	for t, p := range g.places {
		if p.idle() {
			b.remove(p)
			delete(g.places, t)
		}
	}
}

// giveUp prunes g.
func (b *Bus) giveUp(g *group) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	b.prune(g)
}

// Store implements bus.Storer. The store's values may be of any size up to its
// own limit; it is never full.
func (b *Bus) Store(context.Context) (bus.Store, error) { return &b.store, nil }
