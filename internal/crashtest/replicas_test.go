package crashtest_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
	"github.com/hearken-go/hearken/sources/calendar"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each of three replicas has the clock; the bus takes each tick once, and one of
// the replicas fires on it. One is stopped and another started meanwhile.
func TestReplicasOfACalendarPublishEachTickOnce(t *testing.T) {
	t.Parallel()
	const interval, ticks = 100 * time.Millisecond, 20
	b, err := embedded.Open(t.Context(), embedded.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, b.Close(context.Background())) })

	var mu sync.Mutex
	seen := map[string]int{}
	all, enough := context.WithCancel(t.Context())
	count := func(_ context.Context, f hearken.Firing) error {
		mu.Lock()
		defer mu.Unlock()
		if seen[f.Events["tick"].ID()]++; len(seen) == ticks {
			enough()
		}
		return nil
	}
	start := func() (stop func()) {
		clock := &hearken.EventSource{Name: "clock", Event: "tick", Source: &calendar.Source{Interval: interval, CatchUp: time.Minute}}
		p := &hearken.Pipeline{
			Name: "replicas", Bus: b, EventSources: []*hearken.EventSource{clock}, Logger: slog.New(slog.DiscardHandler),
			Sensors: []hearken.Sensor{{Name: "count", Actions: []hearken.Action{{
				When: &hearken.Dependency{EventSource: clock}, Trigger: hearken.TriggerFunc(count),
			}}}},
		}
		ctx, cancel := context.WithCancel(context.Background())
		var run sync.WaitGroup
		run.Go(func() { assert.NoError(t, p.Run(ctx)) })
		return func() { cancel(); run.Wait() }
	}
	stops := []func(){start(), start(), start()}
	stops[0]()
	stops = append(stops[1:], start())
	select {
	case <-all.Done():
	case <-time.After(30 * time.Second):
		t.Error("the clock stood still")
	}
	for _, stop := range stops {
		stop()
	}

	var first, last time.Time
	for id, n := range seen {
		at, err := time.Parse(time.RFC3339Nano, id)
		require.NoError(t, err)
		assert.Equal(t, 1, n, "tick %s", id)
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	assert.Equal(t, len(seen)-1, int(last.Sub(first)/interval), "each tick is there")
}
