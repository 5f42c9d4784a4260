package bustest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/hearken-go/hearken/bus"
)

// storeCase is a clause that every store keeps.
type storeCase struct {
	name   string
	clause string
	needs  func(h StoreHarness) bool // nil: nothing
	prove  func(p *storeProbe)
}

// storeProbe proves one case on stores of a harness.
type storeProbe struct {
	base
	h StoreHarness
}

func (h StoreHarness) cases() []testCase {
	var out []testCase
	for _, c := range slices.Concat(keyCases(), valueCases(), updateCases()) {
		if c.needs != nil && !c.needs(h) {
			continue
		}
		out = append(out, testCase{c.name, c.clause, func(t testing.TB) error { return c.check(t, h) }})
	}
	return out
}

func (c storeCase) check(t testing.TB, h StoreHarness) (err error) {
	defer caught(&err)
	c.prove(&storeProbe{base{t: t, wait: cmp.Or(h.Wait, 30*time.Second)}, h})
	return nil
}

// storeCases are the cases of the store that a bus brings. The harness for
// them is made anew for each, since it remembers which bus a store is of.
func (h Harness) storeCases() []testCase {
	cases := h.stores().cases()
	for i := range cases {
		cases[i].check = func(t testing.TB) error {
			bound := h.stores().cases()
			return bound[i].check(t)
		}
	}
	return append(cases, testCase{
		"Store/the same for all callers", "Store returns the bus's store, the same for all callers.",
		func(t testing.TB) (err error) {
			p := newProbe(t, h)
			defer caught(&err)
			sameStore(p)
			return nil
		},
	})
}

// stores returns the harness for the stores of h's buses.
func (h Harness) stores() StoreHarness {
	of := map[bus.Store]bus.Bus{}
	opened := func(t testing.TB, b bus.Bus) bus.Store {
		s := storeOf(newProbe(t, h), b)
		of[s] = b
		return s
	}
	sh := StoreHarness{TooLarge: h.TooLargeValue, Wait: h.Wait}
	sh.Open = func(t testing.TB) bus.Store { return opened(t, h.Open(t)) }
	if h.Connect != nil {
		sh.Connect = func(t testing.TB, s bus.Store) bus.Store { return opened(t, h.Connect(t, of[s])) }
	}
	if h.Crash != nil {
		sh.Crash = func(t testing.TB, s bus.Store) bus.Store { return opened(t, h.Crash(t, of[s])) }
	}
	if h.LoseAnswers != nil {
		sh.LoseAnswers = func(t testing.TB, s bus.Store, lose bool) { h.LoseAnswers(t, of[s], lose) }
	}
	return sh
}

func storeOf(p *probe, b bus.Bus) bus.Store {
	storer, ok := b.(bus.Storer)
	if !ok {
		p.failf("%T does not implement bus.Storer, and Harness.Lacks does not say so", b)
	}
	var s bus.Store
	p.do("Store", func(ctx context.Context) (err error) {
		s, err = storer.Store(ctx)
		return err
	})
	return s
}

func sameStore(p *probe) {
	b := p.open()
	one, two := storeOf(p, b), storeOf(p, p.elsewhere(b))
	p.do("Update", func(ctx context.Context) error { return one.Update(ctx, "key", to("value")) })
	p.do("Get", func(ctx context.Context) error {
		value, err := two.Get(ctx, "key")
		if err == nil && string(value) != "value" {
			p.failf("what one caller set to \"value\" is %q to another", value)
		}
		return err
	})
}

func valueCases() []storeCase {
	const (
		get  = "Get returns the value of key, or nil when there is none."
		list = "List yields the entries whose key has the prefix, in no particular order."
		once = "Entries that change meanwhile may be yielded old, new or not at all, and twice if they are deleted and set again; " +
			"the others are yielded once."
	)
	return []storeCase{
		{name: "Store/Get/no value is nil", clause: get, prove: getAbsent},
		{name: "Store/Get/the value, and the caller's to change", clause: "The caller may keep and change it.", prove: getOwned},
		{name: "Store/Get/binary values", clause: get, prove: getBinary},
		{name: "Store/List/by prefix", clause: list, prove: listPrefix},
		{name: "Store/List/no deleted entries", clause: list, prove: listDeleted},
		{name: "Store/List/after many deletes", clause: list, prove: listAfterDeletes},
		{name: "Store/List/many entries, each once", clause: once, prove: listMany},
		{name: "Store/List/changing what is listed", clause: once, prove: listChanging},
		{name: "Store/List/left early", clause: list, prove: listLeft},
		{name: "Store/what another process stored", clause: "With nil the result of f is stored.", prove: storedElsewhere},
		{name: "Store/a corner of two processes", clause: "It is as durable and as widely shared as whatever implements it says.", prove: cornerShared},
		{
			name: "Store/survives a crash", prove: storeCrash, needs: func(h StoreHarness) bool { return h.Crash != nil },
			clause: "With nil the result of f is stored.",
		},
	}
}

// to is an update to a fixed value.
func to(value string) func([]byte) ([]byte, error) {
	return func([]byte) ([]byte, error) { return []byte(value), nil }
}

func remove([]byte) ([]byte, error) { return nil, nil }

func (p *storeProbe) open() bus.Store { return p.h.Open(p.t) }

func (p *storeProbe) elsewhere(s bus.Store) bus.Store {
	if p.h.Connect == nil {
		return s
	}
	return p.h.Connect(p.t, s)
}

func (p *storeProbe) get(s bus.Store, key string) []byte {
	var value []byte
	p.do(fmt.Sprintf("Get %q", key), func(ctx context.Context) (err error) {
		value, err = s.Get(ctx, key)
		return err
	})
	return value
}

func (p *storeProbe) update(s bus.Store, key string, f func([]byte) ([]byte, error)) {
	p.do(fmt.Sprintf("Update %q", key), func(ctx context.Context) error { return s.Update(ctx, key, f) })
}

// want fails unless key has the value, and is yielded with it.
func (p *storeProbe) want(s bus.Store, key, value string) {
	if got := p.get(s, key); got == nil || string(got) != value {
		p.failf("the value of %.80q is %.80q (nil: %t), want %.80q", key, got, got == nil, value)
	}
}

func (p *storeProbe) wantNone(s bus.Store, key string) {
	if got := p.get(s, key); got != nil {
		p.failf("the value of %q is %q, want nil", key, got)
	}
}

// list returns the entries of prefix and fails if one is yielded twice.
func (p *storeProbe) list(s bus.Store, prefix string) map[string]string {
	got := map[string]string{}
	p.do(fmt.Sprintf("List %q", prefix), func(ctx context.Context) error {
		for e, err := range s.List(ctx, prefix) {
			if err != nil {
				return err
			}
			if _, twice := got[e.Key]; twice {
				return fmt.Errorf("%q is yielded twice", e.Key)
			}
			got[e.Key] = string(e.Value)
			e.Value = append(e.Value, "changed"...)
		}
		return nil
	})
	return got
}

func (p *storeProbe) wantList(s bus.Store, prefix string, want map[string]string) {
	if got := p.list(s, prefix); !maps.Equal(got, want) {
		p.failf("List %q yields\n%q, want\n%q", prefix, got, want)
	}
}

func getAbsent(p *storeProbe) {
	s := p.open()
	p.wantNone(s, "key")
	p.wantList(s, "", map[string]string{})
	p.update(s, "key", to("value"))
	p.want(s, "key", "value")
	p.wantNone(s, "ke")
	p.wantNone(s, "key2")
}

func getOwned(p *storeProbe) {
	s := p.open()
	p.update(s, "key", to("value"))
	got := p.get(s, "key")
	for i := range got {
		got[i] = 'x'
	}
	p.want(s, "key", "value")
}

func getBinary(p *storeProbe) {
	s := p.open()
	p.update(s, "key", to(string(everyByte())))
	p.want(p.elsewhere(s), "key", string(everyByte()))
}

func listPrefix(p *storeProbe) {
	s := p.open()
	for _, key := range []string{"a", "a/1", "a/2", "a.1", "ab", "b/a/1", "A/1", "a*", "a/"} {
		p.update(s, key, to("of "+key))
	}
	p.wantList(s, "a/", map[string]string{"a/": "of a/", "a/1": "of a/1", "a/2": "of a/2"})
	p.wantList(s, "a.", map[string]string{"a.1": "of a.1"})
	p.wantList(s, "a*", map[string]string{"a*": "of a*"})
	p.wantList(s, "ab", map[string]string{"ab": "of ab"})
	p.wantList(s, "none", map[string]string{})
	if got := p.list(s, ""); len(got) != 9 {
		p.failf("List of no prefix yields %d entries, want all 9: %q", len(got), got)
	}
}

func listDeleted(p *storeProbe) {
	s := p.open()
	for _, key := range []string{"kept", "deleted", "empty", "back"} {
		p.update(s, key, to("value"))
	}
	p.update(s, "deleted", remove)
	p.update(s, "empty", to(""))
	p.update(s, "back", remove)
	p.update(s, "back", to("again"))
	p.wantList(s, "", map[string]string{"kept": "value", "empty": "", "back": "again"})
}

func listMany(p *storeProbe) {
	s := p.open()
	want := map[string]string{}
	for _, key := range numbered("many/", 300) {
		want[key] = key
		p.update(s, key, to(key))
	}
	p.update(s, "other", to("other"))
	p.wantList(s, "many/", want)
}

// listAfterDeletes deletes all but a few of many entries, and sets some again.
func listAfterDeletes(p *storeProbe) {
	s := p.open()
	want := map[string]string{}
	for i, key := range numbered("due/", 200) {
		p.update(s, key, to("old"))
		if i%50 != 0 {
			p.update(s, key, remove)
		}
		if i%40 == 0 {
			p.update(s, key, to("again"))
			want[key] = "again"
		} else if i%50 == 0 {
			want[key] = "old"
		}
	}
	p.wantList(s, "due/", want)
	for key := range want {
		p.update(s, key, remove)
	}
	p.wantList(p.elsewhere(s), "due/", map[string]string{})
	p.wantList(s, "", map[string]string{})
}

// storedElsewhere looks for each update where it was not made.
func storedElsewhere(p *storeProbe) {
	s := p.open()
	other := p.elsewhere(s)
	for _, value := range numbered("", 10) {
		p.update(s, "key", to(value))
		p.want(other, "key", value)
		p.wantList(other, "", map[string]string{"key": value})
		p.update(other, "key", remove)
		p.wantNone(s, "key")
		p.wantList(s, "", map[string]string{})
	}
}

// cornerShared is what two replicas of a source do: each notes what it has seen,
// and both move a cursor, which never goes back.
func cornerShared(p *storeProbe) {
	const replicas, each = 2, 20
	s := p.open()
	stores := []bus.Store{s, p.elsewhere(s)}
	p.parallel(replicas, func(ctx context.Context, i int) error {
		for n, id := range numbered(fmt.Sprint(i, "-"), each) {
			seen := stores[i].Update(ctx, "source/app/hook/created/seen/"+id, to(id))
			moved := stores[i].Update(ctx, "source/app/hook/created/cursor", func(old []byte) ([]byte, error) {
				at, err := strconv.Atoi("0" + string(old))
				return []byte(strconv.Itoa(max(at, n))), err
			})
			if err := errors.Join(seen, moved); err != nil {
				return err
			}
		}
		return nil
	})
	for _, s := range stores {
		p.want(s, "source/app/hook/created/cursor", strconv.Itoa(each-1))
		if got := p.list(s, "source/app/hook/created/seen/"); len(got) != replicas*each {
			p.failf("%d processes noted %d ids each, and List yields %d", replicas, each, len(got))
		}
	}
}

// listChanging updates the store from within the loop over its entries, as one
// who clears them does.
func listChanging(p *storeProbe) {
	s := p.open()
	for _, key := range numbered("", 20) {
		p.update(s, key, to(key))
	}
	seen := 0
	p.do("List", func(ctx context.Context) error {
		for e, err := range s.List(ctx, "") {
			if err != nil {
				return err
			}
			seen++
			if err := s.Update(ctx, e.Key, remove); err != nil {
				return err
			}
		}
		return nil
	})
	if seen != 20 {
		p.failf("List yielded %d entries, each deleted when it was yielded, want 20", seen)
	}
	p.wantList(s, "", map[string]string{})
}

func listLeft(p *storeProbe) {
	s := p.open()
	for _, key := range numbered("", 20) {
		p.update(s, key, to(key))
	}
	for range 3 {
		p.do("List", func(ctx context.Context) error {
			for _, err := range s.List(ctx, "") {
				return err
			}
			return errors.New("no entry was yielded")
		})
	}
	if got := p.list(s, ""); len(got) != 20 {
		p.failf("List yields %d entries after loops that were left early, want 20", len(got))
	}
}

func storeCrash(p *storeProbe) {
	s := p.open()
	want := map[string]string{}
	for i, key := range numbered("key", 20) {
		want[key] = strconv.Itoa(i)
		p.update(s, key, to(want[key]))
	}
	p.update(s, "key3", remove)
	delete(want, "key3")
	s = p.h.Crash(p.t, s)
	p.wantList(s, "", want)
	p.update(s, "key4", to("new"))
	p.want(s, "key4", "new")
}
