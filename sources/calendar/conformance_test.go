package calendar_test

import (
	"context"
	"testing"
	"time"

	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/sources/calendar"
	"github.com/hearken-go/hearken/sources/sourcetest"
)

// TestSourceKeepsTheContract has an hour between ticks, of which the kit waits
// for half a minute at most: so no tick comes but by Produce.
func TestSourceKeepsTheContract(t *testing.T) {
	nextHour := func(context.Context, int) error { //nolint:unparam // a clock does not fail
		time.Sleep(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)))
		return nil
	}
	for name, made := range map[string]func() sourcetest.Upstream{
		"interval": func() sourcetest.Upstream {
			return sourcetest.Upstream{Source: &calendar.Source{Interval: time.Hour}}
		},
		"interval with a Store": func() sourcetest.Upstream {
			return sourcetest.Upstream{Source: &calendar.Source{Interval: time.Hour, CatchUp: time.Hour}, Store: &memory.Store{}}
		},
		"schedule": func() sourcetest.Upstream {
			hourly := scheduleFunc(func(t time.Time) time.Time { return t.Truncate(time.Hour).Add(time.Hour) })
			return sourcetest.Upstream{Source: &calendar.Source{Schedule: hourly}, Store: &memory.Store{}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, sourcetest.Harness{Bubble: true, New: func(testing.TB) sourcetest.Upstream {
				u := made()
				u.Produce = nextHour
				return u
			}})
		})
	}
}
