package bustest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/bustest"
	"github.com/hearken-go/hearken/bus/memory"
)

func letterMutants() []mutant {
	return []mutant{
		{name: "treats dead letters as events", spoil: lettersAsEvents, fails: []string{
			"DeadLetters/kept for groups to come", "DeadLetters/kept when others settled them", "DeadLetters/kept by topic",
			"DeadLetters/begin with the oldest kept", "DeadLetters/counted", "Crash/keeps dead letters",
		}},
		{name: "has full dead letters", spoil: fullLetters, fails: []string{"DeadLetters/never refused"}},
		{name: "has no room for letters when full", spoil: noLettersWhenFull, fails: []string{"DeadLetters/taken by a full bus"}},
		{name: "drops the newest letters", spoil: dropsNewest, fails: []string{"DeadLetters/begin with the oldest kept"}},
		{name: "miscounts letters", spoil: func(f *faulty) {
			f.deadLetters = func(ctx context.Context) (bus.DeadLetterInfo, error) {
				info, err := f.conn.DeadLetters(ctx)
				info.Dropped = 0
				return info, err
			}
		}, fails: []string{"DeadLetters/counted"}},
		{name: "delivers letters under their own event only", spoil: func(f *faulty) {
			joining(f, func(g bus.Group) bus.Group {
				if len(g.Topics) > 1 {
					g.Topics = slices.DeleteFunc(slices.Clone(g.Topics), bus.Topic.IsDeadLetters)
				}
				return g
			})
		}, fails: []string{"DeadLetters/beside ordinary topics"}},
	}
}

// lettersAsEvents hides that a topic holds dead letters.
func lettersAsEvents(f *faulty) {
	topics(func(t bus.Topic) bus.Topic {
		if t.IsDeadLetters() {
			t.EventSource = "letters"
		}
		return t
	})(f)
}

func fullLetters(f *faulty) {
	letters := 0
	f.publish = func(ctx context.Context, t bus.Topic, e event.Event) error {
		if t.IsDeadLetters() {
			if letters++; letters > 20 {
				return bus.ErrFull
			}
		}
		return f.conn.Publish(ctx, t, e)
	}
}

func noLettersWhenFull(f *faulty) {
	full := false
	f.publish = func(ctx context.Context, t bus.Topic, e event.Event) error {
		if full && t.IsDeadLetters() {
			return bus.ErrFull
		}
		err := f.conn.Publish(ctx, t, e)
		full = errors.Is(err, bus.ErrFull)
		return err
	}
}

func dropsNewest(f *faulty) {
	letters := 0
	f.publish = func(ctx context.Context, t bus.Topic, e event.Event) error {
		if t.IsDeadLetters() {
			if letters++; letters > 10 {
				return nil
			}
		}
		return f.conn.Publish(ctx, t, e)
	}
}

func listMutants() []mutant {
	listing := func(change func(list []bus.GroupInfo)) func(f *faulty) {
		return func(f *faulty) {
			f.groups = func(ctx context.Context) ([]bus.GroupInfo, error) {
				list, err := f.conn.Groups(ctx)
				change(list)
				return list, err
			}
		}
	}
	return []mutant{
		{name: "lists groups in no order", spoil: listing(slices.Reverse[[]bus.GroupInfo]), fails: []string{"Groups/listed by name"}},
		{name: "lists topics in no order", spoil: listing(func(list []bus.GroupInfo) {
			for _, g := range list {
				slices.Reverse(g.Topics)
			}
		}), fails: []string{"Groups/topics"}},
		{name: "lists no backlog", spoil: listing(func(list []bus.GroupInfo) {
			for i := range list {
				list[i].Backlog = 0
			}
		}), fails: []string{"Groups/backlog"}},
		{name: "says that all are active", spoil: listing(func(list []bus.GroupInfo) {
			for i := range list {
				list[i].LastActive = time.Now()
			}
		}), fails: []string{"Groups/last active"}},
		{name: "forgets nothing", spoil: func(f *faulty) {
			f.forget = func(context.Context, string) error { return nil }
		}, fails: []string{
			"Forget/removes the group", "Forget/the group can begin anew", "Forget/ends its members", "Forget/ends members elsewhere",
			"Room/a retired group can be forgotten",
		}},
		{name: "forgets groups of like names", spoil: func(f *faulty) {
			f.forget = func(ctx context.Context, name string) error {
				return errors.Join(f.conn.Forget(ctx, name), f.conn.Forget(ctx, name+"s"))
			}
		}, fails: []string{"Forget/only that group"}},
		{name: "fails to forget nobody", spoil: func(f *faulty) {
			f.forget = func(ctx context.Context, name string) error {
				if f.known(name) == nil {
					return errors.New("no such group")
				}
				return f.conn.Forget(ctx, name)
			}
		}, fails: []string{"Forget/no such group"}},
	}
}

// faultyStore is a store that does some things otherwise than the bus's own.
type faultyStore struct {
	bus.Store
	get    func(ctx context.Context, key string) ([]byte, error)
	update func(ctx context.Context, key string, f func([]byte) ([]byte, error)) error
	list   func(ctx context.Context, prefix string) iter.Seq2[bus.Entry, error]
}

func (s *faultyStore) Get(ctx context.Context, key string) ([]byte, error) { return s.get(ctx, key) }

func (s *faultyStore) Update(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
	return s.update(ctx, key, f)
}

func (s *faultyStore) List(ctx context.Context, prefix string) iter.Seq2[bus.Entry, error] {
	return s.list(ctx, prefix)
}

// storing gives the bus a faulty store.
func storing(spoil func(s *faultyStore)) func(f *faulty) {
	return func(f *faulty) {
		f.store = func(ctx context.Context) (bus.Store, error) {
			inner, err := f.conn.Store(ctx)
			s := &faultyStore{inner, inner.Get, inner.Update, inner.List}
			spoil(s)
			return s, err
		}
	}
}

func storeMutants() []mutant {
	return slices.Concat(readMutants(), keyMutants(), updateMutants(), []mutant{
		{name: "makes each caller a store", spoil: func(f *faulty) {
			f.store = func(context.Context) (bus.Store, error) { return &memory.Store{}, nil }
		}, fails: []string{"Store/the same for all callers"}},
	})
}

func readMutants() []mutant {
	return []mutant{
		{name: "returns an empty value for none", spoil: storing(func(s *faultyStore) {
			s.get = func(ctx context.Context, key string) ([]byte, error) {
				value, err := s.Store.Get(ctx, key)
				return append([]byte{}, value...), err
			}
		}), fails: []string{"Store/Get/no value is nil", "Store/Update/nil deletes"}},
		{name: "shares its values", spoil: storing(sharesValues), fails: []string{
			"Store/Get/the value, and the caller's to change", "Store/what another process stored",
		}},
		{name: "keeps text only", spoil: storing(func(s *faultyStore) {
			s.get = func(ctx context.Context, key string) ([]byte, error) {
				value, err := s.Store.Get(ctx, key)
				return []byte(strings.ToValidUTF8(string(value), "?")), err
			}
		}), fails: []string{"Store/Get/binary values"}},
		{name: "lists all for any prefix", spoil: entries(func(e []bus.Entry, all []bus.Entry) []bus.Entry { return all }), fails: []string{
			"Store/List/by prefix", "Store/List/many entries, each once",
		}},
		{name: "lists entries twice", spoil: entries(func(e []bus.Entry, _ []bus.Entry) []bus.Entry { return append(e, e...) }), fails: []string{
			"Store/List/many entries, each once",
		}},
		{name: "lists a page only", spoil: entries(func(e []bus.Entry, _ []bus.Entry) []bus.Entry { return e[:min(len(e), 10)] }), fails: []string{
			"Store/List/many entries, each once", "Store/List/left early", "Store/List/changing what is listed",
		}},
		{name: "lists what is deleted", spoil: storing(listsDeleted), fails: []string{
			"Store/List/no deleted entries", "Store/List/after many deletes",
		}},
		{name: "lists what it stored itself", spoil: storing(listsOwn), fails: []string{
			"Store/a corner of two processes", "Store/what another process stored",
		}},
	}
}

func keyMutants() []mutant {
	keyed := func(change func(key string) string) func(f *faulty) {
		return storing(func(s *faultyStore) {
			s.get = func(ctx context.Context, key string) ([]byte, error) { return s.Store.Get(ctx, change(key)) }
			s.update = func(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
				return s.Store.Update(ctx, change(key), f)
			}
		})
	}
	return []mutant{
		{name: "reads its keys", spoil: keyed(tokens), fails: []string{"Store/keys of any characters", "Store/List/by prefix"}},
		{name: "folds keys", spoil: keyed(strings.ToLower), fails: []string{"Store/keys that look alike"}},
		{name: "takes keys for paths", spoil: keyed(path.Clean), fails: []string{"Store/keys that look alike"}},
		{name: "composes keys", spoil: keyed(func(key string) string { return strings.ReplaceAll(key, "e\u0301", "\u00e9") }), fails: []string{
			"Store/keys that look alike",
		}},
		{name: "cuts keys", spoil: keyed(func(key string) string { return key[:min(len(key), 255)] }), fails: []string{
			"Store/keys of any length",
		}},
		{name: "rejects keys of some length", spoil: rejectsKeys(512, bus.ErrRejected), fails: []string{"Store/keys of any length"}},
		{name: "fails with long keys", spoil: rejectsKeys(10_000, errors.New("no such thing")), fails: []string{"Store/keys of any length"}},
	}
}

func rejectsKeys(most int, err error) func(f *faulty) {
	return storing(func(s *faultyStore) {
		s.update = func(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
			if len(key) > most {
				return err
			}
			return s.Store.Update(ctx, key, f)
		}
	})
}

// listsOwn yields nothing that another connection stored.
func listsOwn(s *faultyStore) {
	var own sync.Map
	s.update = func(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
		own.Store(key, true)
		return s.Store.Update(ctx, key, f)
	}
	s.list = func(ctx context.Context, prefix string) iter.Seq2[bus.Entry, error] {
		return func(yield func(bus.Entry, error) bool) {
			for e, err := range s.Store.List(ctx, prefix) {
				if _, ok := own.Load(e.Key); ok && !yield(e, err) {
					return
				}
			}
		}
	}
}

// sharesValues returns the same slice to all who ask.
func sharesValues(s *faultyStore) {
	shared := map[string][]byte{}
	s.get = func(ctx context.Context, key string) ([]byte, error) {
		if value, ok := shared[key]; ok {
			return value, nil
		}
		value, err := s.Store.Get(ctx, key)
		shared[key] = value
		return value, err
	}
}

// entries makes List yield something else than the entries found.
func entries(change func(found, all []bus.Entry) []bus.Entry) func(f *faulty) {
	collect := func(seq iter.Seq2[bus.Entry, error]) (found []bus.Entry) {
		for e, err := range seq {
			if err == nil {
				found = append(found, e)
			}
		}
		return found
	}
	return storing(func(s *faultyStore) {
		s.list = func(ctx context.Context, prefix string) iter.Seq2[bus.Entry, error] {
			return func(yield func(bus.Entry, error) bool) {
				for _, e := range change(collect(s.Store.List(ctx, prefix)), collect(s.Store.List(ctx, ""))) {
					if !yield(e, nil) {
						return
					}
				}
			}
		}
	})
}

func listsDeleted(s *faultyStore) {
	deleted := map[string]bool{}
	s.update = func(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
		deleted[key] = true
		return s.Store.Update(ctx, key, f)
	}
	s.list = func(ctx context.Context, prefix string) iter.Seq2[bus.Entry, error] {
		found := maps.Clone(deleted)
		return func(yield func(bus.Entry, error) bool) {
			for key := range found {
				value, err := s.Store.Get(ctx, key)
				if !yield(bus.Entry{Key: key, Value: value}, err) {
					return
				}
			}
		}
	}
}

func updateMutants() []mutant {
	updating := func(change func(ctx context.Context, s *faultyStore, key string, f func([]byte) ([]byte, error)) error) func(f *faulty) {
		return storing(func(s *faultyStore) {
			s.update = func(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
				return change(ctx, s, key, f)
			}
		})
	}
	return []mutant{
		{name: "reads, then writes", spoil: updating(readThenWrite), fails: []string{
			"Store/Update/many at once", "Store/Update/another comes between",
		}},
		{name: "gives f nothing", spoil: updating(func(ctx context.Context, s *faultyStore, key string, f func([]byte) ([]byte, error)) error {
			return s.Store.Update(ctx, key, func([]byte) ([]byte, error) { return f(nil) })
		}), fails: []string{"Store/Update/gets the present value"}},
		{name: "deletes nothing", spoil: updating(func(ctx context.Context, s *faultyStore, key string, f func([]byte) ([]byte, error)) error {
			return s.Store.Update(ctx, key, func(old []byte) ([]byte, error) {
				value, err := f(old)
				return append([]byte{}, value...), err
			})
		}), fails: []string{"Store/Update/nil deletes", "Store/List/no deleted entries", "Store/List/changing what is listed"}},
		{name: "deletes what is empty", spoil: updating(func(ctx context.Context, s *faultyStore, key string, f func([]byte) ([]byte, error)) error {
			return s.Store.Update(ctx, key, func(old []byte) ([]byte, error) {
				value, err := f(old)
				return append([]byte(nil), value...), err
			})
		}), fails: []string{"Store/Update/empty is a value", "Store/List/no deleted entries"}},
		{name: "wraps f's error", spoil: updating(func(ctx context.Context, s *faultyStore, key string, f func([]byte) ([]byte, error)) error {
			if err := s.Store.Update(ctx, key, f); err != nil {
				return fmt.Errorf("update of %q: %w", key, err)
			}
			return nil
		}), fails: []string{"Store/Update/an error changes nothing"}},
		{name: "stores in spite of f's error", spoil: updating(storesFailed), fails: []string{"Store/Update/an error changes nothing"}},
		{name: "cuts values", spoil: updating(func(ctx context.Context, s *faultyStore, key string, f func([]byte) ([]byte, error)) error {
			return s.Store.Update(ctx, key, func(old []byte) ([]byte, error) {
				value, err := f(old)
				return value[:min(len(value), 1000):min(len(value), 1000)], err
			})
		}), fails: []string{"Store/Update/too large"}},
		{name: "takes values of any size", spoil: sound, hooks: func(h *bustest.Harness) { h.TooLargeValue = 1000 }, fails: []string{
			"Store/Update/too large",
		}},
		{name: "says stored when the answer was lost", spoil: updating(claimsStored), fails: []string{"Store/Update/with its answer lost"}},
		{name: "writes again when the answer was lost", spoil: updating(writesAgain), fails: []string{
			"Store/Update/with its answer lost, overwrites nobody",
		}},
		{name: "writes blindly when the answer was lost", spoil: updating(writesBlindly), fails: []string{
			"Store/Update/with its answer lost, and another between",
		}},
	}
}

// writesBlindly writes again what it had no answer for, without a comparison.
func writesBlindly(ctx context.Context, s *faultyStore, key string, f func([]byte) ([]byte, error)) error {
	var wrote []byte
	err := s.Store.Update(ctx, key, func(old []byte) (value []byte, err error) {
		value, err = f(old)
		wrote = value
		return value, err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		again := s.Store.(*connStore).Store
		return again.Update(context.WithoutCancel(ctx), key, func([]byte) ([]byte, error) { return wrote, nil })
	}
	return err
}

func readThenWrite(ctx context.Context, s *faultyStore, key string, f func([]byte) ([]byte, error)) error {
	old, err := s.Store.Get(ctx, key)
	if err != nil {
		return err
	}
	value, err := f(old)
	if err != nil {
		return err
	}
	time.Sleep(time.Nanosecond)
	return s.Store.Update(ctx, key, func([]byte) ([]byte, error) { return value, nil })
}

func storesFailed(ctx context.Context, s *faultyStore, key string, f func([]byte) ([]byte, error)) error {
	var failed error
	err := s.Store.Update(ctx, key, func(old []byte) (value []byte, _ error) {
		value, failed = f(old)
		return value, nil
	})
	if failed != nil {
		return failed
	}
	return err
}

// claimsStored returns nil without an answer, and had sent nothing.
func claimsStored(ctx context.Context, s *faultyStore, key string, f func([]byte) ([]byte, error)) error {
	if c := s.Store.(*connStore); c.conn.loseAnswers.Load() {
		return nil
	}
	return s.Store.Update(ctx, key, f)
}

// writesAgain remembers what it had no answer for, and puts it in the way of
// the next update.
func writesAgain(ctx context.Context, s *faultyStore, key string, f func([]byte) ([]byte, error)) error {
	c := s.Store.(*connStore)
	var wrote []byte
	err := s.Store.Update(ctx, key, func(old []byte) (value []byte, err error) {
		if lost, ok := c.conn.unanswered.LoadAndDelete(key); ok && !c.conn.loseAnswers.Load() {
			old = lost.([]byte)
		}
		value, err = f(old)
		wrote = value
		return value, err
	})
	if c.conn.loseAnswers.Load() {
		c.conn.unanswered.Store(key, wrote)
	}
	return err
}
