package crashtest_test

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/natsbus"
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
	// A machine that stands still for a while is no dead member, whose ticks would
	// be fired again.
	b, err := embedded.OpenWith(t.Context(), embedded.Config{Dir: t.TempDir()}, natsbus.Config{AckWait: 30 * time.Second})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, b.Close(context.Background())) })

	var mu sync.Mutex
	seen := map[time.Time]int{}
	all, enough := context.WithCancel(t.Context())
	count := func(_ context.Context, f hearken.Firing) error {
		at, err := time.Parse(time.RFC3339Nano, f.Events["tick"].ID())
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		// A tick that another replica or worker has may be later than its next.
		if seen[at]++; len(seen) >= ticks && gapless(seen, interval) {
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
	case <-time.After(time.Minute):
		mu.Lock()
		t.Errorf("the clock stood still, or a tick is missing: %v", slices.SortedFunc(maps.Keys(seen), time.Time.Compare))
		mu.Unlock()
	}
	for _, stop := range stops {
		stop()
	}
	for at, n := range seen {
		assert.Equal(t, 1, n, "tick %v", at)
	}
}

// gapless reports whether seen has each tick from its first to its last.
func gapless(seen map[time.Time]int, interval time.Duration) bool {
	ticks := slices.Collect(maps.Keys(seen))
	first, last := slices.MinFunc(ticks, time.Time.Compare), slices.MaxFunc(ticks, time.Time.Compare)
	return last.Sub(first) == time.Duration(len(ticks)-1)*interval
}
