package calendar_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/sources/calendar"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var midnight = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// hourly returns a source with a clock of its own.
func hourly(catchUp time.Duration) (*calendar.Source, *clock) {
	c := &clock{}
	s := &calendar.Source{Interval: time.Hour, CatchUp: catchUp}
	s.SetNow(c.now)
	return s, c
}

// A machine that was suspended, or whose clock is set, leaps over ticks.
func TestClockJumpsForward(t *testing.T) {
	tests := []struct {
		name    string
		catchUp time.Duration
		jump    time.Duration
		want    []string
		missed  uint64
	}{
		{"no catch-up", 0, 5 * time.Hour, hours(midnight.Add(6*time.Hour), 1), 5},
		{"all", 12 * time.Hour, 5 * time.Hour, hours(midnight.Add(1*time.Hour), 6), 0},
		{"two hours", 2 * time.Hour, 5 * time.Hour, hours(midnight.Add(4*time.Hour), 3), 3},
		{"just past a tick", 0, 31 * time.Minute, hours(midnight.Add(1*time.Hour), 1), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, clock := hourly(tt.catchUp)
				rec := &sourcetest.Recorder{Store: &memory.Store{}}
				stop := start(t, s, rec)
				time.Sleep(30*time.Minute + 10*time.Second)
				clock.jump(tt.jump)
				time.Sleep(time.Minute) // when it is noticed at the latest
				synctest.Wait()
				assert.Equal(t, tt.missed, s.Missed())
				time.Sleep(time.Until(midnight.Add(time.Hour)))
				synctest.Wait()
				assert.Equal(t, tt.want, ids(rec.Events()))
				require.NoError(t, stop())
			})
		})
	}
}

func TestClockJumpsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, clock := hourly(time.Hour)
		rec := &sourcetest.Recorder{Store: &memory.Store{}}
		stop := start(t, s, rec)
		time.Sleep(150 * time.Minute)
		clock.jump(-2 * time.Hour)
		time.Sleep(149 * time.Minute)
		synctest.Wait()
		assert.Equal(t, hours(midnight.Add(time.Hour), 2), ids(rec.Events()), "what was emitted is not emitted again")
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, hours(midnight.Add(time.Hour), 3), ids(rec.Events()))
		require.NoError(t, stop())
	})
}

// A clock that was years ahead when the machine started must not stop ticks for
// years.
func TestClockWasFarAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged log
		store := &memory.Store{}
		s, clock := hourly(0)
		clock.jump(24 * 365 * 24 * time.Hour)
		rec := &sourcetest.Recorder{Store: store, Logger: logged.logger()}
		stop := start(t, s, rec)
		time.Sleep(90 * time.Minute)
		clock.jump(-24 * 365 * 24 * time.Hour)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, rec.Events(), 2)
		assert.Equal(t, "2000-01-01T02:00:00Z", rec.Events()[1].ID())
		assert.Equal(t, "2000-01-01T02:00:00Z", lastRun(t, store))
		assert.Contains(t, logged.String(), "far ahead of the clock")
		require.NoError(t, stop())
	})
}

// The clock of a machine without a battery begins in 1970.
func TestClockWasFarBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, clock := hourly(3 * time.Hour)
		clock.jump(-30 * 365 * 24 * time.Hour)
		rec := &sourcetest.Recorder{Store: &memory.Store{}}
		stop := start(t, s, rec)
		time.Sleep(30 * time.Minute)
		clock.jump(30 * 365 * 24 * time.Hour)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, hours(midnight.Add(-2*time.Hour), 3), ids(rec.Events()))
		require.NoError(t, stop())
	})
}

// Nor does such a machine emit again, each time that it starts, what it had
// emitted before.
func TestClockIsFarBehindAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory.Store{}
		before, _ := hourly(5 * time.Hour)
		runFor(t, 6*time.Hour, before, &sourcetest.Recorder{Store: store})

		s, clock := hourly(5 * time.Hour)
		clock.jump(-30 * 365 * 24 * time.Hour)
		rec := &sourcetest.Recorder{Store: store}
		stop := start(t, s, rec)
		time.Sleep(90 * time.Minute) // a tick of 1970
		clock.jump(30 * 365 * 24 * time.Hour)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, rec.Events(), 2)
		assert.Equal(t, 1970, rec.Events()[0].Time().Year())
		assert.Equal(t, "2000-01-01T07:00:00Z", rec.Events()[1].ID(), "the one that was not emitted yet")
		assert.Equal(t, "2000-01-01T07:00:00Z", lastRun(t, store))
		require.NoError(t, stop())
	})
}
