package cron_test

import (
	"fmt"
	"time"

	"github.com/hearken-go/hearken/sources/calendar"
	"github.com/hearken-go/hearken/sources/calendar/cron"
)

func ExampleParse() {
	nightly, err := cron.Parse("30 2 * * MON-FRI")
	if err != nil {
		fmt.Println(err)
		return
	}
	friday := time.Date(2026, 2, 27, 12, 0, 0, 0, time.UTC)
	fmt.Println(nightly.Next(friday).Format(time.RFC1123))

	source := &calendar.Source{Schedule: nightly, CatchUp: 24 * time.Hour}
	fmt.Println(source.Validate())
	// Output:
	// Mon, 02 Mar 2026 02:30:00 UTC
	// <nil>
}

func ExampleParse_mistake() {
	_, err := cron.Parse("30 25 * * *")
	fmt.Println(err)
	// Output: cron expression "30 25 * * *": hour (0-23): end of range (25) above maximum (23): "25"
}

func ExampleParser() {
	parser := cron.Parser{Seconds: true, Location: time.FixedZone("CET", 3600)}
	s, err := parser.Parse("15 0 8 * * *")
	fmt.Println(s.Next(time.Date(2026, 2, 27, 12, 0, 0, 0, time.UTC)), err)
	// Output: 2026-02-28 07:00:15 +0000 UTC <nil>
}
