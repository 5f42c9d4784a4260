package calendar_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/sources/calendar"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/hearken-go/hearken/triggers/triggertest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pipeline runs s, on b, with a sensor that fires for each tick. The function
// that it returns ends that.
func pipeline(t *testing.T, b bus.Bus, store bus.Store, s *calendar.Source, fired *triggertest.Recorder) (stop func()) {
	t.Helper()
	ticks := &hearken.EventSource{Name: "clock", Event: "hour", Source: s}
	p := &hearken.Pipeline{
		Name: "replicas", Bus: b, Store: store, Logger: slog.New(slog.DiscardHandler),
		EventSources: []*hearken.EventSource{ticks},
		Sensors: []hearken.Sensor{{Name: "count", Actions: []hearken.Action{{
			When: &hearken.Dependency{EventSource: ticks}, Trigger: fired,
		}}}},
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	synctest.Wait()
	return func() {
		cancel()
		assert.NoError(t, <-ended)
	}
}

// ticks returns the ids of the events that fired.
func ticks(fired *triggertest.Recorder) []string {
	var events []hearken.Event
	for _, f := range fired.Firings() {
		for _, e := range f.Events {
			events = append(events, e)
		}
	}
	return ids(events)
}

func TestReplicasEmitOneEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, fired := &memory.Bus{}, &triggertest.Recorder{}
		berlin := zone(t, "Europe/Berlin")
		first := pipeline(t, b, nil, &calendar.Source{Interval: time.Hour}, fired)
		time.Sleep(20 * time.Minute) // replicas do not start at once
		second := pipeline(t, b, nil, &calendar.Source{Interval: time.Hour, Location: berlin}, fired)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		assert.Equal(t, hours(midnight.Add(time.Hour), 24), ticks(fired))

		first()
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, hours(midnight.Add(time.Hour), 25), ticks(fired))
		second()
	})
}

// A replica that was suspended leaves to the Store what the other has emitted,
// though the bus has long forgotten it.
func TestReplicaThatFellBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, fired := &memory.Bus{}, &triggertest.Recorder{}
		slept, clock := hourly(24 * time.Hour)
		clock.jump(-5*time.Hour - 30*time.Minute)
		first := pipeline(t, b, nil, slept, fired)
		second := pipeline(t, b, nil, &calendar.Source{Interval: time.Hour}, fired)
		time.Sleep(5*time.Hour + 10*time.Minute)
		clock.jump(5*time.Hour + 30*time.Minute) // it wakes up
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, uint64(0), slept.Missed())
		seen := map[string]int{}
		for _, id := range ticks(fired) {
			if id > "2000-01-01" {
				seen[id]++
			}
		}
		for _, id := range hours(midnight.Add(time.Hour), 6) {
			assert.Equal(t, 1, seen[id], id)
		}
		first()
		second()
	})
}

// A process dies after Emit and before the Store knows. What it emits again when
// it is back is the same event.
func TestCrashBeforeTheStoreKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, fired := &memory.Bus{}, &triggertest.Recorder{}
		store := &faultyStore{Store: &memory.Store{}}
		crashed := pipeline(t, b, store, &calendar.Source{Interval: time.Hour, CatchUp: time.Hour}, fired)
		store.fail(nil, errAway)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, hours(midnight.Add(time.Hour), 1), ticks(fired))
		crashed()

		store.fail(nil, nil)
		rec := &sourcetest.Recorder{Store: &memory.Store{}}
		stop := pipeline(t, &recordingBus{Bus: b, rec: rec}, store, &calendar.Source{Interval: time.Hour, CatchUp: time.Hour}, fired)
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, hours(midnight.Add(time.Hour), 2), ids(rec.Events()), "the first is published again")
		assert.Equal(t, hours(midnight.Add(time.Hour), 2), ticks(fired), "and dropped as a duplicate")
		stop()
	})
}

// recordingBus remembers what is published.
type recordingBus struct {
	bus.Bus
	rec *sourcetest.Recorder
}

func (b *recordingBus) Publish(ctx context.Context, topic bus.Topic, e hearken.Event) error {
	if err := b.rec.Output().Emit(ctx, e); err != nil {
		return err
	}
	return b.Bus.Publish(ctx, topic, e)
}

// A tick whose emit outlasts the end of the pipeline is done with.
func TestShutdownDuringEmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, store := &sourcetest.Gate{}, &memory.Store{}
		rec := &sourcetest.Recorder{Then: gate.Emit, Store: store}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		s := &calendar.Source{Interval: time.Hour}
		go func() { ended <- s.Run(ctx, rec.Output()) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		cancel()
		synctest.Wait()
		gate.Open()
		require.NoError(t, <-ended)
		assert.Equal(t, "2000-01-01T01:00:00Z", lastRun(t, store))
	})
}
