package join

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSetAside damages an entry or a part: it is moved to where it can be looked
// at, reported once, and the join goes on without it.
func TestSetAside(t *testing.T) {
	for name, c := range map[string]struct {
		prefix string
		isPart bool
		lost   int
	}{
		"entry": {"join/e/", false, 1}, // its part, which nothing knows of then
		"part":  {"join/d/", true, 0},
		"odd":   {"", false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, r := bothOf("a", "b"), &recorder{}
				var reported []error
				e := New(r, "join/", func(err error) { reported = append(reported, err) }, a)
				take(t, e, a, arrive("key", 1, "a"))
				key := "join/w/odd"
				if c.prefix != "" {
					key = one(t, r, c.prefix, c.isPart)
				}
				require.NoError(t, r.Store.Update(t.Context(), key, func([]byte) ([]byte, error) { return []byte("damaged"), nil }))
				time.Sleep(time.Hour + 2*time.Minute)
				var lost []Loss
				for range 3 {
					require.NoError(t, e.Sweep(t.Context(), settled(1), losses(&lost)))
				}
				assert.Len(t, lost, c.lost)
				require.Len(t, reported, 1)
				require.ErrorIs(t, reported[0], errCorrupt)
				require.ErrorContains(t, reported[0], key)
				assert.Equal(t, [][]byte{[]byte("damaged")}, values(keys(t, r, "join/x/")))
				take(t, e, a, arrive("key", 2, "a"))
				whole(t, e, a, arrive("key", 3, "b"))
			})
		})
	}
}

// TestTakeIntoDamaged takes into an entry that does not decode: it begins anew.
func TestTakeIntoDamaged(t *testing.T) {
	a, r := bothOf("a", "b"), &recorder{}
	var reported []error
	e := New(r, "join/", func(err error) { reported = append(reported, err) }, a)
	key := e.entry(entryKey("action", true, "key"))
	require.NoError(t, r.Store.Update(t.Context(), key, func([]byte) ([]byte, error) { return []byte{format, 1, 2}, nil }))
	take(t, e, a, arrive("key", 1, "a"))
	whole(t, e, a, arrive("key", 2, "b"))
	assert.Len(t, reported, 1)
	assert.Len(t, keys(t, r, "join/x/"), 1)
}

func TestLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := bothOf("a", "b")
		e := engine(t, &recorder{}, a)
		left := func() Left {
			l, err := e.Left(t.Context())
			require.NoError(t, err)
			return l
		}
		assert.Zero(t, left())
		time.Sleep(time.Minute)
		first := time.Now().Round(0)
		take(t, e, a, arrive("one", 1, "a"))
		time.Sleep(time.Minute)
		take(t, e, a, arrive("two", 2, "a"))
		assert.Equal(t, Left{Entries: 2, Waiting: 2, Oldest: first}, left())
		require.NoError(t, e.Clear(t.Context(), whole(t, e, a, arrive("one", 3, "b"))))
		assert.Equal(t, Left{Entries: 2, Waiting: 1, Oldest: first.Add(time.Minute)}, left(), "the other remembers what it has taken")
		damaged := e.entry("damaged")
		require.NoError(t, e.store.Update(t.Context(), damaged, func([]byte) ([]byte, error) { return []byte("?"), nil }))
		assert.Equal(t, 3, left().Entries)
	})
}
