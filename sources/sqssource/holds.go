package sqssource

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	batchSize = 10 // the most that SQS takes or gives in one call
	// maxHold is how long after its receipt a message can be hidden: SQS refuses
	// more than 12 hours, by its clock, which began before the answer came.
	maxHold = 12*time.Hour - 5*time.Second
	// linger is how long a message that is stored waits for others, so that they
	// are deleted in one call.
	linger = 200 * time.Millisecond
)

// held is a message that is held: received, and neither deleted nor given back.
type held struct {
	types.Message

	// All of it but the message is guarded by holds.mu.
	number   int // in the order of receipt
	received time.Time
	until    time.Time     // when it becomes visible
	look     time.Time     // when to see about that
	stored   time.Time     // when it became ready to be deleted; zero: not yet
	again    time.Time     // deletion: not before
	tries    int           // deletions that failed
	changing bool          // its visibility, right now
	failed   bool          // the last change of it
	waits    bool          // for room on the bus
	lost     bool          // it is, or is about to be, visible to others
	losing   chan struct{} // closed when it is lost; nil: nobody waits
}

// lose makes m lost. holds.mu is held.
func (m *held) lose() {
	if !m.lost && m.losing != nil {
		close(m.losing)
	}
	m.lost = true
}

// signal tells of changes to those who wait. The zero value is ready to use.
type signal struct{ ch chan struct{} }

// next returns what is closed at the next change.
func (s *signal) next() <-chan struct{} {
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) changed() {
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

// holds keeps the books of the messages that are held: whether there is room for
// more, which are to be deleted, and which to be kept hidden. It calls nobody.
type holds struct {
	visibility time.Duration
	limit      int

	mu        sync.Mutex
	all       map[*held]struct{}
	deletable []*held // stored, and not in a call right now
	last      int     // number of the last one
	reserved  int     // places for what polls under way will bring
	waiting   int     // messages that wait for room on the bus
	closed    bool    // nothing more is stored, and deletions linger no more

	// What is new: there may be room, a message to be deleted, one whose
	// visibility is changed no more.
	room, deletion, steady signal
}

func newHolds(visibility time.Duration, limit int) *holds {
	return &holds{visibility: visibility, limit: limit, all: map[*held]struct{}{}}
}

// reserve takes places for a poll. It waits for them, and while the bus is full;
// false means that ctx ended first.
func (h *holds) reserve(ctx context.Context, n int) bool {
	for ctx.Err() == nil {
		h.mu.Lock()
		if h.waiting == 0 && len(h.all)+h.reserved+n <= h.limit {
			h.reserved += n
			h.mu.Unlock()
			return true
		}
		changed := h.room.next()
		h.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return false
}

// add holds what a poll with n places brought.
func (h *holds) add(messages []types.Message, n int) []*held {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	batch := make([]held, len(messages))
	added := make([]*held, len(messages))
	for i, m := range messages {
		h.last++
		batch[i] = held{Message: m, number: h.last, received: now, until: now.Add(h.visibility), look: now.Add(h.visibility / 2)}
		added[i] = &batch[i]
		h.all[added[i]] = struct{}{}
	}
	if h.reserved -= n; len(messages) < n {
		h.room.changed()
	}
	return added
}

// full notes whether a message waits for room on the bus.
func (h *holds) full(m *held, full bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.waits == full {
		return
	}
	m.waits = full
	if full {
		h.waiting++
		return
	}
	if h.waiting--; h.waiting == 0 {
		h.room.changed()
	}
}

// store makes a message ready to be deleted.
func (h *holds) store(m *held) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m.stored = time.Now()
	m.again = m.stored
	h.deletable = append(h.deletable, m)
	// Those that wait for another attempt say nothing of when this one is due.
	if n := len(h.deletable); n == 1 || n%batchSize == 0 || h.deletable[n-2].tries > 0 {
		h.deletion.changed()
	}
}

// losing returns what is closed when a message is lost.
func (h *holds) losing(m *held) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.losing == nil {
		m.losing = make(chan struct{})
		if m.lost {
			close(m.losing)
		}
	}
	return m.losing
}

func (h *holds) isLost(m *held) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return m.lost
}

// forget lets go of messages, whose places become free.
func (h *holds) forget(messages ...*held) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range messages {
		delete(h.all, m)
	}
	h.room.changed()
}

// release is forget for messages that are to be handed back: it waits until
// their visibility is not being changed, and will not be.
func (h *holds) release(messages []*held) {
	h.forget(messages...)
	for _, m := range messages {
		for changed := h.unsteady(m); changed != nil; changed = h.unsteady(m) {
			<-changed
		}
	}
}

// unsteady returns nil if m's visibility is not being changed, or else what is
// closed when that may be so.
func (h *holds) unsteady(m *held) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !m.changing {
		return nil
	}
	return h.steady.next()
}

// toDelete returns messages to be deleted in one call, or when there will be
// some; zero: when something changes.
func (h *holds) toDelete(now time.Time) (batch []*held, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ready []*held
	var first time.Time // when the oldest of ready has lingered enough
	for _, m := range h.deletable {
		if m.again.After(now) {
			at = earlier(at, m.again)
			continue
		}
		ready = append(ready, m)
		first = earlier(first, m.stored.Add(linger))
		if len(ready) == batchSize {
			break
		}
	}
	if len(ready) < batchSize && !h.closed && first.After(now) {
		return nil, earlier(at, first)
	}
	h.deletable = slices.DeleteFunc(h.deletable, func(m *held) bool { return slices.Contains(ready, m) })
	return ready, at
}

// undeleted notes messages that are to be deleted again after a pause.
func (h *holds) undeleted(messages []*held, pause func(tries int) time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range messages {
		m.tries++
		failures := m.tries
		if h.closed {
			failures = 1
		}
		m.again = time.Now().Add(pause(failures))
		h.deletable = append(h.deletable, m)
	}
	h.deletion.changed()
}

// change is a message and how long it is to be hidden from now on.
type change struct {
	*held
	visibility time.Duration
}

// toExtend returns messages to be kept hidden in one call, or when to ask again.
// Those that can be kept hidden no longer are lost.
func (h *holds) toExtend(now time.Time) (batch []change, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	soon := now.Add(h.visibility / 6) // they come along, rather than need a call soon
	due := false
	at = now.Add(h.visibility / 2) // what is yet to come is not due before
	for m := range h.all {
		if m.changing || m.lost {
			continue
		}
		longer := h.longer(m, now)
		switch {
		case !m.until.After(now):
			m.lose()
		case longer == 0:
			at = earlier(at, m.until)
		case m.look.After(soon):
			at = earlier(at, m.look)
		default:
			due = due || !m.look.After(now)
			at = earlier(at, m.look)
			batch = append(batch, change{m, longer})
		}
	}
	if !due {
		return nil, at
	}
	slices.SortFunc(batch, func(a, b change) int { return a.look.Compare(b.look) })
	batch = batch[:min(len(batch), batchSize)]
	for _, c := range batch {
		c.changing = true
	}
	return batch, time.Time{}
}

// longer returns for how long m can be hidden from now on; zero: for no longer
// than it is.
func (h *holds) longer(m *held, now time.Time) time.Duration {
	longer := min(h.visibility, m.received.Add(maxHold).Sub(now)).Truncate(time.Second)
	if !now.Add(longer).After(m.until) {
		return 0
	}
	return longer
}

// extended notes that a message is hidden from the call at asked on.
func (h *holds) extended(c change, asked time.Time) {
	h.settled(c, func() {
		c.failed = false
		c.until = asked.Add(c.visibility)
		c.look = asked.Add(h.visibility / 2)
	})
}

// unextended notes that a call failed, and is made again if another may help.
func (h *holds) unextended(c change, again bool) {
	h.settled(c, func() {
		c.failed = true
		if !again {
			c.lose()
		}
		c.look = time.Now().Add(h.visibility / 10)
	})
}

func (h *holds) settled(c change, note func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.changing = false
	note()
	h.steady.changed()
}

// unextendedLeft reports whether a message that is not lost yet could not be kept
// hidden lately.
func (h *holds) unextendedLeft() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for m := range h.all {
		if m.failed && !m.lost {
			return true
		}
	}
	return false
}

// rest forgets all that is held and returns, in the order of receipt, what may be
// handed back: what is neither stored nor lost.
func (h *holds) rest() []*held {
	h.mu.Lock()
	defer h.mu.Unlock()
	var rest []*held
	for m := range h.all {
		if m.stored.IsZero() && !m.lost {
			rest = append(rest, m)
		}
	}
	slices.SortFunc(rest, func(a, b *held) int { return a.number - b.number })
	clear(h.all)
	return rest
}

// close ends lingering, and the pauses of deletions that failed: they are made
// again at once, while there is time.
func (h *holds) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, m := range h.deletable {
		m.again = time.Time{}
	}
	h.deletion.changed()
}

// newDeletion returns what is closed when there may be something to delete.
func (h *holds) newDeletion() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.deletion.next()
}

// earlier returns the earlier of two times, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (h *holds) isClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}
