package cron_test

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests read no zone of the machine

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/sources/calendar"
	"github.com/hearken-go/hearken/sources/calendar/cron"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A Schedule fits where schedules are asked for.
var (
	_ = calendar.Source{Schedule: &cron.Schedule{}}
	_ = hearken.Action{Reset: &cron.Schedule{}}
)

func TestScheduleThatParseHasNotMade(t *testing.T) {
	source := &calendar.Source{Schedule: &cron.Schedule{}}
	assert.EqualError(t, source.Validate(), "Schedule: is an empty cron.Schedule; cron.Parse makes one")
}

func at(t testing.TB, text, zone string) time.Time {
	loc, err := time.LoadLocation(zone)
	require.NoError(t, err)
	when, err := time.ParseInLocation("2006-01-02 15:04:05", text, loc)
	require.NoError(t, err)
	return when
}

func TestNext(t *testing.T) {
	tests := []struct {
		expr string
		want []string // after 2026-02-27 13:14:15, a Friday
	}{
		{"* * * * *", []string{"2026-02-27 13:15:00", "2026-02-27 13:16:00"}},
		{"*/20 8-10 * * *", []string{"2026-02-28 08:00:00", "2026-02-28 08:20:00"}},
		{"10 * * * * *", []string{"2026-02-27 13:15:10", "2026-02-27 13:16:10"}},
		{"0 0 29 2 *", []string{"2028-02-29 00:00:00", "2032-02-29 00:00:00"}},
		{"0 0 13 * FRI", []string{"2026-03-06 00:00:00", "2026-03-13 00:00:00", "2026-03-20 00:00:00"}},
		{"0 0 1 * mon", []string{"2026-03-01 00:00:00", "2026-03-02 00:00:00"}},
		{"0 0 * * WED-THU", []string{"2026-03-04 00:00:00", "2026-03-05 00:00:00", "2026-03-11 00:00:00"}},
		{"0 0 * mar-Oct tHU", []string{"2026-03-05 00:00:00", "2026-03-12 00:00:00"}},
		{"0 0 ? * 7", []string{"2026-03-01 00:00:00", "2026-03-08 00:00:00"}},
		{"0 0 */2 * 1", []string{"2026-03-01 00:00:00", "2026-03-02 00:00:00", "2026-03-03 00:00:00"}},
		{"0 22-1 * * *", []string{"2026-02-27 22:00:00", "2026-02-27 23:00:00", "2026-02-28 00:00:00", "2026-02-28 01:00:00", "2026-02-28 22:00:00"}},
		{"@monthly", []string{"2026-03-01 00:00:00", "2026-04-01 00:00:00"}},
		{"@annually", []string{"2027-01-01 00:00:00"}},
		{"@hourly", []string{"2026-02-27 14:00:00"}},
		{"@every 1h30m", []string{"2026-02-27 13:30:00", "2026-02-27 15:00:00"}},
		{"  0   0 * * *  ", []string{"2026-02-28 00:00:00"}},
		{"TZ=UTC @daily", []string{"2026-02-28 00:00:00"}},
	}
	for _, tt := range tests {
		t.Run(tt.expr, func(t *testing.T) {
			s, err := cron.Parser{Seconds: true}.Parse(tt.expr)
			require.NoError(t, err)
			assert.Equal(t, tt.expr, s.String())
			next := at(t, "2026-02-27 13:14:15", "UTC").Add(500)
			for _, want := range tt.want {
				next = s.Next(next)
				assert.Equal(t, want, next.Format("2006-01-02 15:04:05"))
				assert.Equal(t, time.UTC, next.Location())
			}
		})
	}
}

// The 29th of February is eight years away around the year 2100.
func TestRareDay(t *testing.T) {
	s, err := cron.Parse("0 0 29 2 *")
	require.NoError(t, err)
	assert.Equal(t, at(t, "2104-02-29 00:00:00", "UTC"), s.Next(at(t, "2096-02-29 00:00:00", "UTC")))
}

// A week has seven days, though Sunday is both 0 and 7.
func TestStepsOfWeekdays(t *testing.T) {
	for field, want := range map[string]string{
		"1/2": "Mon Wed Fri", "3/2": "Wed Fri", "SUN/2": "Sun Tue Thu Sat", "7/2": "Sun Tue Thu Sat", "*/3": "Sun Wed Sat",
		"FRI-MON/2": "Sun Fri", "fri-mon/3": "Mon Fri", "FRI-MON/1": "Sun Mon Fri Sat", "SAT-FRI/3": "Tue Fri Sat",
		"5-7/2": "Sun Fri", "7-WED/2": "Sun Tue", "MON-SUN/2": "Sun Mon Wed Fri", "1/4,2-4/2": "Mon Tue Thu Fri",
	} {
		t.Run(field, func(t *testing.T) {
			s, err := cron.Parse("0 12 * * " + field)
			require.NoError(t, err)
			var got []string
			saturday := at(t, "2026-03-07 23:00:00", "UTC")
			for next := s.Next(saturday.AddDate(0, 0, -7)); next.Before(saturday); next = s.Next(next) {
				got = append(got, next.Format("Mon"))
			}
			assert.Equal(t, want, strings.Join(got, " "))
		})
	}
}

func TestLocation(t *testing.T) {
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	require.NoError(t, err)
	noon := at(t, "2026-06-01 12:00:00", "Europe/Berlin")
	for name, tt := range map[string]struct {
		parser cron.Parser
		expr   string
		want   time.Time
	}{
		"of the time asked":   {cron.Parser{}, "0 0 * * *", at(t, "2026-06-02 00:00:00", "Europe/Berlin")},
		"of the parser":       {cron.Parser{Location: tokyo}, "0 0 * * *", at(t, "2026-06-02 00:00:00", "Asia/Tokyo")},
		"of the expression":   {cron.Parser{Location: tokyo}, "CRON_TZ=America/New_York 0 0 * * *", at(t, "2026-06-02 00:00:00", "America/New_York")},
		"local to the parser": {cron.Parser{Location: time.Local}, "0 0 * * *", time.Date(2026, 6, 2, 0, 0, 0, 0, time.Local)},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := tt.parser.Parse(tt.expr)
			require.NoError(t, err)
			got := s.Next(noon)
			if name == "local to the parser" && got.Before(tt.want) { // the machine's zone may be in its first of June still
				got = s.Next(got)
			}
			assert.True(t, tt.want.Equal(got), "%v, want %v", got, tt.want)
			assert.Equal(t, noon.Location(), got.Location())
		})
	}
}

func TestDaylightSaving(t *testing.T) {
	tests := []struct{ expr, zone, from, want string }{
		{"30 2 * * *", "Europe/Berlin", "2026-03-28 12:00:00", "2026-03-29T03:30:00+02:00 2026-03-30T02:30:00+02:00"},
		{"30 2 * * *", "Europe/Berlin", "2026-10-24 12:00:00", "2026-10-25T02:30:00+02:00 2026-10-25T02:30:00+01:00 2026-10-26T02:30:00+01:00"},
		{"0 0 * * *", "America/Sao_Paulo", "2018-11-03 12:00:00", "2018-11-04T01:00:00-02:00 2018-11-05T00:00:00-02:00"},
		{"0,30 0 * * *", "Africa/Cairo", "2026-04-23 12:00:00", "2026-04-24T01:00:00+03:00 2026-04-24T01:30:00+03:00 2026-04-25T00:00:00+03:00"},
		{"10 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00:00", "2026-10-04T02:40:00+11:00 2026-10-05T02:10:00+11:00"},
		{"*/20 * * * *", "Australia/Lord_Howe", "2026-10-04 01:30:00", "2026-10-04T01:40:00+10:30 2026-10-04T02:40:00+11:00 2026-10-04T03:00:00+11:00"},
		{"0 0-23 * * *", "Australia/Lord_Howe", "2026-10-04 01:30:00", "2026-10-04T03:00:00+11:00 2026-10-04T04:00:00+11:00"},
		{"0 6 * * *", "America/New_York", "2026-03-07 12:00:00", "2026-03-08T06:00:00-04:00 2026-03-09T06:00:00-04:00"},
	}
	for _, tt := range tests {
		t.Run(tt.zone+" "+tt.from, func(t *testing.T) {
			s, err := cron.Parse(tt.expr)
			require.NoError(t, err)
			var got []string
			next := at(t, tt.from, tt.zone)
			for range strings.Fields(tt.want) {
				next = s.Next(next)
				got = append(got, next.Format(time.RFC3339))
			}
			assert.Equal(t, tt.want, strings.Join(got, " "))
		})
	}
}

func TestMistakes(t *testing.T) {
	tests := []struct{ expr, want string }{
		{"", "has 0 fields"},
		{"* * * *", "has 4 fields"},
		{"0 * * * * *", "has 6 fields; it is minute"},
		{"61 * * * *", `minute (0-59): end of range (61) above maximum (59): "61"`},
		{"* 25 * * *", "hour (0-23): end of range (25)"},
		{"* * 0 * *", "day of month (1-31): beginning of range (0) below minimum (1)"},
		{"* * * foo *", `month (1-12 or JAN-DEC): "foo": "foo" is neither a number nor a name`},
		{"* * * * 8", "day of week (0-7 or SUN-SAT): end of range (8)"},
		{"1,,2 * * * *", `minute (0-59): "1,,2": there is an empty place`},
		{", * * * *", "empty place"},
		{"*/60 * * * *", "step (60) must be less than range size (60)"},
		{"* * * * FRI-MON/4", `step (4) must be less than range size (4): "FRI-MON/4"`},
		{"* * * * FRI-MON/x", `"x" is neither a number nor a name`},
		{"* * * * FRI-8/2", "end of range (8) above maximum (7)"},
		{"*/0 * * * *", "step of range must be a positive number"},
		{"*-5 * * * *", "a range begins with a number"},
		{"* * L * *", "L, W and # are extensions"},
		{"* * 15W * *", "L, W and # are extensions"},
		{"* * * * 5#3", "L, W and # are extensions"},
		{"H * * * *", "L, W and # are extensions"},
		{"0 0 30 2 *", "never comes true: no month that it names has such a day (30 of 2)"},
		{"0 0 31 4,6,9,11 *", "never comes true"},
		{"@reboot", `"@reboot" is none of @yearly`},
		{"@every", `"@every" is none of`},
		{"@every soon", "not a duration of at least a second"},
		{"@every -1h", "not a duration of at least a second"},
		{"@every 10ms", "not a duration of at least a second"},
		{"TZ= * * * * *", "the time zone is empty"},
		{"TZ=Europe/Berlin", "has 0 fields"},
		{"CRON_TZ=Mars/Olympus * * * * *", `time zone "Mars/Olympus": unknown time zone`},
		{"TZ=../../etc/passwd * * * * *", "time zone"},
		{strings.Repeat("* ", 600), "has 1200 bytes; at most 1024"},
	}
	for _, tt := range tests {
		t.Run(tt.expr, func(t *testing.T) {
			s, err := cron.Parse(tt.expr)
			require.ErrorContains(t, err, tt.want)
			assert.ErrorContains(t, err, "cron expression ")
			assert.Nil(t, s)
		})
	}
}

// TestEveryMinute holds Next against a look at each minute of the days around
// the changes of clocks.
func TestEveryMinute(t *testing.T) {
	zones := map[string]string{ // and a day before such a change
		"Europe/Berlin": "2026-03-27 00:00:00", "America/New_York": "2026-10-30 00:00:00",
		"Australia/Lord_Howe": "2026-04-03 00:00:00", "America/Sao_Paulo": "2018-11-02 00:00:00",
		"Africa/Cairo": "2026-04-22 00:00:00", "America/Santiago": "2026-09-04 00:00:00",
		"Antarctica/Troll": "2026-03-27 00:00:00", "Asia/Kathmandu": "2026-01-01 00:00:00",
	}
	exprs := map[string]func(time.Time) bool{
		"*/7 * * * *":   func(t time.Time) bool { return t.Minute()%7 == 0 },
		"15 */3 * * *":  func(t time.Time) bool { return t.Minute() == 15 && t.Hour()%3 == 0 },
		"30 1,4 * * *":  func(t time.Time) bool { return t.Minute() == 30 && (t.Hour() == 1 || t.Hour() == 4) },
		"5 12 4 * SUN":  func(t time.Time) bool { return t.Minute() == 5 && t.Hour() == 12 && (t.Day() == 4 || t.Weekday() == 0) },
		"0 23 1-15 3 *": func(t time.Time) bool { return t.Minute() == 0 && t.Hour() == 23 && t.Day() < 16 && t.Month() == 3 },
	}
	for zone, day := range zones {
		for expr, matches := range exprs {
			t.Run(zone+" "+expr, func(t *testing.T) {
				s, err := cron.Parse(expr)
				require.NoError(t, err)
				begin := at(t, day, zone)
				end := begin.AddDate(0, 0, 10)
				var want, got []string
				for minute := begin.Add(time.Minute); minute.Before(end); minute = minute.Add(time.Minute) {
					if matches(minute) {
						want = append(want, minute.Format(time.RFC3339))
					}
				}
				for next := s.Next(begin); next.Before(end); next = s.Next(next) {
					_, before := next.Add(-time.Hour).Zone()
					if _, now := next.Zone(); now > before && !matches(next) {
						continue // a time that the clocks skip, made up for
					}
					got = append(got, next.Format(time.RFC3339))
				}
				assert.Equal(t, want, got)
			})
		}
	}
}
