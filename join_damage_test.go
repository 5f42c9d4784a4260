package hearken_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestJoinGoesOnBesideAKeyThatFails(t *testing.T) {
	tests := []struct {
		name string
		key  hearken.Key
		want string
	}{
		{"missing", hearken.DataKey("none"), `key of dependency "tests": no key at "none" of the data`},
		{"panics", func(hearken.Event) (string, error) { panic(errBroken) }, `dependency "tests": transform, filter or key panicked: broken`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				trigger := new(script)
				d := newDeploy(nil, trigger)
				good := hearken.DataKey("commit")
				d.green.Key = func(e hearken.Event) (string, error) {
					if e.ID() == "bad" {
						return test.key(e)
					}
					return good(e)
				}
				graves := d.graves()
				d.start(t)
				d.tell(t, d.image, "i1", "abc")
				d.tell(t, d.tests, "bad", "abc")
				require.Len(t, graves.letters(), 1)
				assert.Contains(t, text(graves.letters()["bad"], "hearkenerror"), test.want)
				d.tell(t, d.tests, "t1", "abc")
				assert.Len(t, trigger.fired(), 1)
				assert.NoError(t, d.end())
			})
		})
	}
}

// brokenSchedule panics for a while.
type brokenSchedule struct{ until time.Time }

func (s brokenSchedule) Next(t time.Time) time.Time {
	if t.Before(s.until) {
		panic(errBroken)
	}
	return t.Add(time.Hour)
}

func TestJoinWhoseResetPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		d := newDeploy(func(a *hearken.Action) { a.Reset = brokenSchedule{time.Now().Add(time.Minute)} }, trigger)
		graves := d.graves()
		d.start(t)
		d.tell(t, d.image, "bad", "abc")
		require.Contains(t, graves.letters(), "bad")
		assert.Contains(t, text(graves.letters()["bad"], "hearkenerror"), "broken")
		time.Sleep(2 * time.Minute)
		d.tell(t, d.image, "i1", "abc")
		d.tell(t, d.tests, "t1", "abc")
		assert.Len(t, trigger.fired(), 1)
		assert.Zero(t, d.Health().Sensors[0].InFlight)
		assert.NoError(t, d.end())
	})
}

func TestJoinWhoseTriggerPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeploy(func(a *hearken.Action) { a.Retry.Attempts = 2 }, panicking{})
		graves := d.graves()
		d.start(t)
		d.tell(t, d.image, "i1", "abc")
		d.tell(t, d.tests, "t1", "abc")
		time.Sleep(time.Minute)
		synctest.Wait()
		letters := graves.letters()
		require.Len(t, letters, 2)
		for _, e := range letters {
			assert.Contains(t, text(e, "hearkenerror"), "trigger panicked: broken")
			assert.EqualValues(t, 2, e.Extensions()["hearkenattempts"])
		}
		h := d.Health().Sensors[0]
		assert.Zero(t, h.InFlight)
		assert.Zero(t, h.Actions[0].Pending)
		assert.NoError(t, d.end())
	})
}

func TestJoinShowsTheTransformedEvents(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				trigger := new(script)
				made := func() *deploy {
					d := newDeploy(nil, trigger)
					upper := &hearken.Dependency{Name: "upper", EventSource: d.image, Key: d.built.Key, Transform: func(_ context.Context, e hearken.Event) (hearken.Event, error) {
						e = e.Clone()
						e.SetSubject("upper")
						return e, e.SetData("application/json", map[string]string{"commit": "ABC"})
					}}
					upper.Key = func(hearken.Event) (string, error) { return "abc", nil }
					d.Sensors[0].Actions[0].When = hearken.All(d.built, upper, d.green)
					return d
				}
				d := made()
				d.start(t)
				d.tell(t, d.image, "i1", "abc")
				if restart {
					require.NoError(t, d.end())
					d = made().on(d)
					d.start(t)
				}
				d.tell(t, d.tests, "t1", "abc")
				require.Len(t, trigger.fired(), 1)
				events := trigger.fired()[0].Events
				assert.JSONEq(t, `{"commit":"ABC"}`, string(events["upper"].Data()))
				assert.Equal(t, "upper", events["upper"].Subject())
				assert.JSONEq(t, `{"commit":"abc"}`, string(events["image"].Data()))
				assert.Equal(t, "image", events["image"].Subject())
				assert.NoError(t, d.end())
			})
		})
	}
}

// overwrite damages what the store has below a prefix.
func overwrite(t *testing.T, store bus.Store, prefix string, is func(key string) bool) {
	t.Helper()
	var keys []string
	for e, err := range store.List(t.Context(), prefix) {
		require.NoError(t, err)
		if is(e.Key) {
			keys = append(keys, e.Key)
		}
	}
	require.Len(t, keys, 1)
	require.NoError(t, store.Update(t.Context(), keys[0], func([]byte) ([]byte, error) { return []byte("damaged"), nil }))
}

func TestJoinOverADamagedStore(t *testing.T) {
	tests := []struct {
		name    string
		folder  string
		is      func(key string) bool
		letters []string // of the damaged key, in the end
	}{
		{"an entry", "e/", func(string) bool { return true }, []string{"i1", "t1"}},
		{"a part", "d/", func(key string) bool { return strings.Contains(key, ".") }, []string{"t1"}}, // i1 is what was damaged
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				trigger, store := new(script), new(joinStore)
				d := newDeploy(nil, trigger)
				d.Store = store
				graves := d.graves()
				d.start(t)
				d.tell(t, d.image, "i1", "abc")
				overwrite(t, store, "join/test/s/"+test.folder, test.is)
				d.tell(t, d.image, "i2", "def")
				d.tell(t, d.tests, "t1", "abc")
				assert.Empty(t, trigger.fired())
				last := d.Health().Sensors[0].LastError
				require.NotNil(t, last)
				assert.Contains(t, last.Err.Error(), `is kept as "join/test/s/x/`)
				d.tell(t, d.tests, "t2", "def")
				require.Len(t, trigger.fired(), 1, "another key goes on")
				var aside []string
				for e, err := range store.List(t.Context(), "join/test/s/x/") {
					require.NoError(t, err)
					aside = append(aside, string(e.Value))
				}
				assert.Equal(t, []string{"damaged"}, aside)
				time.Sleep(3 * time.Hour)
				synctest.Wait()
				var got []string
				for id := range graves.letters() {
					got = append(got, id)
				}
				slices.Sort(got)
				assert.Equal(t, test.letters, got)
				d.tell(t, d.image, "i3", "abc")
				d.tell(t, d.tests, "t3", "abc")
				assert.Len(t, trigger.fired(), 2, "the damaged key is as good as new")
				assert.Zero(t, d.Health().Sensors[0].InFlight)
				assert.NoError(t, d.end())
			})
		})
	}
}

func TestJoinByAClockThatJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger, store := new(script), new(joinStore)
		d := newScriptedDeploy(store, nil, trigger)
		d.start(t)
		now := time.Now()
		stored := func(at time.Time) func(*bus.Delivery) { return func(b *bus.Delivery) { b.Stored = at } }
		d.bring(t, d.image, "i1", "back", stored(now))
		d.bring(t, d.tests, "t1", "back", stored(now.Add(-59*time.Minute)))
		assert.Len(t, trigger.fired(), 1, "what comes second was stored first, by the clock")
		d.bring(t, d.image, "i2", "far back", stored(now))
		d.bring(t, d.tests, "t2", "far back", stored(now.Add(-2*time.Hour)))
		d.bring(t, d.image, "i3", "ahead", stored(now.Add(240*time.Hour)))
		d.bring(t, d.tests, "t3", "ahead", stored(now))
		assert.Len(t, trigger.fired(), 1, "too far apart")
		d.bring(t, d.tests, "t4", "ahead", stored(now.Add(240*time.Hour+time.Minute)))
		assert.Len(t, trigger.fired(), 2)
		d.bring(t, d.image, "i5", "never", stored(time.Time{}))
		d.bring(t, d.tests, "t5", "never", stored(time.Time{}))
		assert.Len(t, trigger.fired(), 3, "a bus without a clock")
		d.bring(t, d.image, "i6", "zero", stored(time.Time{}))
		d.bring(t, d.tests, "t6", "zero", stored(now))
		assert.Len(t, trigger.fired(), 4, "not to be told when is to be told now")
		assert.Len(t, d.bus.settlements(), 11)
		last := uint64(11)
		d.bus.setFloor(bus.Floor{Time: now.Add(300 * time.Hour), Logs: map[string]uint64{"log": last}})
		time.Sleep(300 * time.Hour)
		synctest.Wait()
		var given []string
		for _, p := range d.bus.publications() {
			given = append(given, text(p.Event, "hearkenid"))
		}
		slices.Sort(given)
		assert.Equal(t, []string{"i2", "t2", "t3"}, given)
		assert.Zero(t, d.Health().Sensors[0].Actions[0].Pending)
		assert.NoError(t, d.end())
	})
}

func TestJoinDeadLettersWhatFailsWhileTheBusTakesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(joinStore)
		d := newScriptedDeploy(store, nil, always{hearken.Permanent(errBroken)})
		d.start(t)
		d.bus.failPublish(errors.New("no room"))
		image := d.bring(t, d.image, "i1", "abc")
		tests := d.bring(t, d.tests, "t1", "abc")
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, acked(image), d.bus.settlements())
		assert.Equal(t, 1, d.Health().Sensors[0].Unburied)
		d.bus.failPublish(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, acked(image, tests), d.bus.settlements())
		assert.Len(t, d.bus.publications(), 2)
		h := d.Health().Sensors[0]
		assert.Zero(t, h.Unburied)
		assert.EqualValues(t, 2, h.Actions[0].DeadLettered)
		assert.NoError(t, d.end())
	})
}
