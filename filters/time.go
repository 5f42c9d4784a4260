package filters

import (
	"context"
	"fmt"
	"time"

	"github.com/hearken-go/hearken"
)

// TimeOfDay matches an event whose time attribute lies between two times of day
// in a time zone; nil means UTC. It includes start and excludes stop. A stop
// before start is on the next day:
//
//	filters.TimeOfDay("22:00", "06:00", berlin)
//
// Both are given as HH:MM or HH:MM:SS; they may not be equal. What counts is
// what a clock on the wall shows at that moment, so on the day that summer time
// begins or ends the window is as much shorter or longer as the day is. An event
// without a time does not match.
func TimeOfDay(start, stop string, in *time.Location) hearken.Filter {
	t := &timeFilter{text: fmt.Sprintf("TimeOfDay(%q, %q)", start, stop), in: in}
	if in == nil {
		t.in = time.UTC
	}
	t.start, t.stop = t.second(start), t.second(stop)
	if len(t.mistakes) == 0 && t.start == t.stop {
		t.mistakes = append(t.mistakes, "start and stop are equal")
	}
	return t
}

type timeFilter struct {
	text        string
	start, stop int // seconds of the day
	in          *time.Location
	mistakes
}

// second parses a time of day; what is none is a mistake.
func (t *timeFilter) second(s string) int {
	for _, layout := range [...]string{"15:04", "15:04:05"} {
		if clock, err := time.Parse(layout, s); err == nil && clock.Nanosecond() == 0 {
			return secondOf(clock)
		}
	}
	t.mistakes = append(t.mistakes, fmt.Sprintf("%q is no time of day: HH:MM or HH:MM:SS, from 00:00 to 23:59:59, is", s))
	return 0
}

func secondOf(t time.Time) int {
	h, m, s := t.Clock()
	return h*3600 + m*60 + s
}

// Match implements hearken.Filter.
func (t *timeFilter) Match(_ context.Context, e hearken.Event) (bool, error) {
	if len(t.mistakes) > 0 {
		return false, t.Validate()
	}
	at := e.Time()
	if at.IsZero() {
		return false, nil
	}
	s := secondOf(at.In(t.in))
	if t.start < t.stop {
		return t.start <= s && s < t.stop, nil
	}
	return t.start <= s || s < t.stop, nil
}

// Validate implements hearken.Validator.
func (t *timeFilter) Validate() error { return t.at(t.text) }

// Explain says what time of day it was and what was wanted.
func (t *timeFilter) Explain(e hearken.Event) string { return explain(t, e) }

func (t *timeFilter) describe(e hearken.Event) (found, wanted string) {
	if e.Time().IsZero() {
		return "time is absent", t.text
	}
	return fmt.Sprintf("time is %s %s", e.Time().In(t.in).Format(time.TimeOnly), t.in), t.text
}
