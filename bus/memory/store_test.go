package memory_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStoreRefusesMistakes(t *testing.T) {
	var s memory.Store
	set := func([]byte) ([]byte, error) { return []byte("value"), nil }
	assert.EqualError(t, s.Update(t.Context(), "", set), "memory: the key is empty")
	_, err := s.Get(t.Context(), "")
	assert.EqualError(t, err, "memory: the key is empty")

	large := func([]byte) ([]byte, error) { return make([]byte, 1<<20+1), nil }
	err = s.Update(t.Context(), "key", large)
	require.ErrorIs(t, err, bus.ErrRejected)
	assert.EqualError(t, err, "bus: rejected: the value has 1048577 bytes, MaxValue is 1048576")
}

func TestStoreEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var s memory.Store
	set := func([]byte) ([]byte, error) { return []byte("value"), nil }
	require.NoError(t, s.Update(ctx, "one", set))
	require.NoError(t, s.Update(ctx, "two", set))
	yielded := 0
	var ended error
	for _, err := range s.List(ctx, "") {
		yielded++
		ended = err
		cancel()
	}
	assert.Equal(t, 2, yielded, "one entry, and the error that ends the sequence")
	assert.ErrorIs(t, ended, context.Canceled)
	assert.ErrorIs(t, s.Update(ctx, "one", set), context.Canceled)
	_, err := s.Get(ctx, "one")
	assert.ErrorIs(t, err, context.Canceled)
}

// TestStoreKeepsItsOwn changes all that the store was given or has given.
func TestStoreKeepsItsOwn(t *testing.T) {
	var s memory.Store
	given := []byte("value")
	require.NoError(t, s.Update(t.Context(), "key", func([]byte) ([]byte, error) { return given, nil }))
	given[0] = 'X'
	for e, err := range s.List(t.Context(), "") {
		require.NoError(t, err)
		e.Value[0] = 'Y'
	}
	got, err := s.Get(t.Context(), "key")
	require.NoError(t, err)
	assert.Equal(t, "value", string(got))
}

// TestStoreAgainstMap does at random to the store what it does to a map. The keys
// are of few characters and many slashes, so that directories come, go and nest,
// deeper than the store lets them too.
func TestStoreAgainstMap(t *testing.T) {
	var s memory.Store
	want := map[string]string{}
	r := rand.New(rand.NewPCG(1, 2))
	randomKey := func(most int) string {
		b := make([]byte, r.IntN(most+1))
		for i := range b {
			b[i] = "//ab"[r.IntN(4)]
		}
		return strings.Repeat("/a", 15*r.IntN(2)) + string(b)
	}
	for i := range 20_000 {
		key := randomKey(5)
		if key == "" {
			continue
		}
		var next []byte
		if r.IntN(2) == 0 {
			next = []byte(strconv.Itoa(i))
		}
		require.NoError(t, s.Update(t.Context(), key, func(old []byte) ([]byte, error) {
			was, ok := want[key]
			require.Equal(t, ok, old != nil, key)
			require.Equal(t, was, string(old), key)
			return next, nil
		}))
		if want[key] = string(next); next == nil {
			delete(want, key)
		}
		if i%20 == 0 {
			requireList(t, &s, want, randomKey(4))
		}
	}
	for key := range maps.Clone(want) {
		require.NoError(t, s.Update(t.Context(), key, func([]byte) ([]byte, error) { return nil, nil }))
	}
	requireList(t, &s, nil, "")
}

func requireList(t *testing.T, s *memory.Store, all map[string]string, prefix string) {
	t.Helper()
	var want, got []string
	for k, v := range all {
		if strings.HasPrefix(k, prefix) {
			want = append(want, k+"="+v)
		}
	}
	for e, err := range s.List(t.Context(), prefix) {
		require.NoError(t, err)
		got = append(got, e.Key+"="+string(e.Value))
	}
	slices.Sort(want)
	slices.Sort(got)
	require.Equal(t, want, got, "prefix %q", prefix)
}

// TestStoreListMeanwhile updates, adds and deletes all through a List of a
// directory of several batches. What is left alone comes once.
func TestStoreListMeanwhile(t *testing.T) {
	var s memory.Store
	put := func(key string, value []byte) {
		require.NoError(t, s.Update(t.Context(), key, func([]byte) ([]byte, error) { return value, nil }))
	}
	for i := range 3000 {
		put(fmt.Sprintf("d/%04d", i), []byte("old"))
	}
	seen := map[string]int{}
	for e, err := range s.List(t.Context(), "d/") {
		require.NoError(t, err)
		n := len(seen)
		seen[e.Key]++
		put(fmt.Sprintf("d/%04d", n%1000), []byte("new"))      // 0 to 999 are updated
		put(fmt.Sprintf("d/%04d", 1000+n%1000), nil)           // 1000 to 1999 are deleted
		put(fmt.Sprintf("d/added/%d", n), []byte("new"))       // a directory is added below,
		put(fmt.Sprintf("d/%d", 10_000+n%5000), []byte("new")) // and thousands of names
	}
	for i := 2000; i < 3000; i++ {
		require.Equal(t, 1, seen[fmt.Sprintf("d/%04d", i)], "d/%04d was left alone", i)
	}
	for i := range 1000 {
		require.Equal(t, 1, seen[fmt.Sprintf("d/%04d", i)], "d/%04d was there all the time", i)
	}
}

// TestStoreUpdateMeetsAnother has another update come between, and changes in
// place what it is given.
func TestStoreUpdateMeetsAnother(t *testing.T) {
	var s memory.Store
	put := func(value string) {
		require.NoError(t, s.Update(t.Context(), "key", func([]byte) ([]byte, error) { return []byte(value), nil }))
	}
	put("1")
	var met []string
	require.NoError(t, s.Update(t.Context(), "key", func(old []byte) ([]byte, error) {
		met = append(met, string(old))
		if len(met) == 1 {
			put("2")
		}
		old[0]++ // what f was given is its own while it runs
		return old, nil
	}))
	assert.Equal(t, []string{"1", "2"}, met)
	got, err := s.Get(t.Context(), "key")
	require.NoError(t, err)
	assert.Equal(t, "3", string(got))
}
