package hearken_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const day = 24 * time.Hour

// newLasting is a deploy whose halves wait for long, over a store of its own.
func newLasting(trigger hearken.Trigger) *deploy {
	d := newDeploy(func(a *hearken.Action) { a.Within = 90 * day }, trigger)
	d.Store = &memory.Store{}
	return d
}

// newWaiting is one that has run, and in whose store an image waits for its tests.
func newWaiting(t *testing.T) *deploy {
	t.Helper()
	d := newLasting(new(script))
	d.start(t)
	d.tell(t, d.image, "i1", "abc")
	require.NoError(t, d.end())
	return d
}

// without takes the sensor of the joins out of the pipeline, which collects its
// dead letters instead.
func (d *deploy) without() *script {
	d.Sensors = nil
	return d.graves()
}

// stored returns the keys of the store below a prefix.
func (d *deploy) stored(t *testing.T, prefix string) (keys []string) {
	t.Helper()
	for item, err := range d.Store.List(t.Context(), prefix) {
		require.NoError(t, err)
		keys = append(keys, item.Key)
	}
	return keys
}

func TestWhatWaitsForARemovedSensorIsDeadLettered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := newWaiting(t)

		deployed := newLasting(new(script)).on(old)
		graves := deployed.without()
		out := logged(deployed.fixture, slog.LevelWarn)
		deployed.start(t)
		time.Sleep(8*day - time.Hour)
		synctest.Wait()
		assert.Empty(t, graves.letters(), "it may come back")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Len(t, graves.letters(), 1)
		letter := graves.letters()["i1"]
		assert.Equal(t, "s", text(letter, "hearkensensor"))
		assert.Equal(t, "it waited for an action that runs nowhere any more", text(letter, "hearkenerror"))

		time.Sleep(15 * day)
		synctest.Wait()
		assert.Len(t, graves.letters(), 1)
		assert.Equal(t, []string{"join/test/s/hours"}, deployed.stored(t, "join"), "all else is forgotten")
		assert.NoError(t, deployed.end())
		assert.Contains(t, out.String(), `msg="no process runs a sensor that events wait for" pipeline=test sensor=s waiting=1 oldest=2000-01-01T00:00:00.000Z`)
		assert.Contains(t, out.String(), "dead_lettered_after=2000-01-09T00:00:00.000Z")
	})
}

func TestWhatWaitsForASensorOfAnotherProcessStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		there := newLasting(trigger)
		here := newLasting(new(script)).on(there)
		graves := here.without()
		out := logged(here.fixture, slog.LevelWarn)
		there.start(t)
		here.start(t)
		there.tell(t, there.image, "i1", "abc")
		time.Sleep(10 * day)
		require.NoError(t, there.end())
		time.Sleep(6 * day)
		there = newLasting(trigger).on(there)
		there.start(t)
		time.Sleep(10 * day)
		assert.Empty(t, graves.letters())
		there.tell(t, there.tests, "t1", "abc")
		assert.Len(t, trigger.fired(), 1)
		assert.NoError(t, here.end())
		assert.NoError(t, there.end())
		assert.Contains(t, out.String(), "no process runs a sensor")
	})
}

// Nobody says for long that a sensor runs while nothing does.
func TestWhatWaitsOutlivesLongSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		there := newLasting(trigger)
		there.start(t)
		there.tell(t, there.image, "i1", "abc")
		require.NoError(t, there.end())
		time.Sleep(30 * day)
		here := newLasting(new(script)).on(there)
		graves := here.without()
		here.start(t)
		time.Sleep(119 * time.Minute)
		there = newLasting(trigger).on(there)
		there.start(t)
		time.Sleep(3 * day)
		assert.Empty(t, graves.letters(), "who is to run it may start later than others")
		there.tell(t, there.tests, "t1", "abc")
		assert.Len(t, trigger.fired(), 1)
		assert.NoError(t, here.end())
		assert.NoError(t, there.end())
	})
}

// What runs for a moment every week may be late by some hours.
func TestWhatWaitsForASensorThatRunsOnceAWeekStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		job := newLasting(trigger)
		here := newLasting(new(script)).on(job)
		graves := here.without()
		here.start(t)
		job.start(t)
		job.tell(t, job.image, "i1", "abc")
		for range 3 {
			require.NoError(t, job.end())
			time.Sleep(7*day + 5*time.Hour)
			job = newLasting(trigger).on(job)
			job.start(t)
		}
		job.tell(t, job.tests, "t1", "abc")
		assert.Len(t, trigger.fired(), 1)
		assert.Empty(t, graves.letters())
		assert.NoError(t, here.end())
		assert.NoError(t, job.end())
	})
}

// A process whose clock is behind by a month says every hour, or somewhat less
// often, that it runs.
func TestWhatWaitsForASensorOfAProcessWithAnotherClockStays(t *testing.T) {
	for name, offset := range map[string]time.Duration{"behind": -30 * day, "ahead": 30 * day} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				old := newWaiting(t)
				here := newLasting(new(script)).on(old)
				graves := here.without()
				here.start(t)
				for range 200 {
					err := here.Store.Update(t.Context(), "joins/test/s", func([]byte) ([]byte, error) {
						return time.Now().Add(offset).AppendFormat(nil, time.RFC3339), nil
					})
					require.NoError(t, err)
					time.Sleep(65 * time.Minute)
				}
				synctest.Wait()
				assert.Empty(t, graves.letters())
				time.Sleep(9 * day)
				synctest.Wait()
				assert.Len(t, graves.letters(), 1, "it has gone")
				assert.NoError(t, here.end())
			})
		})
	}
}

func TestWhatWaitsForAnActionThatIsGoneIsDeadLettered(t *testing.T) {
	for name, change := range map[string]func(*deploy, *hearken.Action){
		"renamed":       func(_ *deploy, a *hearken.Action) { a.Name = "another" },
		"joins no more": func(d *deploy, a *hearken.Action) { a.When, a.Within = d.built, 0 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				old := newWaiting(t)
				deployed := newLasting(new(script)).on(old)
				change(deployed, &deployed.Sensors[0].Actions[0])
				graves := deployed.graves()
				deployed.start(t)
				time.Sleep(14 * time.Minute)
				synctest.Wait()
				assert.Empty(t, graves.letters())
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				require.Len(t, graves.letters(), 1)
				assert.Equal(t, "it waited for an action that runs nowhere any more", text(graves.letters()["i1"], "hearkenerror"))
				assert.NoError(t, deployed.end())
			})
		})
	}
}

func TestRegisterOfSensorsIsDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newLasting(new(script))
		graves := d.without()
		d.Name = "a/b"
		const key = "joins/a%2Fb/%25 gone"
		require.NoError(t, d.Store.Update(t.Context(), key, func([]byte) ([]byte, error) { return []byte("?"), nil }))
		out := logged(d.fixture, slog.LevelWarn)
		d.start(t)
		synctest.Wait()
		assert.Equal(t, []string{key}, d.stored(t, "joins/"))
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		assert.Empty(t, d.stored(t, "joins/"), "nothing waits for it")
		assert.Empty(t, graves.letters())
		assert.NoError(t, d.end())
		assert.Contains(t, out.String(), `sensor \"% gone\": its place in the register is damaged`)
	})
}

func TestStoreThatFailsKeepsNoSensorFromStartingThatNeedsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		d := newDeploy(func(a *hearken.Action) { a.Within = 0 }, trigger)
		d.Sensors[0].Actions[0].When = d.built
		store := new(joinStore)
		store.fail(errors.New("out of order"))
		d.Store = store
		out := logged(d.fixture, slog.LevelWarn)
		d.start(t)
		d.tell(t, d.image, "i1", "abc")
		synctest.Wait()
		assert.Len(t, trigger.fired(), 1)
		assert.NoError(t, d.end())
		assert.Contains(t, out.String(), `is not known until the next start" pipeline=test error="out of order"`)
	})
}

func TestStoreThatHangsHoldsUpTheStartOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeploy(func(a *hearken.Action) { a.Within = 0 }, new(script))
		d.Sensors[0].Actions[0].When = d.built
		for _, name := range []string{"s2", "s3", "s4"} {
			another := d.Sensors[0]
			another.Name = name
			d.Sensors = append(d.Sensors, another)
		}
		store := new(joinStore)
		store.tell(func(s *joinStore) { s.slow = day })
		d.Store = store
		out := logged(d.fixture, slog.LevelWarn)
		ctx, cancel := context.WithCancel(t.Context())
		d.stop = cancel
		go func() { d.done <- d.Run(ctx) }()
		time.Sleep(11 * time.Second)
		synctest.Wait()
		assert.True(t, d.Health().Ready)
		assert.NoError(t, d.end())
		assert.Equal(t, 1, strings.Count(out.String(), "is not known until the next start"))
	})
}

// What ends Run before it has begun, such as a port that is taken, is the only thing
// that has to be told.
func TestRunThatEndsWhileItAsksTheStoreDoesNotWarn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeploy(func(a *hearken.Action) { a.Within = 0 }, new(script))
		d.Sensors[0].Actions[0].When = d.built
		store := new(joinStore)
		store.tell(func(s *joinStore) { s.slow = day })
		d.Store = store
		out := logged(d.fixture, slog.LevelWarn)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.NoError(t, d.Run(ctx))
		assert.Empty(t, out.String())
	})
}

// What had expired while the sensor ran says so; what would have since waited for
// nobody.
func TestWhatWaitsForARemovedSensorSaysWhy(t *testing.T) {
	for within, why := range map[time.Duration]string{
		time.Hour: "the join expired at 2000-01-01T01:00:00Z", day: "it waited for an action that runs nowhere any more",
	} {
		t.Run(within.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				old := newLasting(new(script))
				old.Sensors[0].Actions[0].Within = within
				old.start(t)
				old.tell(t, old.image, "i1", "abc")
				require.NoError(t, old.end())
				deployed := newLasting(new(script)).on(old)
				graves := deployed.without()
				deployed.start(t)
				time.Sleep(9 * day)
				synctest.Wait()
				require.Len(t, graves.letters(), 1)
				assert.Contains(t, text(graves.letters()["i1"], "hearkenerror"), why)
				assert.NoError(t, deployed.end())
			})
		})
	}
}

func TestASensorThatIsRestartingIsNotMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := newWaiting(t)
		deployed := newLasting(new(script)).on(old)
		deployed.without()
		out := logged(deployed.fixture, slog.LevelWarn)
		deployed.start(t)
		time.Sleep(2*time.Hour - time.Minute)
		assert.NoError(t, deployed.end())
		assert.NotContains(t, out.String(), "no process runs")
	})
}

func TestNothingWaitsForARemovedSensor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := newLasting(new(script))
		old.start(t)
		old.tell(t, old.image, "i1", "abc")
		old.tell(t, old.tests, "t1", "abc")
		require.NoError(t, old.end())
		deployed := newLasting(new(script)).on(old)
		graves := deployed.without()
		out := logged(deployed.fixture, slog.LevelWarn)
		deployed.start(t)
		time.Sleep(20 * day)
		synctest.Wait()
		assert.Empty(t, graves.letters())
		assert.Empty(t, deployed.stored(t, "joins/"))
		assert.NoError(t, deployed.end())
		assert.NotContains(t, out.String(), "no process runs")
	})
}

// hooked is a Store that a test meddles with.
type hooked struct {
	bus.Store
	update func(key string) error // comes before an update; nil: nothing does
	list   func(prefix string) error
}

func (h *hooked) Update(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
	if h.update != nil {
		if err := h.update(key); err != nil {
			return err
		}
	}
	return h.Store.Update(ctx, key, f)
}

// List fails, if it does, after the last entry.
func (h *hooked) List(ctx context.Context, prefix string) iter.Seq2[bus.Entry, error] {
	return func(yield func(bus.Entry, error) bool) {
		for e, err := range h.Store.List(ctx, prefix) {
			if !yield(e, err) {
				return
			}
		}
		if h.list != nil {
			if err := h.list(prefix); err != nil {
				yield(bus.Entry{}, err)
			}
		}
	}
}

func TestASensorThatComesBackStaysInTheRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newLasting(new(script))
		d.without()
		inner := d.Store
		put := func(at time.Time) {
			err := inner.Update(t.Context(), "joins/test/s", func([]byte) ([]byte, error) { return at.AppendFormat(nil, time.RFC3339), nil })
			require.NoError(t, err)
		}
		put(time.Now().Add(-3 * time.Hour))
		d.Store = &hooked{Store: inner, update: func(key string) error {
			if key == "joins/test/s" {
				put(time.Now())
			}
			return nil
		}}
		out := logged(d.fixture, slog.LevelWarn)
		d.start(t)
		synctest.Wait()
		assert.Len(t, d.stored(t, "joins/"), 1)
		assert.NotContains(t, out.String(), "was not looked at")
		assert.NoError(t, d.end())
	})
}

// A process does not give up what waits for its own sensor, though the store has not
// taken for days that it runs.
func TestWhatWaitsForASensorThatCannotSayThatItRunsStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		d := newLasting(trigger)
		var fails atomic.Bool
		d.Store = &hooked{Store: d.Store, update: func(key string) error {
			if fails.Load() && key == "joins/test/s" {
				return errors.New("out of order")
			}
			return nil
		}}
		out := logged(d.fixture, slog.LevelWarn)
		d.start(t)
		d.tell(t, d.image, "i1", "abc")
		fails.Store(true)
		time.Sleep(20 * day)
		d.tell(t, d.tests, "t1", "abc")
		assert.Len(t, trigger.fired(), 1)
		assert.NoError(t, d.end())
		assert.Contains(t, out.String(), `was not looked at in full" pipeline=test error="out of order"`)
	})
}

func TestRegisterOfSensorsThatIsReadInPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := newWaiting(t)
		deployed := newLasting(new(script)).on(old)
		deployed.Sensors[0].Actions[0].When, deployed.Sensors[0].Actions[0].Within = deployed.built, 0
		graves := deployed.graves()
		var calls atomic.Int32
		deployed.Store = &hooked{Store: deployed.Store, list: func(prefix string) error {
			if prefix != "joins/test/" {
				return nil
			}
			if calls.Add(1) == 2 {
				panic("a bug of somebody's")
			}
			return errors.New("out of order")
		}}
		out := logged(deployed.fixture, slog.LevelWarn)
		deployed.start(t)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		assert.Len(t, graves.letters(), 1, "the sensor has had joins")
		assert.NoError(t, deployed.end())
		assert.Contains(t, out.String(), `is not known until the next start" pipeline=test error="out of order"`)
		assert.Contains(t, out.String(), "a bug of somebody's")
		assert.Contains(t, out.String(), `was not looked at in full" pipeline=test error="out of order"`)
	})
}
