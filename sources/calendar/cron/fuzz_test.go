package cron_test

import (
	"testing"
	"time"

	"github.com/hearken-go/hearken/sources/calendar/cron"
)

// FuzzParse proves that what is parsed goes forward, in its own terms, within
// the time that it has.
func FuzzParse(f *testing.F) {
	for _, expr := range []string{
		"* * * * *", "*/5 1-3,5 1,15 JAN-MAR MON", "0 0 29 2 *", "TZ=Europe/Berlin 30 2 * * *", "@daily", "@every 90s",
		"0 0 30 2 *", "22-2 * * * 7", "CRON_TZ=Local @hourly", "1,,2 * * * *", "59 59 23 31 12 0", "* * 29-31 2 *",
	} {
		f.Add(expr, true, int64(1_774_742_399))
		f.Add(expr, false, int64(0))
	}
	f.Fuzz(func(t *testing.T, expr string, seconds bool, unix int64) {
		begin := time.Now()
		s, err := cron.Parser{Seconds: seconds}.Parse(expr)
		if err != nil {
			if s != nil {
				t.Fatalf("%q: both a schedule and %v", expr, err)
			}
			return
		}
		from := time.Unix(unix%8_000_000_000, 0).UTC()
		for range 3 {
			next := s.Next(from)
			if !next.After(from) || next.IsZero() {
				t.Fatalf("%q: after %v comes %v", expr, from, next)
			}
			if between := s.Next(from.Add(next.Sub(from) / 2)); next.Sub(from) < 290*365*24*time.Hour && !between.Equal(next) {
				t.Fatalf("%q: after %v comes %v, but half way there %v", expr, from, next, between)
			}
			from = next
		}
		if took := time.Since(begin); took > 20*time.Second {
			t.Fatalf("%q took %v", expr, took)
		}
	})
}
