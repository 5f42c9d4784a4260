package join

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNothingIsListedThatIsNotDue has half joins wait for thirty days and sweeps
// every minute of one: none looks at a part or a minute that is still to come, and
// each part is met once.
func TestNothingIsListedThatIsNotDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := bothOf("a", "b"), &recorder{}
		a.Within = 30 * 24 * time.Hour
		e := engine(t, r, a)
		for i := range uint64(200) {
			take(t, e, a, arrive(fmt.Sprint("key", i), i+1, "a"))
			time.Sleep(10 * time.Minute)
		}
		var lost []Loss
		sweep := func() {
			r.listed, r.yielded = nil, nil
			require.NoError(t, e.Sweep(t.Context(), settled(200), losses(&lost)))
			for _, prefix := range r.listed {
				rest, ok := strings.CutPrefix(prefix, "join/d/")
				if !ok {
					assert.Contains(t, []string{"join/w/", "join/v/"}, prefix)
					continue
				}
				hour, minute, _ := strings.Cut(strings.TrimSuffix(rest, "/"), "/")
				h, err := strconv.ParseInt(hour, 10, 64)
				require.NoError(t, err)
				last := (h+1)*60 - 1
				if minute != "" {
					last, err = strconv.ParseInt(minute, 10, 64)
					require.NoError(t, err)
				}
				require.LessOrEqual(t, last, minuteOf(time.Now()), "%s is not due", prefix)
			}
		}
		for range 24 * 60 { // a day in which nothing is due
			sweep()
			require.Empty(t, lost)
			for _, key := range r.yielded {
				require.True(t, strings.HasPrefix(key, "join/v/"), "%s was looked at", key)
			}
			require.LessOrEqual(t, len(r.listed), 2)
			time.Sleep(time.Minute)
		}
		for range 31 {
			time.Sleep(24 * time.Hour)
			sweep()
		}
		require.Len(t, lost, 200)
		for range 8 {
			time.Sleep(24 * time.Hour)
			sweep()
		}
		assert.Empty(t, keys(t, r, "join/d/"))
		assert.Empty(t, keys(t, r, "join/e/"))
		assert.Empty(t, hoursOf(t, r))
		assert.Empty(t, e.hours)
	})
}

// hoursOf returns the hours that the register has.
func hoursOf(t *testing.T, r *recorder) []int64 {
	t.Helper()
	hours, err := decodeHours(keys(t, r, "join/hours")["join/hours"])
	require.NoError(t, err)
	return hours
}

// TestDamagedRegisterIsRestored has the register of hours damaged while events wait
// in several: it is made anew from what there is, and kept aside, whoever meets it.
func TestDamagedRegisterIsRestored(t *testing.T) {
	for name, meet := range map[string]func(t *testing.T, e *Engine, a *Action){
		"by a sweep": func(t *testing.T, e *Engine, _ *Action) {
			t.Helper()
			require.NoError(t, e.Sweep(t.Context(), bus.Floor{}, nil))
		},
		"by an event": func(t *testing.T, e *Engine, a *Action) {
			t.Helper()
			take(t, e, a, arrive("another", 9, "a"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, r := bothOf("a", "b"), &recorder{}
				e := engine(t, r, a)
				for i := range uint64(3) {
					take(t, e, a, arrive(strconv.FormatUint(i, 10), 1+i, "a"))
					time.Sleep(2 * time.Hour)
				}
				want := hoursOf(t, r)
				require.NoError(t, r.Update(t.Context(), "join/hours", func(old []byte) ([]byte, error) { return append(old[:1:1], "damage"...), nil }))
				var reported []error
				other := New(&r.Store, "join/", func(err error) { reported = append(reported, err) }, a)
				meet(t, other, a)
				got := hoursOf(t, r)
				for _, hour := range want {
					assert.Contains(t, got, hour)
				}
				assert.Len(t, reported, 1)
				assert.Len(t, keys(t, r, "join/x/"), 1)
			})
		})
	}
}

// TestBucket gives what is due to a minute that nobody has looked at.
func TestBucket(t *testing.T) {
	now := time.Unix(6000, 0)
	for _, due := range []time.Time{{}, now.Add(-time.Hour), now} {
		assert.Equal(t, int64(102), bucket(due, now), "%v", due)
	}
	assert.Equal(t, int64(162), bucket(now.Add(time.Hour), now))
}

// TestHourRegisteredBefore has each thing that is due be in an hour that the
// register had before.
func TestHourRegisteredBefore(t *testing.T) {
	a, r := bothOf("a", "b"), &recorder{}
	e := engine(t, r, a)
	take(t, e, a, arrive("key", 1, "a"))
	registered := 0
	for _, key := range r.updated {
		switch {
		case key == "join/hours":
			registered++
		case strings.HasPrefix(key, "join/d/"):
			hour, _, _ := strings.Cut(strings.TrimPrefix(key, "join/d/"), "/")
			h, err := strconv.ParseInt(hour, 10, 64)
			require.NoError(t, err)
			assert.Contains(t, hoursOf(t, r), h)
			assert.NotZero(t, registered, "%s came first", key)
			registered = 0
		}
	}
	assert.Zero(t, registered)
}

// TestKeptFromStoring has a process stand still between the register and the part,
// until the hour is over and out of the register: the part is found.
func TestKeptFromStoring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := bothOf("a", "b"), &recorder{}
		a.Within = time.Minute
		e := engine(t, r, a)
		other := engine(t, &r.Store, a)
		o := newOp(a, arrive("key", 1, "a"))
		o.ref.bucket = bucket(o.ref.deadline.at, time.Now())
		require.NoError(t, e.enlist(t.Context(), o.ref.bucket))
		time.Sleep(5 * time.Hour)
		require.NoError(t, other.Sweep(t.Context(), bus.Floor{Time: time.Now()}, nil))
		require.Empty(t, hoursOf(t, r), "the other took it out")
		require.NoError(t, e.storePart(t.Context(), entryKey(a.Name, true, "key"), o))

		var lost []Loss
		require.NoError(t, other.Sweep(t.Context(), settled(1), losses(&lost)))
		assert.Len(t, lost, 1)
	})
}

// TestClockSetBack has the sweeper's clock run ahead by days and be set back.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := bothOf("a", "b"), &recorder{}
		e := engine(t, r, a)
		take(t, e, a, arrive("key", 1, "a"))
		time.Sleep(time.Hour + 2*time.Minute)
		e.swept.next = minuteOf(time.Now()) + 10*24*60
		var lost []Loss
		require.NoError(t, e.Sweep(t.Context(), settled(1), losses(&lost)))
		assert.Len(t, lost, 1)
	})
}

// TestEachMinuteIsListedOnce sweeps through an hour that has something: a minute is
// looked at when it comes, and again only while something is left in it.
func TestEachMinuteIsListedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := bothOf("a", "b"), &recorder{}
		e := engine(t, r, a)
		take(t, e, a, arrive("key", 1, "a"))
		due := minuteOf(time.Now()) + 62
		old := settled(1)
		var lost []Loss
		looked := map[string]int{}
		for m := range 120 {
			floor := old
			if m >= 70 {
				floor = settled(1)
			}
			r.listed = nil
			require.NoError(t, e.Sweep(t.Context(), floor, losses(&lost)))
			for _, prefix := range r.listed {
				looked[prefix]++
			}
			time.Sleep(time.Minute)
		}
		require.Len(t, lost, 1)
		for m := due - 2; m < due+58; m++ {
			times := 1
			if m == due {
				times = 9 // from the 62nd to the 70th
			}
			assert.Equal(t, times, looked[e.minute(m)], "minute %d", m)
		}
	})
}
