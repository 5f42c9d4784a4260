package calendar_test

import (
	"context"
	"fmt"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/sources/calendar"
	"github.com/hearken-go/hearken/sources/sourcetest"
)

// noon is a schedule. Those of cron libraries fit too: see package
// sources/calendar/cron.
type noon struct{}

func (noon) Next(t time.Time) time.Time {
	next := time.Date(t.Year(), t.Month(), t.Day(), 12, 0, 0, 0, t.Location())
	if !next.After(t) {
		next = next.AddDate(0, 0, 1)
	}
	return next
}

// A Source ticks by a schedule in a time zone, but not at weekends, and makes
// up for what was missed in the last two days.
func ExampleSource() {
	source := &calendar.Source{
		Schedule: noon{},
		Location: time.FixedZone("CET", 3600),
		Exclude: func(tick time.Time) bool {
			return tick.Weekday() == time.Saturday || tick.Weekday() == time.Sunday
		},
		CatchUp:  48 * time.Hour,
		Metadata: map[string]string{"meal": "lunch"},
	}
	lunch := &hearken.EventSource{Name: "canteen", Event: "lunch", Source: source}
	p := &hearken.Pipeline{
		Name:         "canteen",
		Bus:          &memory.Bus{},
		EventSources: []*hearken.EventSource{lunch},
	}
	fmt.Println(p.Validate())
	// Output: <nil>
}

// Here a Recorder stands in for the pipeline behind a Source.
func ExampleSource_interval() {
	rec := &sourcetest.Recorder{}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	source := &calendar.Source{Interval: 2 * time.Millisecond}
	go func() { ended <- source.Run(ctx, rec.Output()) }()

	events, err := rec.Wait(ctx, 3)
	cancel()
	fmt.Println(<-ended, err)
	fmt.Println(events[0].Type(), events[2].Time().Sub(events[0].Time()) >= 4*time.Millisecond)
	// Output:
	// <nil> <nil>
	// calendar true
}
