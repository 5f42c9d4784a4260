package cron

import (
	"time"

	parser "github.com/netresearch/go-cron"
)

// clock finds the times of a schedule in a time zone. The library's own search
// leaves out a whole day where the clocks change at midnight, as in Cairo, or by
// half an hour, as on Lord Howe Island.
//
// Between two changes of the clocks local time is UTC and a constant offset. So
// the schedule is asked in UTC, of what the clock on the wall shows.
type clock struct{ spec *parser.SpecSchedule }

// everyHour are the bits of a field of hours that names all of them: *, 0-23.
const everyHour = 1<<24 - 1

// spans is how many spans between changes of the clocks are looked through: in
// searchYears there are two a year, and in the worst of zones four.
const spans = 5 * searchYears

// Next returns the first time after t, or zero if there is none in searchYears.
func (c clock) Next(t time.Time) time.Time {
	after := t
	for range spans {
		start, end := t.ZoneBounds()
		_, offset := t.Zone()
		next := c.within(after, offset)
		if !end.IsZero() && !next.Before(end) {
			next = time.Time{}
		}
		if late := c.skipped(after, start, offset); next.IsZero() || !late.IsZero() && late.Before(next) {
			next = late
		}
		if !next.IsZero() || end.IsZero() {
			return next
		}
		t, after = end, end.Add(-1)
	}
	return time.Time{}
}

// within returns the first time after t, as if clocks had always the given
// offset from UTC, in seconds.
func (c clock) within(t time.Time, offset int) time.Time {
	shift := time.Duration(offset) * time.Second
	next := c.spec.Next(t.UTC().Add(shift))
	if next.IsZero() {
		return next
	}
	return next.Add(-shift)
}

// skipped returns the first time after t at which comes true, late, what the
// clocks leapt over when they were put forward at start, to the given offset.
// What comes true every hour has no need of it.
func (c clock) skipped(t, start time.Time, offset int) time.Time {
	if start.IsZero() || c.spec.Hour&everyHour == everyHour {
		return time.Time{}
	}
	before := start.Add(-1)
	_, old := before.Zone()
	if t.Before(before) {
		t = before
	}
	late := c.within(t, old)
	if late.Sub(start) >= time.Duration(offset-old)*time.Second {
		return time.Time{}
	}
	return late
}
