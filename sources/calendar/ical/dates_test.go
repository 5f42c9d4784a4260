package ical_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata" // the tests read no zone of the machine

	"github.com/hearken-go/hearken/sources/calendar"
	"github.com/hearken-go/hearken/sources/calendar/ical"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var _ = calendar.Source{Exclude: (&ical.Dates{}).Contains}

func date(t testing.TB, text string) time.Time {
	when, err := time.Parse("2006-01-02", text)
	require.NoError(t, err)
	return when.Add(12 * time.Hour)
}

func TestContains(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		in    string
		out   string
	}{
		{"dates", []string{"EXDATE:20261224,20261231T235959Z", "exdate;value=date:20270101"}, "2026-12-24 2026-12-31 2027-01-01", "2026-12-23 2026-12-25"},
		{"with a zone", []string{"EXDATE;TZID=America/New_York:20261224T230000"}, "2026-12-24", "2026-12-25"},
		{"with a zone in quotes", []string{`EXDATE;TZID="(UTC-05:00; New York)";VALUE=DATE-TIME:20261224T230000`}, "2026-12-24", "2026-12-25"},
		{"nothing", nil, "", "2026-12-24"},
		{"weekends", []string{"RRULE:FREQ=WEEKLY;BYDAY=SA,SU"}, "2026-02-28 2026-03-01 1999-01-02", "2026-02-27 1969-12-27"},
		{"first Monday", []string{"RRULE:FREQ=MONTHLY;BYDAY=1MO"}, "2026-03-02 2026-04-06", "2026-03-09"},
		{"Sundays and the last Friday of a month", []string{"RRULE:FREQ=MONTHLY;BYDAY=SU,-1FR"}, "2026-03-01 2026-03-27 2026-03-29", "2026-03-06 2026-03-28"},
		{"Sundays and the first Monday of a year", []string{"RRULE:FREQ=YEARLY;BYDAY=1MO,SU,SU"}, "2026-01-05 2026-01-04 2026-12-27", "2026-01-12 2026-12-28"},
		{"last workday", []string{"RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"}, "2026-02-27 2026-03-31", "2026-02-28 2026-03-30"},
		{"Christmas", []string{"RRULE:FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24,25,26"}, "2026-12-24 2040-12-26", "2026-11-24 2026-12-27"},
		{"Easter Monday", []string{"RRULE:FREQ=YEARLY;BYEASTER=1"}, "2026-04-06 2027-03-29", "2026-04-05"},
		{"until", []string{"RRULE:FREQ=DAILY;UNTIL=20260301T000000Z"}, "2026-02-28 2026-03-01", "2026-03-02"},
		{"every other week", []string{"DTSTART:20260105T090000Z", "RRULE:FREQ=WEEKLY;INTERVAL=2"}, "2026-01-05 2026-01-19", "2026-01-12 2026-01-06 2025-12-22"},
		{"ten times", []string{"DTSTART;VALUE=DATE:20260105", "RRULE:FREQ=DAILY;COUNT=10"}, "2026-01-05 2026-01-14", "2026-01-15"},
		{"yearly from its start", []string{"DTSTART:20260214", "RRULE:FREQ=YEARLY"}, "2026-02-14 2031-02-14", "2025-02-14"},
		{"a file", []string{"DTSTART:20260105\r\nRRULE:FREQ=WEEK\r\n LY\r\n\r\nEXDATE:20260303\r\n"}, "2026-01-12 2026-03-03", "2026-01-13"},
		{"lower case", []string{"rrule:freq=weekly;byday=sa;"}, "2026-02-28", "2026-03-01"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := ical.Parse(tt.lines...)
			require.NoError(t, err)
			for range 2 { // first with later dates to come, then with all gone through
				for _, day := range strings.Fields(tt.in) {
					assert.True(t, d.Contains(date(t, day)), day)
				}
				for _, day := range strings.Fields(tt.out) {
					assert.False(t, d.Contains(date(t, day)), day)
				}
			}
		})
	}
}

// The date counts in the location of the tick.
func TestContainsInLocation(t *testing.T) {
	d, err := ical.Parse("EXDATE:20261225T000000Z")
	require.NoError(t, err)
	newYork, err := time.LoadLocation("America/New_York")
	require.NoError(t, err)
	assert.True(t, d.Contains(time.Date(2026, 12, 25, 23, 0, 0, 0, newYork)))
	assert.False(t, d.Contains(time.Date(2026, 12, 24, 23, 0, 0, 0, newYork)))
}

func TestContainsConcurrently(t *testing.T) {
	d, err := ical.Parse("RRULE:FREQ=WEEKLY;BYDAY=SA,SU", "EXDATE:20260303")
	require.NoError(t, err)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for day := range 1000 {
				when := date(t, "2026-01-01").AddDate(0, 0, (day*7919+i)%1000)
				weekend := when.Weekday() == time.Saturday || when.Weekday() == time.Sunday
				assert.Equal(t, weekend || when.Format("20060102") == "20260303", d.Contains(when), when)
			}
		})
	}
	wg.Wait()
}

func TestMistakes(t *testing.T) {
	many := strings.Repeat("RRULE:FREQ=DAILY\n", 51)
	tests := []struct{ line, want string }{
		{"20261224", "is no EXDATE:..., RRULE:... or DTSTART:... line"},
		{"RDATE:20261224", "RDATE is not understood"},
		{"EXDATE:20261324", `"20261324" is no date`},
		{"EXDATE:20261224,", `"" is no date`},
		{"EXDATE:2026-12-24", `"2026-12-24" is no date`},
		{"EXDATE;VALUE=PERIOD:20261224", "parameter VALUE=PERIOD is not understood"},
		{`EXDATE;TZID="(UTC:20261224`, "is no EXDATE:..."},
		{`EXDATE;TZID="a;b";X=1:20261224`, "parameter X=1 is not understood"},
		{"DTSTART:soon", `"SOON" is no date`},
		{"DTSTART:18000101\nRRULE:FREQ=DAILY", "DTSTART is in the year 1800; 1900 to 2200"},
		{"RRULE:", "not of the form"},
		{"RRULE:BYDAY=SA", "has no FREQ"},
		{"RRULE:FREQ=HOURLY", "FREQ=HOURLY: whole days are excluded"},
		{"RRULE:FREQ=DAILY;BYHOUR=3", "BYHOUR is not understood: whole days"},
		{"RRULE:FREQ=DAILY;FREQ=DAILY", "FREQ stands there twice"},
		{"RRULE:FREQ=DAILY;INTERVAL=0", "INTERVAL=0 is not a number from 1 to 10000"},
		{"RRULE:FREQ=DAILY;COUNT=x", "COUNT=X is not a number"},
		{"RRULE:FREQ=DAILY;INTERVAL=2", "needs a DTSTART:... line before it: INTERVAL"},
		{"RRULE:FREQ=DAILY;COUNT=2", "needs a DTSTART:... line before it: COUNT"},
		{"RRULE:FREQ=WEEKLY", "needs a DTSTART:... line before it: nothing else says which day"},
		{"RRULE:FREQ=YEARLY;BYMONTH=2", "needs a DTSTART"},
		{"DTSTART:20260101\nRRULE:FREQ=DAILY;COUNT=2;UNTIL=20270101", "both COUNT and UNTIL"},
		{"RRULE:FREQ=DAILY;UNTIL=never", "UNTIL: "},
		{"RRULE:FREQ=WEEKLY;BYDAY=2MO", "numbers weekdays"},
		{"RRULE:FREQ=WEEKLY;BYDAY=XX", "undefined weekday"},
		{"RRULE:FREQ=MONTHLY;BYDAY=99MO", "byday must be between"},
		{"RRULE:FREQ=MONTHLY;BYDAY=6MO", "byday must be between 1 and 5 or -1 and -5: no month"},
		{"DTSTART:20260201\nRRULE:FREQ=MONTHLY;BYDAY=1MO,-6MO", "no month has more"},
		{"RRULE:FREQ=YEARLY;BYMONTH=1;BYDAY=-6MO", "no month has more"},
		{"RRULE:FREQ=YEARLY;BYDAY=54MO", "no year has more"},
		{"RRULE:FREQ=MONTHLY;BYMONTHDAY=32", "bymonthday must be between"},
		{"RRULE:FREQ=MONTHLY;BYMONTHDAY=1,0", "BYMONTHDAY=0 means nothing"},
		{"RRULE:FREQ=YEARLY;BYEASTER=9999", "BYEASTER=9999 is not a number"},
		{"RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "has no date"},
		{"RRULE:FREQ=DAILY;UNTIL=19000101", "has no date"},
		{"RRULE:FREQ=YEARLY;BYYEARDAY=1" + strings.Repeat(",1", 400), "lists more than 366"},
		{"RRULE:" + strings.Repeat("x", 70_000), "bytes; at most"},
		{many, "there are 51 RRULEs; at most 50"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%.60s", tt.line), func(t *testing.T) {
			d, err := ical.Parse(tt.line)
			require.ErrorContains(t, err, tt.want)
			assert.Nil(t, d)
		})
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := ical.Parse("EXDATE:x", "RRULE:FREQ=DAILY", "RRULE:FREQ=y")
	assert.EqualError(t, err, `"EXDATE:x": "X" is no date; write one as 20261224, 20261224T180000 or 20261224T180000Z
"RRULE:FREQ=y": FREQ=Y: whole days are excluded; DAILY, WEEKLY, MONTHLY or YEARLY will do`)
}
