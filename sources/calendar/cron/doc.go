// Package cron parses cron expressions into schedules for a calendar.Source, or
// for the Reset of a join.
//
//	nightly, err := cron.Parse("30 2 * * MON-FRI")
//
// An expression is five fields: minute, hour, day of month, month and day of
// week; six with [Parser].Seconds. A field is *, a number, a name (JAN, MON), a
// range, a list, or a step (*/15, 8-18/2). Its meaning is that of robfig/cron,
// which Argo Events uses:
//
//   - when both day of month and day of week are restricted, a day that is
//     either will do;
//   - ? is *; 0 and 7 are Sunday; names may be in lower case;
//   - @yearly, @annually, @monthly, @weekly, @daily, @midnight and @hourly stand
//     for five fields, and @every 1h30m for an interval;
//   - TZ=Europe/Berlin or CRON_TZ=Europe/Berlin before all of it is the time zone.
//
// It differs where replicas or readers would be misled: an @every counts from a
// fixed time rather than from the start of the process; a range may wrap around
// (22-2, FRI-MON); a step as large as its range (*/60) and what never comes true
// (February 30) are errors.
//
// # Daylight saving time
//
// A time of day that the clocks leap over comes true as much later as they leap:
// 30 2 * * * at 3:30, and 0 0 * * * at 1:00 where there is no midnight. What
// comes true every hour has no need of that and keeps to the clock. A time that
// is repeated comes true both times. What must run once a day is best at an hour
// that is neither, or in UTC.
//
// [github.com/netresearch/go-cron] parses the fields. It has no dependencies.
package cron
