package ical_test

import (
	"testing"
	"time"

	"github.com/hearken-go/hearken/sources/calendar/ical"
)

// FuzzParse proves that no line makes Parse or Contains panic, take long, or
// answer one thing now and another later.
func FuzzParse(f *testing.F) {
	for _, line := range []string{
		"EXDATE:20261224,20261231T180000Z", "EXDATE;TZID=Europe/Berlin:20261224T180000",
		"RRULE:FREQ=WEEKLY;BYDAY=SA,SU;WKST=SU", "RRULE:FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO", "RRULE:FREQ=YEARLY;BYEASTER=-2,1",
		"DTSTART:20260105\nRRULE:FREQ=DAILY;INTERVAL=9999;COUNT=99999", "RRULE:FREQ=MONTHLY;BYDAY=-1FR;BYSETPOS=-1;UNTIL=20300101",
		"DTSTART:20240229\nRRULE:FREQ=YEARLY", "RRULE:FREQ=MONTHLY;BYDAY=5FR;BYSETPOS=2",
		"DTSTART:20260201\nRRULE:FREQ=MONTHLY;BYDAY=1MO,-6MO", "RRULE:FREQ=YEARLY;BYMONTH=1,12;BYDAY=-5MO,5MO", "RRULE:FREQ=YEARLY;BYYEARDAY=-366",
	} {
		f.Add(line, uint16(20_500), uint16(9))
	}
	f.Fuzz(func(t *testing.T, line string, first, second uint16) {
		begin := time.Now()
		d, err := ical.Parse(line)
		if err != nil {
			return
		}
		days := []time.Time{time.Unix(int64(first)*86_400, 0).UTC(), time.Unix(int64(second)*86_400, 0).UTC()}
		before := []bool{d.Contains(days[0]), d.Contains(days[1])}
		d.Contains(time.Date(2150, 1, 1, 0, 0, 0, 0, time.UTC))
		for i, day := range days {
			if d.Contains(day) != before[i] {
				t.Fatalf("%q: contains %v: first %v, then not", line, day, before[i])
			}
		}
		if took := time.Since(begin); took > 20*time.Second {
			t.Fatalf("%q took %v", line, took)
		}
	})
}
