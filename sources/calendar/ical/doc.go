// Package ical reads dates as calendars write them (RFC 5545), for what a
// calendar.Source leaves out.
//
//	holidays, err := ical.Parse(
//		"EXDATE:20261224,20261231",
//		"RRULE:FREQ=WEEKLY;BYDAY=SA,SU",
//		"RRULE:FREQ=YEARLY;BYEASTER=1", // Easter Monday
//	)
//	...
//	source := &calendar.Source{Schedule: nightly, Exclude: holidays.Contains}
//
// Dates only: of 20261224T180000Z the date counts as it is written, whatever the
// time and zone behind it, and it excludes all ticks of that date in the time
// zone of the source. That is what Argo Events makes of its exclusionDates. (A
// date-time in UTC from a calendar of another zone may be written with another
// date than is meant: have it written with a TZID, or as a date.)
//
// # Lines
//
//   - EXDATE: a list of dates. VALUE and TZID may be given.
//   - RRULE: a rule that is DAILY, WEEKLY, MONTHLY or YEARLY. There may be 50.
//   - DTSTART: where the rules after it begin. One that counts from its start, by
//     COUNT or INTERVAL, or takes its day from there, needs it. Without it a rule
//     begins in 1970.
//
// BYHOUR, BYMINUTE and BYSECOND are errors, as are smaller frequencies, rules
// with no date at all, and other lines. BYEASTER, the days since Easter Sunday, is
// an extension.
//
// The work is bounded whatever the rules say: each is gone through once, from its
// start to the latest date that was asked for, and one that has no more dates
// takes a fraction of a second to find that out.
//
// [github.com/teambition/rrule-go] expands the rules. It has no dependencies.
package ical
