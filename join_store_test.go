package hearken_test

import (
	"context"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/stretchr/testify/require"
)

// joinStore is a store in memory that writes down what is changed, and fails as
// it is told.
type joinStore struct {
	memory.Store

	mu     sync.Mutex
	lines  []string
	err    error         // of each call
	lost   error         // of updates, after they have been made
	slow   time.Duration // that each call takes
	budget int           // not zero: after so many updates each call fails
}

// tell changes how the store fails.
func (s *joinStore) tell(change func(*joinStore)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *joinStore) fail(err error) { s.tell(func(s *joinStore) { s.err = err }) }

// note writes a line down. A scripted bus does so of its settlements.
func (s *joinStore) note(line string) { s.tell(func(s *joinStore) { s.lines = append(s.lines, line) }) }

// journal returns what happened since the last call.
func (s *joinStore) journal() (lines []string) {
	s.tell(func(s *joinStore) { lines, s.lines = s.lines, nil })
	return lines
}

func (s *joinStore) enter(ctx context.Context) error {
	s.mu.Lock()
	err, slow := s.err, s.slow
	s.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

func (s *joinStore) Get(ctx context.Context, key string) ([]byte, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, key)
}

func (s *joinStore) List(ctx context.Context, prefix string) iter.Seq2[bus.Entry, error] {
	if err := s.enter(ctx); err != nil {
		return func(yield func(bus.Entry, error) bool) { yield(bus.Entry{}, err) }
	}
	return s.Store.List(ctx, prefix)
}

func (s *joinStore) Update(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	deleted := false
	err := s.Store.Update(ctx, key, func(old []byte) ([]byte, error) {
		value, err := f(old)
		deleted = value == nil
		return value, err
	})
	if err != nil {
		return err
	}
	if what := kindOfKey(key); what != "" && deleted {
		s.note("drop " + what)
	} else if what != "" {
		s.note(what)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.budget > 0 {
		if s.budget--; s.budget == 0 {
			s.err = errBroken
		}
	}
	return s.lost
}

// kindOfKey says whether a key is that of an entry or a part of a join; empty: of
// neither.
func kindOfKey(key string) string {
	_, rest, _ := strings.Cut(strings.TrimPrefix(key, "join/"), "/s/")
	switch {
	case strings.HasPrefix(rest, "e/"):
		return "entry"
	case strings.Contains(rest, "."):
		return "part"
	}
	return ""
}

// newScriptedDeploy is a deploy whose deliveries are made by hand.
func newScriptedDeploy(store *joinStore, change func(*hearken.Action), trigger hearken.Trigger) *deploy {
	d := newDeploy(change, trigger)
	d.Bus, d.Store = d.bus, store
	d.bus.journal = store.note
	return d
}

// bring delivers an event about a commit by hand and waits until nothing moves.
func (d *deploy) bring(t *testing.T, s *hearken.EventSource, id, commit string, change ...func(*bus.Delivery)) bus.Pos {
	t.Helper()
	e := commitEvent(t, id, commit)
	return d.deliver(id, append([]func(*bus.Delivery){func(b *bus.Delivery) {
		b.Topic, b.Event = bus.Topic{EventSource: s.Name, Event: s.Event}, e
	}}, change...)...)
}

func commitEvent(t *testing.T, id, commit string) hearken.Event {
	t.Helper()
	e, err := hearken.NewEvent("ci", id, map[string]string{"commit": commit})
	require.NoError(t, err)
	e.SetSource("ci")
	return e
}

// at has a delivery made again, of that position.
func at(pos bus.Pos) func(*bus.Delivery) { return func(d *bus.Delivery) { d.Pos = pos } }

// on puts the pipeline on the bus and the store of another.
func (d *deploy) on(other *deploy) *deploy {
	d.Bus, d.Store = other.Bus, other.Store
	return d
}

// graves adds a sensor that collects the dead letters of the joins.
func (d *deploy) graves() *script {
	s := new(script)
	letter := &hearken.Dependency{Name: "letter", EventSource: hearken.DeadLetters("s")}
	d.Sensors = append(d.Sensors, hearken.Sensor{Name: "graves", Actions: []hearken.Action{{When: letter, Trigger: s}}})
	return s
}

// letters returns the dead letters that were collected, by their original ids.
func (s *script) letters() map[string]hearken.Event {
	all := make(map[string]hearken.Event)
	for _, f := range s.fired() {
		e := f.Events["letter"]
		all[text(e, "hearkenid")] = e
	}
	return all
}

// text returns an extension of an event.
func text(e hearken.Event, extension string) string {
	v, _ := e.Extensions()[extension].(string)
	return v
}

// ids returns the events of a firing, by dependency.
func ids(f hearken.Firing) map[string]string {
	m := make(map[string]string)
	for d, e := range f.Events {
		m[d] = e.ID()
	}
	return m
}
