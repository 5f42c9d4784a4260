package calendar_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/sources/calendar"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func zone(t testing.TB, name string) *time.Location {
	loc, err := time.LoadLocation(name)
	require.NoError(t, err)
	return loc
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		source *calendar.Source
		paths  []string
	}{
		{"schedule", &calendar.Source{Schedule: daily{}}, nil},
		{"interval", &calendar.Source{Interval: time.Millisecond, Start: time.Unix(1, 0), CatchUp: 1}, nil},
		{"neither", &calendar.Source{}, []string{"Schedule"}},
		{"both", &calendar.Source{Schedule: daily{}, Interval: time.Hour}, []string{"Schedule"}},
		{"nil pointer", &calendar.Source{Schedule: (*daily)(nil)}, []string{"Schedule"}},
		{"nil function", &calendar.Source{Schedule: scheduleFunc(nil)}, []string{"Schedule"}},
		{"too short", &calendar.Source{Interval: time.Microsecond}, []string{"Interval"}},
		{"all at once", &calendar.Source{Schedule: daily{}, Interval: -1, CatchUp: -1}, []string{"Schedule", "Interval", "CatchUp"}},
		{"start of nothing", &calendar.Source{Schedule: daily{}, Start: time.Unix(1, 0)}, []string{"Start"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.source.Validate()
			assert.Equal(t, tt.paths, mistakes(t, err))
			if tt.paths != nil {
				ended := tt.source.Run(t.Context(), (&sourcetest.Recorder{}).Output())
				assert.True(t, hearken.IsPermanent(ended), "%v", ended)
			}
		})
	}
}

func TestIntervalTicks(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 500, time.UTC)
	early := time.Date(1492, 10, 12, 1, 2, 3, 0, time.UTC) // further away than a Duration says
	tests := []struct {
		name        string
		source      *calendar.Source
		after, want time.Time
	}{
		{"full hour", &calendar.Source{Interval: time.Hour}, start, start.Truncate(time.Hour).Add(time.Hour)},
		{"at a tick", &calendar.Source{Interval: time.Hour}, start.Truncate(time.Hour), start.Truncate(time.Hour).Add(time.Hour)},
		{"just before a tick", &calendar.Source{Interval: time.Hour}, start.Truncate(time.Hour).Add(-1), start.Truncate(time.Hour)},
		{"week", &calendar.Source{Interval: 7 * 24 * time.Hour}, start, time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)},
		{"before the start", &calendar.Source{Interval: time.Hour, Start: start}, start.Add(-90 * 24 * time.Hour), start},
		{"at the start", &calendar.Source{Interval: 7 * time.Hour, Start: start}, start, start.Add(7 * time.Hour)},
		{"after the start", &calendar.Source{Interval: 7 * time.Hour, Start: start}, start.Add(7_000*time.Hour - 1), start.Add(7_000 * time.Hour)},
		{"long after the start", &calendar.Source{Interval: 24 * time.Hour, Start: early}, start, time.Date(2026, 3, 2, 1, 2, 3, 0, time.UTC)},
		{"long", &calendar.Source{Interval: math.MaxInt64, Start: start}, start, start.Add(math.MaxInt64)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.source.Next(tt.after)
			require.NoError(t, err)
			assert.Equal(t, tt.want.UTC(), got)
		})
	}
}

func TestEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &sourcetest.Recorder{}
		s := &calendar.Source{
			Schedule: daily{6, 30},
			Location: zone(t, "Asia/Kolkata"),
			Metadata: map[string]string{"team": "ops"},
		}
		runFor(t, 24*time.Hour, s, rec)
		require.Len(t, rec.Events(), 1)
		e := rec.Events()[0]
		assert.Equal(t, "calendar", e.Type())
		assert.Equal(t, "2000-01-01T01:00:00Z", e.ID())
		assert.Equal(t, time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC), e.Time())
		assert.JSONEq(t, `{"eventTime":"2000-01-01T06:30:00+05:30","metadata":{"team":"ops"}}`, string(e.Data()))
	})
}

func TestEventBetweenSecondsAndWithoutMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &sourcetest.Recorder{}
		runFor(t, time.Second, &calendar.Source{Interval: 400 * time.Millisecond}, rec)
		require.Len(t, rec.Events(), 2)
		assert.Equal(t, `{"eventTime":"2000-01-01T00:00:00.4Z"}`, string(rec.Events()[0].Data()))
	})
}

// A year of days in Berlin, where two of them have 23 and 25 hours.
func TestYearOfDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &sourcetest.Recorder{}
		berlin := zone(t, "Europe/Berlin")
		runFor(t, 366*24*time.Hour, &calendar.Source{Schedule: daily{2, 30}, Location: berlin}, rec)
		require.Len(t, rec.Events(), 366)
		for i, e := range rec.Events() {
			var data struct{ EventTime time.Time }
			require.NoError(t, json.Unmarshal(e.Data(), &data))
			at := data.EventTime.In(berlin)
			assert.Equal(t, i+1, at.YearDay())
			if at.Month() == time.March && at.Day() == 26 {
				assert.Equal(t, "03:30", at.Format("15:04"), "what this schedule makes of a time that is skipped")
			} else {
				assert.Equal(t, "02:30", at.Format("15:04"), at)
			}
		}
	})
}

func TestIntervalDoesNotDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &sourcetest.Recorder{Then: func(ctx context.Context, e hearken.Event) error {
			time.Sleep(40 * time.Minute) // the bus is slow
			return nil
		}}
		time.Sleep(17 * time.Minute)
		runFor(t, 5*time.Hour, &calendar.Source{Interval: time.Hour}, rec)
		assert.Equal(t, hours(time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC), 5), ids(rec.Attempts()))
	})
}

// Emits that take longer than the interval cost ticks, but no order and no
// phase; and they do not fill the log.
func TestEmitsSlowerThanTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged log
		rec := &sourcetest.Recorder{Logger: logged.logger(), Then: func(context.Context, hearken.Event) error {
			time.Sleep(2500 * time.Millisecond)
			return nil
		}}
		s := &calendar.Source{Interval: time.Second}
		runFor(t, 10*time.Minute, s, rec)
		assert.Equal(t, []string{"2000-01-01T00:00:01Z", "2000-01-01T00:00:03Z", "2000-01-01T00:00:06Z", "2000-01-01T00:00:08Z"}, ids(rec.Events())[:4])
		assert.InDelta(t, 600-len(rec.Attempts()), s.Missed(), 3)
		assert.InDelta(t, 11, bytes.Count([]byte(logged.String()), []byte("ticks were missed")), 2)
	})
}

func TestExclude(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &sourcetest.Recorder{}
		newYork := zone(t, "America/New_York")
		s := &calendar.Source{
			Schedule: daily{22, 0}, // the next day in UTC
			Location: newYork,
			Exclude: func(tick time.Time) bool {
				assert.Equal(t, newYork, tick.Location())
				return tick.Weekday() == time.Saturday || tick.Weekday() == time.Sunday
			},
		}
		runFor(t, 7*24*time.Hour, s, rec)
		require.Len(t, rec.Events(), 5)
		assert.Equal(t, "2000-01-01T03:00:00Z", rec.Events()[0].ID(), "Friday evening in New York")
		assert.Equal(t, "2000-01-04T03:00:00Z", rec.Events()[1].ID())
		assert.Zero(t, s.Missed())
	})
}

func TestExcludeEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &sourcetest.Recorder{}
		runFor(t, 24*time.Hour, &calendar.Source{Interval: time.Minute, Exclude: func(time.Time) bool { return true }}, rec)
		assert.Empty(t, rec.Attempts())
	})
}

func TestFinishedSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged log
		rec := &sourcetest.Recorder{Logger: logged.logger()}
		last := time.Date(2000, 1, 1, 3, 0, 0, 0, time.UTC)
		s := &calendar.Source{Schedule: scheduleFunc(func(t time.Time) time.Time {
			if t.Before(last) {
				return last
			}
			return time.Time{}
		})}
		require.NoError(t, s.Run(t.Context(), rec.Output()))
		assert.Equal(t, []string{"2000-01-01T03:00:00Z"}, ids(rec.Events()))
		assert.Contains(t, logged.String(), "no more ticks")
	})
}

func TestScheduleThatDoesNotGoForward(t *testing.T) {
	stuck := scheduleFunc(func(t time.Time) time.Time { return t })
	err := (&calendar.Source{Schedule: stuck}).Run(t.Context(), (&sourcetest.Recorder{}).Output())
	assert.True(t, hearken.IsPermanent(err))
	assert.ErrorContains(t, err, "does not go forward")
}

func TestOneRunAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &calendar.Source{Interval: time.Hour}
		stop := start(t, s, &sourcetest.Recorder{})
		err := s.Run(t.Context(), (&sourcetest.Recorder{Topic: bus.Topic{EventSource: "a", Event: "b"}}).Output())
		assert.True(t, hearken.IsPermanent(err))
		assert.ErrorContains(t, err, "a/b runs already")
		require.NoError(t, stop())
	})
}

// While the bus is full the tick is emitted again and again, and the later
// ones wait for it, as far as CatchUp lets them.
func TestBusFullForAnHour(t *testing.T) {
	for name, tt := range map[string]struct {
		catchUp time.Duration
		want    []string // minutes after the first tick
		missed  uint64
	}{
		"no catch-up":   {0, []string{"00:01", "01:01", "01:02"}, 59},
		"ten minutes":   {10 * time.Minute, []string{"00:01", "00:52", "00:53"}, 50},
		"all that long": {2 * time.Hour, []string{"00:01", "00:02", "00:03"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var logged log
				rec := &sourcetest.Recorder{Logger: logged.logger(), Then: func(context.Context, hearken.Event) error {
					if time.Since(begin) < 61*time.Minute {
						return bus.ErrFull
					}
					return nil
				}}
				s := &calendar.Source{Interval: time.Minute, CatchUp: tt.catchUp}
				runFor(t, 2*time.Hour, s, rec)
				var got []string
				for _, e := range rec.Events() {
					got = append(got, e.Time().Format("15:04"))
				}
				require.Greater(t, len(got), 3)
				assert.Equal(t, tt.want, got[:3])
				assert.Equal(t, tt.missed, s.Missed())
				assert.Len(t, got, 120-int(tt.missed)) //nolint:gosec // small
				for _, e := range rec.Attempts()[:100] {
					assert.Equal(t, "2000-01-01T00:01:00Z", e.ID())
				}
				assert.Equal(t, tt.missed > 0, bytes.Contains([]byte(logged.String()), []byte("ticks were missed")))
			})
		})
	}
}

func TestTickThatIsNeverTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged log
		rec := &sourcetest.Recorder{
			Logger: logged.logger(),
			Then:   sourcetest.FailFirst(1, hearken.Permanent(errors.New("too large"))),
		}
		runFor(t, 3*time.Hour, &calendar.Source{Interval: time.Hour}, rec)
		assert.Equal(t, hours(time.Date(2000, 1, 1, 2, 0, 0, 0, time.UTC), 2), ids(rec.Events()))
		assert.Contains(t, logged.String(), "too large")
	})
}
