package calendar

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hearken-go/hearken"
)

// Schedule says when a Source ticks. The schedules of cron libraries fit, those
// of package sources/calendar/cron among them.
type Schedule interface {
	// Next returns the first tick after t, or the zero time when there is none.
	// It is asked with t in Source.Location, by one goroutine at a time, and
	// answers the same whenever it is asked: restarts and replicas rely on it.
	Next(t time.Time) time.Time
}

// minInterval is the least Source.Interval.
const minInterval = time.Millisecond

// Source is a clock: it emits an event at each time of a schedule, or at each
// Interval. Fill in the fields before it is used and do not change them
// afterwards. One Source belongs to one event source of one pipeline.
type Source struct {
	// Schedule says when to tick. This or Interval is required, not both.
	Schedule Schedule

	// Interval is the time between two ticks, at least a millisecond. Ticks do
	// not drift: they are at Start and at whole multiples of Interval after it,
	// however late the one before was emitted, so that replicas and restarts
	// agree on them. It is elapsed time: a day of it is 24 hours on the days
	// too when clocks change; for "at six each morning" use a Schedule.
	Interval time.Duration

	// Start is the first tick of Interval. Zero: the zero time, which is a
	// Monday's midnight in UTC; so an hour is the full hour of UTC, and a week
	// begins on Monday.
	Start time.Time

	// Location is the time zone in which Schedule is asked, Exclude is asked,
	// and eventTime is written. Nil: UTC, not the machine's, on which replicas
	// might not agree.
	Location *time.Location

	// Exclude says which ticks are left out. It is asked when the tick is due,
	// with the tick in Location. The method Contains of package
	// sources/calendar/ical fits. Nil: none.
	Exclude func(tick time.Time) bool

	// CatchUp is how old a tick may be and still be emitted: ticks that were
	// missed while the process was down or suspended, or the bus full or away,
	// are emitted in order once it is possible, the older ones dropped. Over a
	// restart it needs a Store. Zero: missed ticks are dropped. Whatever it is,
	// the latest tick counts as missed only when it is two minutes late.
	CatchUp time.Duration

	// Metadata is added to the data of each event. Empty: the data has none.
	Metadata map[string]string

	now func() time.Time // the wall clock; nil: time.Now

	missed  atomic.Uint64
	running atomic.Bool
	began   time.Time // when Run was first called; Run's own, as are the others
	done    time.Time // ticks up to here are done with; zero: not known yet
	doubted time.Time // the latest of done that was too far ahead of the clock
}

// Missed returns how many ticks have been dropped because they were older than
// CatchUp, since the process began. Excluded ones do not count, nor does what is
// beyond a hundred thousand that are dropped at once. Drops are logged
// too. It may be called at any time.
func (s *Source) Missed() uint64 { return s.missed.Load() }

// Validate finds mistakes in the fields.
func (s *Source) Validate() error {
	var m hearken.Mistakes
	switch {
	case s.Schedule == nil && s.Interval == 0:
		m.Add("Schedule", "is nil, and Interval is zero; say by one of them when to tick")
	case s.Schedule != nil && s.Interval != 0:
		m.Add("Schedule", "is set, and so is Interval; leave one of them out")
	}
	m.Ask("Schedule", s.Schedule)
	if s.Interval != 0 && s.Interval < minInterval {
		m.Add("Interval", "is %v; the least is %v", s.Interval, minInterval)
	}
	if s.Interval == 0 && !s.Start.IsZero() {
		m.Add("Start", "is where Interval begins, which is zero")
	}
	if s.CatchUp < 0 {
		m.Add("CatchUp", "is %v; zero drops what was missed", s.CatchUp)
	}
	return m.Err()
}

// Run ticks until ctx ends, or the Schedule has no more ticks. Where it is
// called for the first time, with nothing in the Store, it begins with the first
// tick from then on; later it goes on after the last tick that is done with.
//
// An error means that the Store could not say which that is. A mistake that
// Validate finds, a Schedule that does not go forward, and a Source that
// already runs elsewhere are Permanent errors.
func (s *Source) Run(ctx context.Context, out hearken.Output) error {
	if err := s.Validate(); err != nil {
		return hearken.Permanent(err)
	}
	if !s.running.CompareAndSwap(false, true) {
		return hearken.Permanent(fmt.Errorf("calendar: the Source of %s runs already, for another event source: give each its own", out.Topic))
	}
	defer s.running.Store(false)
	r := &run{Source: s, out: out, last: &lastRun{store: out.Store, log: out.Logger}}
	if err := r.resume(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop before it began
		}
		return fmt.Errorf("calendar: the last run of %s is not known: %w", out.Topic, err)
	}
	r.recorder = newRecorder(ctx, r.last)
	defer r.recorder.stop()
	return r.tick(ctx)
}

func (s *Source) wall() time.Time {
	now := time.Now
	if s.now != nil {
		now = s.now
	}
	return now().Round(0).In(s.location()) // the wall clock, not the monotonic one
}

func (s *Source) location() *time.Location {
	if s.Location == nil {
		return time.UTC
	}
	return s.Location
}

// next returns the first tick after t, excluded or not, or the zero time.
func (s *Source) next(t time.Time) (time.Time, error) {
	if s.Schedule == nil {
		return s.multiple(t).In(s.location()), nil
	}
	tick := s.Schedule.Next(t.In(s.location()))
	if tick.IsZero() {
		return time.Time{}, nil
	}
	tick = tick.Round(0).In(s.location())
	if !tick.After(t) {
		return time.Time{}, hearken.Permanent(fmt.Errorf("calendar: the Schedule does not go forward: its Next(%v) is %v", t, tick))
	}
	return tick, nil
}

// multiple returns the first time after t that is Start or a multiple of
// Interval after it. It takes no difference to Start, which may be further away
// than a Duration can say.
func (s *Source) multiple(t time.Time) time.Time {
	if t.Before(s.Start) {
		return s.Start.Round(0)
	}
	phase := s.Start.Sub(s.Start.Truncate(s.Interval))
	return t.Add(-phase).Truncate(s.Interval).Add(s.Interval).Add(phase)
}
