// Package calendar makes events of the time: at the times of a schedule, or at
// an interval.
//
//	nightly, err := cron.Parse("30 2 * * *") // package sources/calendar/cron
//	...
//	backup := &hearken.EventSource{Name: "backup", Event: "nightly", Source: &calendar.Source{
//		Schedule: nightly,
//		Location: berlin,
//		CatchUp:  24 * time.Hour,
//	}}
//
// Each time is a tick, and each tick an event of type "calendar" whose data is
//
//	{"eventTime": "2026-03-29T03:30:00+02:00", "metadata": {...}}
//
// with the scheduled time in RFC 3339, in Source.Location, however late the
// event is emitted. That is also its time, and in UTC its id: so when several
// processes run the same source, each emits every tick, and the bus keeps one
// event. That holds for replicas whose clocks agree within the bus's dedupe
// window.
//
// # What is missed
//
// A tick that the bus does not take is emitted again, with growing pauses, until
// it does; later ticks wait behind it. With a Store, which a pipeline's bus
// brings or Pipeline.Store is, a source remembers up to when ticks are done
// with, and after a restart goes on from there; the first time, it begins with
// the first tick to come. Of the ticks that were missed because the process was
// down or suspended, or the bus away, those not older than Source.CatchUp are
// emitted, in order. The others are dropped, counted by [Source.Missed] and
// logged. The latest one has a grace of two minutes, so that neither a rolling
// deploy nor a busy machine costs the one tick of a day.
//
// A process that is killed after it emitted a tick and before the Store knew
// emits it again when it is back, with the same id. So it does when the Store is
// away while ticks are emitted, which does not hold them up.
//
// # Clocks
//
// Ticks follow the wall clock. It is looked at once a minute at least, so a
// clock that is set, or a machine that wakes up, is noticed: what a jump forward
// leaps over was missed, as above; after a jump back nothing is emitted until
// the clock has come to where it was. When that is more than a day away, the
// clock had been wrong before, and the source begins anew at the present. If it
// is wrong now, as on a machine that starts in 1970, the source goes on from
// where it was once the clock is set.
//
// An Interval knows no daylight saving time. What a time of day means that an
// offset change skips or repeats is the schedule's to say; a tick of the repeated
// hour has its own id, made of its time in UTC.
package calendar
