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

	// lost is closed when the message is, or is about to be, visible to others.
	lost chan struct{}

	// What follows is guarded by holds.mu.
	number   int // in the order of receipt
	received time.Time
	until    time.Time // when it becomes visible
	look     time.Time // when to see about that
	stored   time.Time // when it became ready to be deleted; zero: not yet
	again    time.Time // deletion: not before
	tries    int       // deletions that failed
	changing bool      // its visibility, right now
	waits    bool      // for room on the bus
}

func (m *held) isLost() bool {
	select {
	case <-m.lost:
		return true
	default:
		return false
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
	changed   chan struct{}
}

func newHolds(visibility time.Duration, limit int) *holds {
	return &holds{visibility: visibility, limit: limit, all: map[*held]struct{}{}, changed: make(chan struct{})}
}

// wake has those who wait look again. h.mu is held.
func (h *holds) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
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
		changed := h.changed
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
	added := make([]*held, len(messages))
	for i, m := range messages {
		h.last++
		added[i] = &held{
			Message: m, lost: make(chan struct{}), number: h.last,
			received: now, until: now.Add(h.visibility), look: now.Add(h.visibility / 2),
		}
		h.all[added[i]] = struct{}{}
	}
	h.reserved -= n
	h.wake()
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
		h.wake()
	}
}

// store makes a message ready to be deleted.
func (h *holds) store(m *held) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m.stored = time.Now()
	m.again = m.stored
	h.deletable = append(h.deletable, m)
	if n := len(h.deletable); n == 1 || n%batchSize == 0 {
		h.wake()
	}
}

// forget lets go of messages, whose places become free.
func (h *holds) forget(messages ...*held) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range messages {
		delete(h.all, m)
	}
	h.wake()
}

// release is forget for messages that are to be handed back: it waits until
// their visibility is not being changed, and will not be.
func (h *holds) release(messages []*held) {
	h.forget(messages...)
	for _, m := range messages {
		for h.isChanging(m) {
			changed := h.watch()
			if h.isChanging(m) {
				<-changed
			}
		}
	}
}

func (h *holds) isChanging(m *held) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return m.changing
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
		m.again = time.Now().Add(pause(m.tries))
		h.deletable = append(h.deletable, m)
	}
	h.wake()
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
		if m.changing || m.isLost() {
			continue
		}
		longer := h.longer(m, now)
		switch {
		case !m.until.After(now):
			close(m.lost)
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
		c.until = asked.Add(c.visibility)
		c.look = asked.Add(h.visibility / 2)
	})
}

// unextended notes that a call failed, and is made again if another may help.
func (h *holds) unextended(c change, again bool) {
	h.settled(c, func() {
		switch {
		case again:
			c.look = time.Now().Add(h.visibility / 10)
		case !c.isLost():
			close(c.lost)
		}
	})
}

func (h *holds) settled(c change, note func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.changing = false
	note()
	h.wake()
}

// rest forgets all that is held and returns, in the order of receipt, what may be
// handed back: what is neither stored nor lost.
func (h *holds) rest() []*held {
	h.mu.Lock()
	defer h.mu.Unlock()
	var rest []*held
	for m := range h.all {
		if m.stored.IsZero() && !m.isLost() {
			rest = append(rest, m)
		}
	}
	slices.SortFunc(rest, func(a, b *held) int { return a.number - b.number })
	clear(h.all)
	return rest
}

// close ends lingering.
func (h *holds) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.wake()
}

// watch returns what is closed at the next change.
func (h *holds) watch() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed
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
