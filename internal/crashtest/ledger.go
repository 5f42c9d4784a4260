package crashtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// The topics that events are posted to, and the sensors that act on them. An
// event of Solo fires alone, those of Left and Right in pairs of equal keys,
// and those of First and Second in pairs as they come.
const (
	Solo   = "solo"
	Left   = "left"
	Right  = "right"
	First  = "first"
	Second = "second"

	soloSensor    = "solo"
	pairSensor    = "pair"
	queueSensor   = "queue"
	lettersSensor = "letters"
)

// Event is what is posted, as it stands in the body. Its ID is also that of the
// CloudEvent, the same each time it is posted.
type Event struct {
	ID     string `json:"id"`
	Topic  string `json:"topic"`
	Key    string `json:"key,omitempty"`
	Poison bool   `json:"poison,omitempty"` // the sink refuses it for good
}

// other returns the topic of the events that e is joined with, or "".
func (e Event) other() string {
	return map[string]string{Left: Right, Right: Left, First: Second, Second: First}[e.Topic]
}

// Outcome is what came of posting an event.
type Outcome int

// From the one that says least to the one that says most: an event that is
// posted more than once has the greatest.
const (
	Unsent    Outcome = iota // there was nobody to send it to
	Refused                  // answered, but not with 200; it may be stored all the same
	Ambiguous                // sent, and not answered
	Accepted                 // answered with 200
)

// Firing is what a sensor's trigger told the sink.
type Firing struct {
	ID     string  `json:"-"` // the idempotency key
	Sensor string  `json:"sensor"`
	Events []Event `json:"events"`
	Error  string  `json:"error,omitempty"` // of a dead letter: why it is one
}

// Ledger accounts for events. Its methods may be called concurrently. The zero
// value is empty.
type Ledger struct {
	mu       sync.Mutex
	events   map[string]*entry
	pairs    map[string]map[string]*entry // by key, then by topic
	firings  map[string]*firing
	restarts []time.Time
	accepted int // events
	fillers  int
	foreign  []string // what cannot be booked
}

type entry struct {
	Event
	outcome  Outcome
	accepted time.Time
	fired    []string // IDs of firings, each once
	first    time.Time
	letters  []string
	lettered time.Time
	reason   string // of the dead letter
	pending  bool   // had no other half when all was quiet
}

type firing struct {
	Firing
	requests int
}

// Posted books what came of posting e once.
func (l *Ledger) Posted(e Event, o Outcome) {
	if o == Unsent {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.entry(e)
	if o == Accepted && b.outcome != Accepted {
		b.accepted = time.Now()
		l.accepted++
	}
	b.outcome = max(b.outcome, o)
}

// Accepted returns how many events have been accepted so far.
func (l *Ledger) Accepted() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accepted
}

// Posting books that e is about to be posted, since it may fire before the
// answer is there.
func (l *Ledger) Posting(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entry(e)
}

func (l *Ledger) entry(e Event) *entry {
	if l.events == nil {
		l.events, l.pairs = map[string]*entry{}, map[string]map[string]*entry{}
	}
	b := l.events[e.ID]
	if b == nil {
		b = &entry{Event: e}
		l.events[e.ID] = b
	}
	if e.Key != "" {
		if l.pairs[e.Key] == nil {
			l.pairs[e.Key] = map[string]*entry{}
		}
		l.pairs[e.Key][e.Topic] = b
	}
	return b
}

// Restarted books that a process that was killed serves again.
func (l *Ledger) Restarted() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.restarts = append(l.restarts, time.Now())
}

// Fired books a request that reached the sink.
func (l *Ledger) Fired(f Firing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.firings == nil {
		l.firings = map[string]*firing{}
	}
	if known := l.firings[f.ID]; known != nil {
		known.requests++
		if !slices.Equal(known.Events, f.Events) {
			l.foreign = append(l.foreign, fmt.Sprintf("firing %s fired with %v, then with %v", f.ID, known.Events, f.Events))
		}
		return
	}
	l.firings[f.ID] = &firing{Firing: f, requests: 1}
	for _, e := range f.Events {
		b := l.events[e.ID]
		if b == nil || b.Event != e {
			l.foreign = append(l.foreign, fmt.Sprintf("firing %s of sensor %s holds %+v, which nobody posted", f.ID, f.Sensor, e))
			continue
		}
		b.book(f)
	}
}

func (b *entry) book(f Firing) {
	if f.Sensor == lettersSensor {
		b.letters = append(b.letters, f.ID)
		b.lettered, b.reason = time.Now(), f.Error
		return
	}
	if len(b.fired) == 0 {
		b.first = time.Now()
	}
	b.fired = append(b.fired, f.ID)
}

// Missing is called when all is quiet. It books as pending each accepted event
// of a join that has not fired and whose other half was not accepted, and
// returns those other halves: posted, each must make its pair fire, which
// proves that the pending one was kept. What pairs as it comes may pair with
// another than was meant, when an event was stored twice; Missing then returns
// one more when it is called again.
func (l *Ledger) Missing() []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	var missing []Event
	for _, b := range l.sorted() {
		if b.other() == "" || b.outcome != Accepted || b.filler() || len(b.fired) > 0 || len(b.letters) > 0 {
			continue
		}
		id := half(b.Key, b.other())
		if b.Key == "" { // any event of the other topic will do
			l.fillers++
			id = fmt.Sprintf("%s%d", fillerPrefix, l.fillers)
		} else if other := l.otherHalf(b); other != nil && other.outcome == Accepted {
			continue
		}
		b.pending = true
		missing = append(missing, Event{ID: id, Topic: b.other(), Key: b.Key, Poison: b.Poison})
	}
	return missing
}

const fillerPrefix = "filler-"

// filler reports whether the event was posted for another to fire, and need not
// fire itself.
func (e Event) filler() bool { return strings.HasPrefix(e.ID, fillerPrefix) }

// half is the ID of the event of a pair.
func half(key, topic string) string { return topic + "-" + key }

func (l *Ledger) otherHalf(b *entry) *entry { return l.pairs[b.Key][b.other()] }

func (l *Ledger) sorted() []*entry {
	all := make([]*entry, 0, len(l.events))
	for _, b := range l.events {
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b *entry) int { return cmp.Compare(a.ID, b.ID) })
	return all
}
