package join

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// versionsOf returns two versions of an action without a window.
func versionsOf() (v1, v2 *Action) {
	v1, v2 = bothOf("a", "b"), bothOf("a", "b")
	v1.Within, v2.Within, v2.Version = 0, 0, "v2"
	return v1, v2
}

// TestVersionsApart has an event of one version not complete a join of another.
func TestVersionsApart(t *testing.T) {
	v1, v2 := versionsOf()
	r := &recorder{}
	e1, e2 := engine(t, r, v1), engine(t, r, v2)
	take(t, e1, v1, arrive("key", 1, "a"))
	assert.Equal(t, Waits, take(t, e2, v2, arrive("key", 2, "b")).State)
	f := whole(t, e1, v1, arrive("key", 3, "b"))
	assert.Equal(t, "1", f.Events[0].Original.ID())
	assert.Equal(t, "3", f.Events[1].Original.ID())
}

// TestVersionsApartInAWindow has events of another version lie between those that fire.
func TestVersionsApartInAWindow(t *testing.T) {
	v1, v2 := versionsOf()
	r := &recorder{}
	e1, e2 := engine(t, r, v1), engine(t, r, v2)
	take(t, e2, v2, arrive("key", 1, "a"))
	take(t, e1, v1, arrive("key", 2, "a"))
	f := whole(t, e2, v2, arrive("key", 3, "b"))
	assert.Equal(t, "1", f.Events[0].Original.ID())
}

// TestObsolete has a firing of one version be delivered again to another.
func TestObsolete(t *testing.T) {
	v1, v2 := versionsOf()
	e1, e2 := engine(t, &recorder{}, v1), (*Engine)(nil)
	e2 = New(e1.store, "join/", e1.report, v2)
	take(t, e1, v1, arrive("key", 1, "a"))
	b := arrive("key", 2, "b")
	require.Equal(t, Fires, take(t, e1, v1, b).State)
	out := take(t, e2, v2, b)
	assert.False(t, out.Firing.Obsolete, "its condition holds too")
	v2.Holds = func(func(string) bool) bool { return false }
	assert.True(t, take(t, e2, v2, b).Firing.Obsolete)
	v2.Holds, v2.Dependencies = v1.Holds, []string{"b", "c"}
	assert.True(t, take(t, e2, v2, b).Firing.Obsolete, "it knows nothing of a")
}

// TestOldVersionsAreGivenUp has what waits for a version be given up once no
// process has run that for versionAge, and not before.
func TestOldVersionsAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v1, v2 := versionsOf()
		r := &recorder{}
		e1, e2 := engine(t, r, v1), engine(t, r, v2)
		require.NoError(t, e1.Open(t.Context()))
		require.NoError(t, e2.Open(t.Context()))
		take(t, e1, v1, arrive("key", 1, "a"))
		take(t, e2, v2, arrive("key", 2, "a"))
		var lost []Loss
		sweep := func(d time.Duration, engines ...*Engine) {
			for range int(d / time.Minute) {
				time.Sleep(time.Minute)
				for _, e := range engines {
					require.NoError(t, e.Sweep(t.Context(), settled(2), losses(&lost)))
				}
			}
		}
		sweep(time.Hour, e1, e2)
		require.Empty(t, lost, "both run")
		sweep(versionAge-versionEvery, e2)
		require.Empty(t, lost, "it may come back")
		sweep(2*versionEvery, e2)
		require.Len(t, lost, 1)
		assert.Equal(t, uint64(1), lost[0].Pos.Seq)
		assert.ErrorContains(t, lost[0].Err, "older version")
		assert.Len(t, keys(t, r, "join/w/"), 1)
		v, err := decodeRunning(keys(t, r, "join/v/")[e1.version("action")])
		require.NoError(t, err)
		assert.Len(t, v.versions, 1)
		assert.Equal(t, Fires, take(t, e2, v2, arrive("key", 3, "b")).State)
	})
}

// TestVersionsDamaged has the versions not decode: they are kept aside or written
// anew, and nothing is given up by them.
func TestVersionsDamaged(t *testing.T) {
	v1, _ := versionsOf()
	r := &recorder{}
	var reported []error
	e := New(r, "join/", func(err error) { reported = append(reported, err) }, v1)
	take(t, e, v1, arrive("key", 1, "a"))
	for _, key := range []string{e.version("action"), "join/v/another"} {
		require.NoError(t, r.Store.Update(t.Context(), key, func([]byte) ([]byte, error) { return []byte("?"), nil }))
	}
	require.NoError(t, e.Sweep(t.Context(), settled(1), nil))
	assert.Len(t, reported, 2)
	assert.Len(t, keys(t, r, "join/v/"), 1)
	assert.Len(t, keys(t, r, "join/x/"), 1)
}
