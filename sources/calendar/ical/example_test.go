package ical_test

import (
	"fmt"
	"time"

	"github.com/hearken-go/hearken/sources/calendar"
	"github.com/hearken-go/hearken/sources/calendar/ical"
)

func ExampleParse() {
	holidays, err := ical.Parse("EXDATE:20261224,20261231", "RRULE:FREQ=WEEKLY;BYDAY=SA,SU")
	if err != nil {
		fmt.Println(err)
		return
	}
	for day := 24; day <= 28; day++ {
		fmt.Println(day, holidays.Contains(time.Date(2026, 12, day, 8, 30, 0, 0, time.UTC)))
	}
	source := &calendar.Source{Interval: time.Hour, Exclude: holidays.Contains}
	fmt.Println(source.Validate())
	// Output:
	// 24 true
	// 25 false
	// 26 true
	// 27 true
	// 28 false
	// <nil>
}
