package join

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// whole takes, loads and clears a firing.
func whole(t *testing.T, e *Engine, a *Action, arrival *Arrival) *Firing {
	t.Helper()
	out := take(t, e, a, arrival)
	require.Equal(t, Fires, out.State)
	require.NoError(t, e.Load(t.Context(), out.Firing, arrival))
	require.NoError(t, e.Clear(t.Context(), out.Firing))
	return out.Firing
}

// TestFiringID has the same events fire under the same ID, in another engine and
// store, at other positions and in another order; and that ID is what it always was.
func TestFiringID(t *testing.T) {
	a := bothOf("a", "b")
	ids := map[string]bool{}
	for i := range uint64(2) {
		e := engine(t, &recorder{}, a)
		x, y := arrive("key", 1, "a"), arrive("key", 2, "b")
		x.Pos.Seq, y.Pos.Seq = 10+i, 11-i
		if i == 1 {
			x, y = y, x
		}
		assert.Equal(t, Waits, take(t, e, a, x).State)
		ids[whole(t, e, a, y).ID] = true
	}
	assert.Equal(t, map[string]bool{"28cfe13afcffb83d6a0549aa172695c2": true}, ids)
}

// TestFiringIDOfCopies has one event serve two dependencies, or each of them by
// a copy of its own, as a publisher that sent it twice may have it.
func TestFiringIDOfCopies(t *testing.T) {
	one, two := [16]byte{1}, [16]byte{2}
	at := func(identity [16]byte, deps ...string) ref { return ref{identity: identity, deps: deps} }
	id := firingID(nil, []ref{at(one, "a", "c"), at(two, "b")})
	assert.Equal(t, id, firingID(nil, []ref{at(one, "a"), at(two, "b"), at(one, "c")}))
	assert.Equal(t, id, firingID(nil, []ref{at(two, "b"), at(one, "c", "a")}), "in whatever order they are declared")
	assert.NotEqual(t, id, firingID(nil, []ref{at(one, "a"), at(two, "b", "c")}))
	assert.NotEqual(t, id, firingID([]byte("another"), []ref{at(one, "a", "c"), at(two, "b")}))
}

// TestSuperseded has a newer event take the place of an older: the older is
// returned, and out of the store at once.
func TestSuperseded(t *testing.T) {
	a, r := bothOf("a", "b"), &recorder{}
	e := engine(t, r, a)
	take(t, e, a, arrive("key", 1, "a"))
	out := take(t, e, a, arrive("key", 2, "a"))
	require.Len(t, out.Superseded, 1)
	assert.Equal(t, "1", out.Superseded[0].Original.ID())
	p, err := decodePart(keys(t, r, "join/")[one(t, r, "join/d/", true)])
	require.NoError(t, err)
	assert.Equal(t, uint64(2), p.ref.pos.Seq)
	assert.Equal(t, Passed, take(t, e, a, arrive("key", 1, "a")).State)
}

// TestLostRace has an event taken by another process between the two looks at its
// entry: the part that it stored for nothing is not left behind.
func TestLostRace(t *testing.T) {
	a, r := bothOf("a", "b"), &recorder{}
	e := engine(t, r, a)
	other, done := engine(t, &r.Store, a), false
	r.before = func(_ context.Context, key string) error {
		if strings.Contains(key, ".") && !done {
			done = true
			assert.Equal(t, Waits, take(t, other, a, arrive("key", 2, "a")).State)
		}
		return nil
	}
	assert.Equal(t, Passed, take(t, e, a, arrive("key", 1, "a")).State)
	p, err := decodePart(keys(t, r, "join/")[one(t, r, "join/d/", true)])
	require.NoError(t, err)
	assert.Equal(t, uint64(2), p.ref.pos.Seq)
}

// TestLostAnswer has the store do what it was asked and not say so, at each of its
// updates.
func TestLostAnswer(t *testing.T) {
	for n := range 6 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			a, r := bothOf("a", "b"), &recorder{}
			lossy := &lossyStore{recorder: r, at: n}
			e := engine(t, lossy, a)
			for i, dep := range []string{"a", "b"} {
				arrival := arrive("key", uint64(i+1), dep)
				out, err := e.Take(t.Context(), a, arrival)
				if err != nil {
					require.ErrorIs(t, err, errFault)
					out = take(t, e, a, arrival)
				}
				if i == 0 {
					assert.Contains(t, []State{Waits, Passed}, out.State, "either way it is to be settled")
					continue
				}
				require.Equal(t, Fires, out.State)
				require.NoError(t, e.Load(t.Context(), out.Firing, arrival))
				assert.Len(t, out.Firing.Events, 2)
			}
		})
	}
}

type lossyStore struct {
	*recorder
	at, n int
}

func (s *lossyStore) Update(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
	err := s.recorder.Update(ctx, key, f)
	if s.n++; s.n == s.at+1 && err == nil {
		return errFault
	}
	return err
}

// TestOddNames joins over keys and dependencies that nobody would choose.
func TestOddNames(t *testing.T) {
	huge := strings.Repeat("k", 2<<20)
	for name, key := range map[string]string{
		"empty": "", "huge": huge, "huge, another": huge + "2", "slashes": "../a/b/", "bytes": "\xff\xfe\x00", "format": "%s%d",
	} {
		t.Run(name, func(t *testing.T) {
			a, r := bothOf("", "a=\xff/.\x00"), &recorder{}
			e := engine(t, r, a)
			assert.Equal(t, Waits, take(t, e, a, arrive(key, 1, a.Dependencies[0])).State)
			assert.Equal(t, Waits, take(t, e, a, arrive(key+"x", 2, a.Dependencies[1])).State)
			f := whole(t, e, a, arrive(key, 3, a.Dependencies[1]))
			assert.Len(t, f.Events, 2)
			for k, v := range keys(t, r, "join/") {
				assert.Less(t, len(k), 200)
				assert.Less(t, len(v), 1000, k)
			}
		})
	}
}

// TestKeyedAndKeyless has the empty key and none be two.
func TestKeyedAndKeyless(t *testing.T) {
	a := bothOf("a", "b")
	e := engine(t, &recorder{}, a)
	take(t, e, a, arrive("", 1, "a"))
	none := arrive("", 2, "b")
	none.Keyed = false
	assert.Equal(t, Waits, take(t, e, a, none).State)
	assert.NotEqual(t, entryKey("a", false, ""), entryKey("a", true, ""))
	assert.NotEqual(t, entryKey("a", false, "true"), entryKey("a", true, ""))
}

// TestManyDependencies joins over 200, most by one event each, some by one for all
// that are left, and over names that nobody has.
func TestManyDependencies(t *testing.T) {
	a := &Action{Name: "action", Seed: []byte("seed")}
	for i := range 200 {
		a.Dependencies = append(a.Dependencies, fmt.Sprint("d", i))
	}
	a.Holds = func(has func(string) bool) bool {
		for _, d := range a.Dependencies {
			if !has(d) {
				return has("nobody")
			}
		}
		return true
	}
	e := engine(t, &recorder{}, a)
	for i := range 150 {
		require.Equal(t, Waits, take(t, e, a, arrive("key", uint64(i+1), a.Dependencies[i])).State)
	}
	last := arrive("key", 1000, a.Dependencies[100:]...)
	f := whole(t, e, a, last)
	assert.Len(t, f.Events, 101)
	assert.Equal(t, a.Dependencies[100:], f.Events[100].Dependencies)
}

// TestView has a dependency make something of its event, in the store and out.
func TestView(t *testing.T) {
	a := bothOf("a", "b")
	e := engine(t, &recorder{}, a)
	x := arrive("key", 1, "a", "b")
	x.Event.Dependencies = []string{"a"}
	view := event.New()
	view.SetID("view")
	view.SetSource("s")
	view.SetType("t")
	x.Event.Views = map[string]event.Event{"a": view}
	take(t, e, a, x)
	f := whole(t, e, a, arrive("key", 2, "b"))
	assert.Equal(t, "view", f.Events[0].View("a").ID())
	assert.Equal(t, "1", f.Events[0].View("b").ID())
}

// TestFull has as many events wait as may: one that completes is still taken.
func TestFull(t *testing.T) {
	a, r := bothOf("a", "b"), &recorder{}
	a.Queue = true
	e := engine(t, r, a)
	key := entryKey("action", true, "key")
	fill := func(en *entry, n int, deps []string) {
		en.parts = nil
		for i := range n {
			en.parts = append(en.parts, ref{
				pos: bus.Pos{Log: testLog, Seq: uint64(i + 1)}, stored: time.Now(), deadline: a.deadline(time.Now()),
				bucket: 1, part: true, version: "v1", deps: deps,
			})
		}
	}
	for name, f := range map[string]func(*entry) bool{
		"in number": func(en *entry) bool { fill(en, MaxWaiting, []string{"a"}); return true },
		"in bytes": func(en *entry) bool {
			fill(en, 4000, append([]string{"a"}, strings.Split(strings.Repeat("x", 200), "")...))
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, e.change(t.Context(), key, f))
			before := len(keys(t, r, "join/d/"))
			_, err := e.Take(t.Context(), a, arrive("key", 20_000, "a"))
			require.ErrorIs(t, err, ErrFull)
			assert.Len(t, keys(t, r, "join/d/"), before, "nothing is left of it")
			assert.Equal(t, Fires, take(t, e, a, arrive("key", 20_000, "b")).State)
			require.NoError(t, e.store.Update(t.Context(), e.entry(key), func([]byte) ([]byte, error) { return nil, nil }))
		})
	}
}

func TestResetIsAskedInTheLocalZone(t *testing.T) {
	var asked *time.Location
	a := &Action{Reset: schedule(func(t time.Time) time.Time { asked = t.Location(); return t.Add(time.Hour) })}
	a.deadline(time.Now().In(time.FixedZone("z", 14*3600)))
	assert.Equal(t, time.Local, asked)
}

type schedule func(t time.Time) time.Time

func (s schedule) Next(t time.Time) time.Time { return s(t) }

// TestClocks has windows and schedules that no clock reaches, and events from
// before and after all time.
func TestClocks(t *testing.T) {
	for name, set := range map[string]func(a *Action, x, y *Arrival){
		"an endless window":    func(a *Action, _, _ *Arrival) { a.Within = math.MaxInt64 },
		"a reset in year 9999": func(a *Action, _, _ *Arrival) { a.Within, a.Reset = 0, at(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)) },
		"a schedule that ends": func(a *Action, _, _ *Arrival) { a.Within, a.Reset = 0, at(time.Time{}) },
		"stored long ago":      func(_ *Action, x, y *Arrival) { x.Stored, y.Stored = time.Unix(1, 0), time.Unix(2, 0) },
		"stored in times to come": func(_ *Action, x, y *Arrival) {
			x.Stored, y.Stored = x.Stored.AddDate(50, 0, 0), y.Stored.AddDate(50, 0, 0)
		},
		"another zone": func(_ *Action, x, _ *Arrival) { x.Stored = x.Stored.In(time.FixedZone("z", 14*3600)) },
	} {
		t.Run(name, func(t *testing.T) {
			a := bothOf("a", "b")
			e := engine(t, &recorder{}, a)
			x, y := arrive("key", 1, "a"), arrive("key", 2, "b")
			set(a, x, y)
			require.Equal(t, Waits, take(t, e, a, x).State)
			assert.Equal(t, Fires, take(t, e, a, y).State)
		})
	}
}

type at time.Time

func (r at) Next(time.Time) time.Time { return time.Time(r) }

// TestLoadCleared has two with the same delivery, of whom one is faster.
func TestLoadCleared(t *testing.T) {
	a, r := bothOf("a", "b"), &recorder{}
	e := engine(t, r, a)
	take(t, e, a, arrive("key", 1, "a"))
	y := arrive("key", 2, "b")
	first, second := take(t, e, a, y), take(t, e, a, y)
	require.Equal(t, Fires, second.State)
	require.Equal(t, first.Firing.ID, second.Firing.ID)
	require.NoError(t, e.Clear(t.Context(), first.Firing))
	require.ErrorIs(t, e.Load(t.Context(), second.Firing, y), ErrCleared)
	require.NoError(t, e.Clear(t.Context(), second.Firing), "again")
	assert.Equal(t, Passed, take(t, e, a, y).State)
}

// TestLoadLost has the store lose a part: the firing says so and has the others.
func TestLoadLost(t *testing.T) {
	a, r := bothOf("a", "b"), &recorder{}
	var reported []error
	e := New(r, "join/", func(err error) { reported = append(reported, err) }, a)
	take(t, e, a, arrive("key", 1, "a"))
	y := arrive("key", 2, "b")
	f := take(t, e, a, y).Firing
	part := one(t, r, "join/d/", true)
	require.NoError(t, r.Store.Update(t.Context(), part, func([]byte) ([]byte, error) { return []byte("?"), nil }))
	for range 2 { // damaged, then gone
		require.ErrorIs(t, e.Load(t.Context(), f, y), ErrPart)
		assert.Len(t, f.Events, 1)
	}
	require.Len(t, reported, 1)
	assert.ErrorIs(t, reported[0], errCorrupt)
	assert.Equal(t, [][]byte{[]byte("?")}, values(keys(t, r, "join/x/")))
	assert.False(t, errors.Is(e.Clear(t.Context(), f), ErrPart))
}

func values(m map[string][]byte) (list [][]byte) {
	for _, v := range m {
		list = append(list, v)
	}
	return list
}
