// Package join remembers events that wait for others. It is pure: it knows
// conditions, keys, positions and deadlines, keeps what it knows in a bus.Store,
// and neither receives nor fires anything itself.
//
// An entry is the memory of one action and key: the events that wait, the
// firings that are not finished, and which positions have been taken. It is
// changed by compare and swap, and holds references; each waiting event, a
// part, is stored under a key of its own before an entry refers to it.
//
// Whoever uses the package keeps to this order, and a crash between any two steps
// loses nothing and fires nothing under two IDs:
//
//   - [Engine.Take] with each delivery that a dependency matched;
//   - with [Waits] or [Passed], settle the delivery;
//   - with [Fires], [Engine.Load] the firing, fire it, [Engine.Clear] it, and only
//     then settle. A delivery that comes again before it was cleared fires again,
//     with the same ID: the bus is the failure detector.
//
// [Engine.Sweep] now and then finds what is due, by an index of minutes.
package join

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
)

// The ages that the engine keeps to.
const (
	// MarkAge is for how long an entry in which nothing waits remembers what it
	// has taken, counted from the last event.
	MarkAge = 7 * 24 * time.Hour
	// MaxWaiting is how many events wait in one entry at most.
	MaxWaiting = 10_000
	// maxSize is at how many bytes an entry takes in nothing more that waits, so
	// that what completes it still has room in a store whose values have 1 MiB.
	maxSize = 768 << 10
	// reviewAge is how often what waits without a deadline is looked at.
	reviewAge = 24 * time.Hour
	// floorMargin is how old a floor of the bus must be before positions below
	// it are forgotten: after a crash a bus may go back on what was settled.
	floorMargin = time.Minute
)

// ErrFull says that MaxWaiting events wait already, or fewer that take as much room
// as an entry has.
var ErrFull = fmt.Errorf("join: %d events wait in it already, or as many as have room; a Key or a shorter Within parts them",
	MaxWaiting)

// Action is what the engine needs of an action.
type Action struct {
	Name string
	// Dependencies are the names of the dependencies, each once.
	Dependencies []string
	// Holds reports whether the condition holds with the dependencies that has
	// names. With more of them it holds no less.
	Holds func(has func(dependency string) bool) bool
	// Within bounds how far apart the events of a firing were stored. Zero: no
	// bound.
	Within time.Duration
	// Reset ends what waits at each time it names. Nil: never.
	Reset interface{ Next(time.Time) time.Time }
	// Queue keeps all events of a dependency, the oldest first. False: only the
	// one with the highest position.
	Queue bool
	// Version tells the parts of one version of the action from another's.
	Version string
	// Seed begins what the IDs of firings are made from.
	Seed []byte
}

// Arrival is a delivery that some dependencies of an action matched, all with the
// same key.
type Arrival struct {
	// Keyed says that the dependencies have keys, and Key is the event's.
	Keyed bool
	Key   string
	Event Event
	Pos   bus.Pos
	// Stored is when the bus stored the event.
	Stored time.Time
}

// Event is an event and whom it serves.
type Event struct {
	Topic bus.Topic
	// Original is the event as it was delivered.
	Original event.Event
	// Dependencies are those that it serves, in order.
	Dependencies []string
	// Views are what a dependency made of the event, where that is not the
	// original.
	Views map[string]event.Event
}

// View returns the event as the dependency sees it.
func (e *Event) View(dependency string) event.Event {
	if v, ok := e.Views[dependency]; ok {
		return v
	}
	return e.Original
}

// State is what has become of an arrival.
type State int

// An arrival waits for others; it has been taken before, or a newer one has; or it
// completes the condition.
const (
	Waits State = iota
	Passed
	Fires
)

// Outcome is what Take has done.
type Outcome struct {
	State State
	// Firing is what is to be fired. Not nil with Fires.
	Firing *Firing
	// Superseded are the waiting events that the arrival took the place of.
	Superseded []Event
}

// Firing is a condition that holds.
type Firing struct {
	// ID is the same whenever the same events make the same action fire.
	ID string
	// Obsolete says that another version of the action made it, and that the
	// condition of this one does not hold with its events.
	Obsolete bool
	// Events are what made it hold, that which completed it included, once Load
	// has returned.
	Events []Event

	entry string
	pending
}

// Engine is the joins of one sensor. Its methods may be called concurrently, in
// any number of processes over the same Store.
type Engine struct {
	store   bus.Store
	prefix  string
	actions map[string]*Action
	report  func(error)
	trace   func(*op) // for tests: what an update that may be made has taken

	mu     sync.Mutex
	lanes  map[string]*lane
	hours  map[int64]bool // known to be in the register
	floors [2]agedFloor   // the latest, and one that is older than floorMargin

	sweeping atomic.Bool
	swept    swept
}

// New returns an engine that keeps everything under keys that begin with prefix,
// which ends with a slash. What is wrong but stops nobody, such as an entry that
// does not decode and was kept aside, is reported.
func New(store bus.Store, prefix string, report func(error), actions ...*Action) *Engine {
	e := &Engine{
		store: store, prefix: prefix, report: report, trace: func(*op) {}, swept: swept{open: make(map[int64]bool)},
		actions: make(map[string]*Action), lanes: make(map[string]*lane), hours: make(map[int64]bool),
	}
	for _, a := range actions {
		e.actions[a.Name] = a
	}
	return e
}

// Take takes an arrival into the entry of its key. After an error it may have
// been taken: taking it again is safe. ErrFull, and what Is bus.ErrRejected, say
// that it never will be.
func (e *Engine) Take(ctx context.Context, a *Action, arrival *Arrival) (Outcome, error) {
	o := newOp(a, arrival)
	key := entryKey(a.Name, arrival.Keyed, arrival.Key)
	for o.needsPart = true; o.needsPart; {
		if err := e.enter(ctx, key, o); err != nil {
			if o.stored && errors.Is(err, bus.ErrRejected) {
				e.drop(ctx, e.part(key, &o.ref))
			}
			return Outcome{}, err
		}
		if !o.needsPart {
			break
		}
		if err := e.storePart(ctx, key, o); err != nil {
			return Outcome{}, err
		}
	}
	if o.stored && !o.referenced {
		e.drop(ctx, e.part(key, &o.ref))
	}
	if o.err != nil {
		return Outcome{}, o.err
	}
	for i := range o.superseded {
		if p := e.drop(ctx, e.part(key, &o.superseded[i])); p != nil {
			o.outcome.Superseded = append(o.outcome.Superseded, p.Event)
		}
	}
	return o.outcome, nil
}

// Load fetches the events of a firing. arrival is the delivery that Take got it
// for. ErrCleared says that it has been finished meanwhile, by another who had the
// same delivery. An error that Is ErrPart says that an event is lost, or does not
// decode: Firing.Events has the others then.
func (e *Engine) Load(ctx context.Context, f *Firing, arrival *Arrival) error {
	f.Events = f.Events[:0]
	var lost []error
	for i := range f.refs {
		r := &f.refs[i]
		if r.pos == f.pos {
			ev := arrival.Event
			ev.Dependencies = slices.Clone(r.deps)
			f.Events = append(f.Events, ev)
			continue
		}
		p, err := e.fetch(ctx, e.part(f.entry, r))
		if errors.Is(err, ErrPart) {
			lost = append(lost, fmt.Errorf("the event of dependency %q: %w", strings.Join(r.deps, ", "), err))
			continue
		}
		if err != nil {
			return err
		}
		p.Dependencies = slices.Clone(r.deps)
		f.Events = append(f.Events, p.Event)
	}
	if len(lost) == 0 {
		return nil
	}
	en, err := e.load(ctx, f.entry)
	if err != nil {
		return err
	}
	if !en.fires(f.pos) {
		return ErrCleared
	}
	return errors.Join(lost...)
}

// Clear says that a firing is finished: it will not be fired again.
func (e *Engine) Clear(ctx context.Context, f *Firing) error {
	err := e.change(ctx, f.entry, func(en *entry) bool { return en.clear(f.pos) })
	if err != nil {
		return err
	}
	for i := range f.refs {
		if r := &f.refs[i]; r.part {
			e.drop(ctx, e.part(f.entry, r))
		}
	}
	return nil
}

// never is the year from which on a deadline is none: the format ends in 2262.
const never = 2200

// deadline returns when an event of the action that was stored at the given time
// waits no longer, and whether a reset ends it. The schedule is asked in one zone,
// whatever zone the bus tells the time in: midnight is to be one time.
func (a *Action) deadline(stored time.Time) deadline {
	var d deadline
	if a.Within > 0 {
		d.at = stored.Add(a.Within)
	}
	if a.Reset != nil {
		if next := a.Reset.Next(stored.Local()); !next.IsZero() && (d.at.IsZero() || next.Before(d.at)) {
			d = deadline{at: next, reset: true}
		}
	}
	if d.at.Year() >= never {
		return deadline{}
	}
	return d
}

// deadline is when a part waits no longer. The zero value is never.
type deadline struct {
	at    time.Time
	reset bool // it is a reset that ends it
}

func (d deadline) after(t time.Time) bool { return d.at.IsZero() || t.Before(d.at) }

// firingID names a firing by its action and by which event serves which dependency:
// one that serves two of them is the same as its copy that a publisher sent again
// serving one of the two.
func firingID(seed []byte, refs []ref) [16]byte {
	type served struct {
		dependency string
		by         *[16]byte
	}
	var all []served
	for i := range refs {
		for _, d := range refs[i].deps {
			all = append(all, served{d, &refs[i].identity})
		}
	}
	slices.SortFunc(all, func(x, y served) int { return strings.Compare(x.dependency, y.dependency) })
	h := sha256.New()
	h.Write(seed)
	for _, s := range all {
		fmt.Fprintf(h, "%d:%s=", len(s.dependency), s.dependency)
		h.Write(s.by[:])
	}
	return [16]byte(h.Sum(nil))
}

func (p *pending) text() string { return hex.EncodeToString(p.id[:]) }
