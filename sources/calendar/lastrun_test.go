package calendar_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/sources/calendar"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRestart(t *testing.T) {
	midnight := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	const down = 30 * 24 * time.Hour
	tests := []struct {
		name    string
		catchUp time.Duration
		down    time.Duration
		want    []string // the ticks of the second run's first hour
		missed  uint64
	}{
		{"no catch-up", 0, down, hours(midnight.Add(down+3*time.Hour), 1), 720},
		{"five hours", 5 * time.Hour, down, hours(midnight.Add(down-2*time.Hour), 6), 715},
		{"30 days", down, down, hours(midnight.Add(3*time.Hour), 721), 0},
		{"300 days", 10 * down, down, hours(midnight.Add(3*time.Hour), 721), 0},
		{"within the grace", 0, time.Minute + 30*time.Minute, hours(midnight.Add(3*time.Hour), 2), 0},
		{"after the grace", 0, 3*time.Minute + 30*time.Minute, hours(midnight.Add(4*time.Hour), 1), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logged log
				store := &memory.Store{}
				s := func() *calendar.Source { return &calendar.Source{Interval: time.Hour, CatchUp: tt.catchUp} }
				rec := &sourcetest.Recorder{Store: store}
				runFor(t, 2*time.Hour+30*time.Minute, s(), rec)
				assert.Equal(t, hours(midnight.Add(time.Hour), 2), ids(rec.Events()))

				time.Sleep(tt.down)
				rec = &sourcetest.Recorder{Store: store, Logger: logged.logger()}
				again := s()
				runFor(t, time.Hour, again, rec)
				assert.Equal(t, tt.want, ids(rec.Events()))
				assert.Equal(t, tt.missed, again.Missed())
				assert.Equal(t, tt.missed > 0, strings.Contains(logged.String(), "ticks were missed and are dropped"))
			})
		})
	}
}

// Excluded ticks are neither made up for nor missed.
func TestOutageWithExcludedTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := func() *calendar.Source {
			return &calendar.Source{
				Schedule: daily{12, 0},
				CatchUp:  7 * 24 * time.Hour,
				Exclude:  func(tick time.Time) bool { return tick.Day()%2 == 0 },
			}
		}
		store := &memory.Store{}
		runFor(t, time.Minute, source(), &sourcetest.Recorder{Store: store})
		time.Sleep(14 * 24 * time.Hour)
		rec := &sourcetest.Recorder{Store: store}
		s := source()
		runFor(t, time.Minute, s, rec)
		assert.Equal(t, []string{
			"2000-01-09T12:00:00Z", "2000-01-11T12:00:00Z", "2000-01-13T12:00:00Z",
		}, ids(rec.Events()))
		assert.Equal(t, uint64(4), s.Missed())
	})
}

// It is known from the first start what was missed, even before any tick.
func TestOutageBeforeTheFirstTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory.Store{}
		s := &calendar.Source{Schedule: daily{12, 0}, CatchUp: 24 * time.Hour}
		runFor(t, time.Minute, s, &sourcetest.Recorder{Store: store})
		assert.Equal(t, "2000-01-01T00:00:00Z", lastRun(t, store))

		time.Sleep(18 * time.Hour)
		rec := &sourcetest.Recorder{Store: store}
		runFor(t, time.Minute, &calendar.Source{Schedule: daily{12, 0}, CatchUp: 24 * time.Hour}, rec)
		assert.Equal(t, []string{"2000-01-01T12:00:00Z"}, ids(rec.Events()))
	})
}

func TestLongOutageOfManyTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged log
		store := &memory.Store{}
		runFor(t, time.Second, &calendar.Source{Interval: time.Millisecond}, &sourcetest.Recorder{Store: store})
		time.Sleep(10 * 365 * 24 * time.Hour)
		rec := &sourcetest.Recorder{Store: store, Logger: logged.logger()}
		s := &calendar.Source{Interval: time.Millisecond, CatchUp: 10 * time.Millisecond}
		runFor(t, 0, s, rec)
		assert.Len(t, rec.Events(), 11)
		assert.GreaterOrEqual(t, s.Missed(), uint64(100_000))
		assert.Contains(t, logged.String(), "and_more=true")
	})
}

func TestCatchUpWithoutStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged log
		rec := &sourcetest.Recorder{Logger: logged.logger()}
		s := &calendar.Source{Interval: time.Hour, CatchUp: 24 * time.Hour}
		runFor(t, 90*time.Minute, s, rec)
		time.Sleep(3 * time.Hour)
		runFor(t, time.Hour, s, rec) // the same process: it goes on
		assert.Equal(t, hours(time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC), 5), ids(rec.Events()))
		assert.Equal(t, 1, strings.Count(logged.String(), "calendar has no Store"))
	})
}

func TestStoreAwayAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, store := range map[string]*faultyStore{
			"reading": {Store: &memory.Store{}, reading: errAway},
			"writing": {Store: &memory.Store{}, writing: errAway},
		} {
			s := &calendar.Source{Interval: time.Hour, CatchUp: 24 * time.Hour}
			rec := &sourcetest.Recorder{Store: store}
			rec.Topic.EventSource, rec.Topic.Event = "a", "b"
			begin := time.Now()
			soon, cancelSoon := context.WithTimeout(t.Context(), time.Minute)
			err := s.Run(soon, rec.Output())
			cancelSoon()
			require.ErrorIs(t, err, errAway, name)
			require.ErrorContains(t, err, "the last run of a/b is not known")
			assert.False(t, hearken.IsPermanent(err), "the engine runs it again")

			ended, cancel := context.WithCancel(t.Context())
			cancel()
			require.NoError(t, s.Run(ended, rec.Output()))

			time.Sleep(2 * time.Hour)
			store.fail(nil, nil)
			runFor(t, time.Hour, s, rec)
			assert.Equal(t, hours(begin.Add(time.Hour), 3), ids(rec.Events()), "from when it was first called")
		}
	})
}

func TestStoreAwayWhileTicking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged log
		store := &faultyStore{Store: &memory.Store{}}
		rec := &sourcetest.Recorder{Store: store, Logger: logged.logger()}
		s := &calendar.Source{Interval: time.Hour}
		stop := start(t, s, rec)
		store.fail(errAway, errAway)
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		assert.Len(t, rec.Events(), 3, "it holds up no tick")
		assert.Equal(t, "2000-01-01T00:00:00Z", lastRun(t, store.Store))
		assert.Equal(t, 1, strings.Count(logged.String(), "cannot be kept in the Store"))

		store.fail(nil, nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, "2000-01-01T04:00:00Z", lastRun(t, store.Store))
		assert.Contains(t, logged.String(), "kept in the Store again")
		require.NoError(t, stop())
	})
}

func TestUnreadableLastRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged log
		store := &memory.Store{}
		spoil := func(value string) {
			require.NoError(t, store.Update(t.Context(), calendar.LastRunKey, func([]byte) ([]byte, error) { return []byte(value), nil }))
		}
		kept := func() map[string]string {
			entries := map[string]string{}
			for e, err := range store.List(t.Context(), "") {
				require.NoError(t, err)
				entries[e.Key] = string(e.Value)
			}
			return entries
		}
		spoil("yesterday")
		stop := start(t, &calendar.Source{Interval: time.Hour}, &sourcetest.Recorder{Store: store, Logger: logged.logger()})
		assert.Equal(t, map[string]string{
			"last-run": "2000-01-01T00:00:00Z",
			"last-run.unreadable.2000-01-01T00:00:00Z": "yesterday",
		}, kept())
		assert.Contains(t, logged.String(), `value=yesterday kept_as=last-run.unreadable.2000-01-01T00:00:00Z`)

		spoil("") // while it runs
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, map[string]string{
			"last-run": "2000-01-01T01:00:00Z",
			"last-run.unreadable.2000-01-01T00:00:00Z": "yesterday",
			"last-run.unreadable.2000-01-01T01:00:00Z": "",
		}, kept())
		require.NoError(t, stop())
	})
}

func TestUnreadableLastRunThatCannotBePutAside(t *testing.T) {
	store := &faultyStore{Store: &memory.Store{}, writing: errAway}
	require.NoError(t, store.Store.Update(t.Context(), calendar.LastRunKey, func([]byte) ([]byte, error) { return []byte("?"), nil }))
	err := (&calendar.Source{Interval: time.Hour}).Run(t.Context(), (&sourcetest.Recorder{Store: store}).Output())
	require.ErrorIs(t, err, errAway)
	assert.Equal(t, "?", lastRun(t, store.Store))
}

// A replica that is behind does not move back the one that is further on.
func TestLastRunOnlyGoesForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory.Store{}
		behind := &clock{off: -90 * time.Minute}
		slow := &calendar.Source{Interval: time.Hour, Start: time.Now().Add(-10 * time.Hour)}
		slow.SetNow(behind.now)
		stopSlow := start(t, slow, &sourcetest.Recorder{Store: &memory.Store{}})
		require.NoError(t, stopSlow())

		stop := start(t, &calendar.Source{Interval: time.Hour}, &sourcetest.Recorder{Store: store})
		rec := &sourcetest.Recorder{Store: store}
		stopSlow = start(t, slow, rec)
		seen := ""
		for range 10 {
			time.Sleep(20 * time.Minute)
			synctest.Wait()
			now := lastRun(t, store)
			assert.GreaterOrEqual(t, now, seen)
			seen = now
		}
		assert.Equal(t, "2000-01-01T03:00:00Z", seen)
		require.NoError(t, stop())
		require.NoError(t, stopSlow())
	})
}

// A schedule of very many ticks that ended while the process was down is asked
// nothing about the ages before.
func TestLongOutageAfterTheLastTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		end := begin.Add(200_000 * time.Second)
		seconds := scheduleFunc(func(after time.Time) time.Time {
			if after.Before(begin) {
				panic("asked about " + after.String())
			}
			if next := after.Truncate(time.Second).Add(time.Second); next.Before(end) {
				return next
			}
			return time.Time{}
		})
		store := &memory.Store{}
		runFor(t, 0, &calendar.Source{Schedule: seconds}, &sourcetest.Recorder{Store: store})
		time.Sleep(30 * 24 * time.Hour)

		var logged log
		rec := &sourcetest.Recorder{Store: store, Logger: logged.logger()}
		s := &calendar.Source{Schedule: seconds}
		require.NoError(t, s.Run(t.Context(), rec.Output()), "it ends by itself")
		assert.Empty(t, rec.Events())
		assert.GreaterOrEqual(t, s.Missed(), uint64(100_000))
		assert.Contains(t, logged.String(), "no more ticks")
	})
}

// A source that is told to stop while it asks the Store does not emit, as its
// last act, a tick that it was to drop.
func TestStopWhileTheStoreIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &hangingStore{Store: &memory.Store{}}
		s, clock := hourly(0)
		rec := &sourcetest.Recorder{Store: store}
		stop := start(t, s, rec)
		store.hangs.Store(true)
		clock.jump(30 * 24 * time.Hour)
		time.Sleep(time.Minute + time.Second) // the jump is noticed, and the Store asked
		require.NoError(t, stop())
		assert.Empty(t, rec.Attempts())
	})
}

// A Store that hangs holds up no tick either, and the end not for long.
func TestStoreHangsWhileTicking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged log
		store := &hangingStore{Store: &memory.Store{}}
		rec := &sourcetest.Recorder{Store: store, Logger: logged.logger()}
		s := &calendar.Source{Interval: time.Second}
		stop := start(t, s, rec)
		store.hangs.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Len(t, rec.Events(), 60)
		assert.Zero(t, s.Missed())
		assert.Equal(t, 1, strings.Count(logged.String(), "cannot be kept in the Store"))

		store.hangs.Store(false)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		assert.Equal(t, "2000-01-01T00:01:05Z", lastRun(t, store))
		assert.Contains(t, logged.String(), "kept in the Store again")

		store.hangs.Store(true)
		time.Sleep(time.Second)
		synctest.Wait()
		begin := time.Now()
		require.NoError(t, stop())
		assert.Equal(t, 5*time.Second, time.Since(begin))
	})
}

// Nor does a source catch up more slowly than the bus takes what was missed.
func TestStoreHangsWhileCatchingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged log
		store := &hangingStore{Store: &memory.Store{}}
		rec := &sourcetest.Recorder{Store: store, Logger: logged.logger()}
		s, clock := hourly(30 * 24 * time.Hour)
		stop := start(t, s, rec)
		store.hangs.Store(true)
		clock.jump(10 * 24 * time.Hour)
		time.Sleep(time.Minute + 5*time.Second)
		synctest.Wait()
		assert.Len(t, rec.Events(), 240)
		assert.Equal(t, 1, strings.Count(logged.String(), "cannot be kept in the Store"))
		require.NoError(t, stop())
	})
}

// A Store that hangs at the start is an error, which the engine tells of.
func TestStoreHangsAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &hangingStore{Store: &memory.Store{}}
		store.hangs.Store(true)
		err := (&calendar.Source{Interval: time.Hour}).Run(t.Context(), (&sourcetest.Recorder{Store: store}).Output())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "the last run of")
		assert.False(t, hearken.IsPermanent(err))
	})
}

// A Store that panics beside the ticks is one that fails: the process goes on.
func TestStorePanicsWhileTicking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged log
		store := &panickingStore{Store: &memory.Store{}}
		rec := &sourcetest.Recorder{Store: store, Logger: logged.logger()}
		stop := start(t, &calendar.Source{Interval: time.Hour}, rec)
		store.panics.Store(true)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		assert.Len(t, rec.Events(), 2)
		assert.Equal(t, 1, strings.Count(logged.String(), "the Store panicked: oops"))

		store.panics.Store(false)
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, "2000-01-01T03:00:00Z", lastRun(t, store))
		require.NoError(t, stop())
	})
}
