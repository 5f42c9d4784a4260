package resource

import (
	"context"
	"log/slog"
	"maps"
	"time"

	"github.com/hearken-go/hearken/bus"
	"k8s.io/apimachinery/pkg/types"
)

// MaxShard is how large a value of the Store may be.
const MaxShard = maxShard

// Entry is what is remembered of an object.
type Entry = entry

// CompareVersions compares resourceVersions.
func CompareVersions(a, b string) int { return compareVersions(a, b) }

// Archive is a memory as the Store keeps it.
type Archive struct{ a *archive }

// NewArchive returns the archive of what id names.
func NewArchive(s bus.Store, id string, log *slog.Logger) *Archive {
	return &Archive{&archive{store: s, id: id, log: log}}
}

// Load returns what is kept.
func (a *Archive) Load(ctx context.Context) (map[types.UID]Entry, map[string]string, error) {
	m := newMemory()
	_, err := a.a.load(ctx, m)
	return m.known, m.positions, err
}

// Save tells of entries and, unless they are nil, positions.
func (a *Archive) Save(ctx context.Context, known map[types.UID]Entry, positions map[string]string) error {
	return a.a.save(ctx, changes{known: maps.Clone(known), positions: positions})
}

// Tracker is a tracker that remembers what was reached.
type Tracker struct {
	t       tracker
	Reached []string
}

// NewTracker returns one.
func NewTracker() *Tracker {
	t := &Tracker{}
	t.t.reached = func(v string) { t.Reached = append(t.Reached, v) }
	return t
}

// Begin begins a step and returns what finishes it.
func (t *Tracker) Begin(ctx context.Context, version string) (finish func(), err error) {
	s, err := t.t.begin(ctx, version)
	return func() { t.t.finish(s) }, err
}

// Wait waits until all steps are finished.
func (t *Tracker) Wait(ctx context.Context) error { return t.t.wait(ctx) }

// Holds reports whether f holds for an object's JSON.
func (f Field) Holds(body string) bool { return hold(conditions([]Field{f}), []byte(body)) }

// MarkerLife is how long a deletion is remembered.
const MarkerLife time.Duration = markerLife

// Known is how many objects a source without a Store remembers.
func (s *Source) Known() int {
	s.last.mu.Lock()
	defer s.last.mu.Unlock()
	return len(s.last.known)
}

// Dirty is how many of them are to be told to a Store.
func (s *Source) Dirty() int {
	s.last.mu.Lock()
	defer s.last.mu.Unlock()
	return len(s.last.dirty)
}

// Bounded is s with no access that takes longer than StoreTimeout.
func Bounded(s bus.Store) bus.Store { return bounded{s} }

// StoreTimeout is how long one access to a Store may take.
const StoreTimeout time.Duration = storeTimeout
