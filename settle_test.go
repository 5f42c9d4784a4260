package hearken_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSettledAfterSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := newFixture(hearken.Action{Trigger: hearken.TriggerFunc(func(context.Context, hearken.Firing) error {
			<-release
			return nil
		})})
		f.start(t)
		pos := f.deliver("1")
		assert.Empty(t, f.bus.settlements(), "not while the trigger runs")
		close(release)
		synctest.Wait()
		assert.Equal(t, acked(pos), f.bus.settlements())
		assert.NoError(t, f.end())
	})
}

func TestFiringSaysWhatAndWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		f := newFixture(hearken.Action{Name: "a", Trigger: trigger})
		f.start(t)
		f.deliver("1")
		f.deliver("2")
		require.Len(t, trigger.fired(), 2)
		one, two := trigger.fired()[0], trigger.fired()[1]
		assert.Equal(t, "s", one.Sensor)
		assert.Equal(t, "a", one.Action)
		assert.Equal(t, 1, one.Attempt)
		assert.Regexp(t, "^[0-9a-f]{32}$", one.ID)
		assert.NotEqual(t, one.ID, two.ID)
		e, err := one.Event(f.dep)
		require.NoError(t, err)
		assert.Equal(t, "1", e.ID())
		_, err = one.Event(&hearken.Dependency{Name: "other"})
		assert.ErrorContains(t, err, `no event of dependency "other"`)
		assert.NoError(t, f.end())
	})
}

func TestFiringIDIsStable(t *testing.T) {
	id := func(change func(*fixture), redeliver func(*bus.Delivery)) string {
		var got string
		synctest.Test(t, func(t *testing.T) {
			trigger := new(script)
			f := newFixture(hearken.Action{Trigger: trigger})
			change(f)
			f.start(t)
			f.deliver("1", redeliver)
			require.Len(t, trigger.fired(), 1)
			got = trigger.fired()[0].ID
			assert.NoError(t, f.end())
		})
		return got
	}
	same := func(*fixture) {}
	first := id(same, func(*bus.Delivery) {})
	assert.Equal(t, first, id(same, func(d *bus.Delivery) { d.Attempt, d.Pos.Seq = 3, 99 }), "redelivered, or stored twice")
	assert.NotEqual(t, first, id(func(f *fixture) { f.Name = "other" }, func(*bus.Delivery) {}), "another pipeline")
	assert.NotEqual(t, first, id(func(f *fixture) { f.Sensors[0].Name = "other" }, func(*bus.Delivery) {}), "another sensor")
	assert.NotEqual(t, first, id(func(f *fixture) { f.Sensors[0].Actions[0].Name = "other" }, func(*bus.Delivery) {}), "another action")
	assert.NotEqual(t, first, id(same, func(d *bus.Delivery) { d.Event.SetSource("elsewhere") }), "another event")
}

func TestRetriedWithJitterUntilItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := &script{answers: []error{errBroken, errBroken, errBroken}}
		f := newFixture(hearken.Action{Trigger: trigger})
		f.start(t)
		pos := f.deliver("1")
		time.Sleep(time.Minute)
		synctest.Wait()
		fired := trigger.fired()
		require.Len(t, fired, 4)
		for i, bound := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second} {
			assert.LessOrEqual(t, trigger.times[i+1].Sub(trigger.times[i]), bound)
			assert.Equal(t, fired[0].ID, fired[i+1].ID)
			assert.Equal(t, i+2, fired[i+1].Attempt)
		}
		assert.Equal(t, acked(pos), f.bus.settlements())
		assert.Empty(t, f.bus.publications(), "nothing is dead-lettered")
		a := f.Health().Sensors[0].Actions[0]
		assert.EqualValues(t, 1, a.Fired)
		assert.EqualValues(t, 3, a.Failed)
		assert.EqualValues(t, 3, a.Retried)
		assert.NoError(t, f.end())
	})
}

func TestRetryBudgets(t *testing.T) {
	tests := []struct {
		name             string
		retry            hearken.Retry
		err              error
		fewest, most     int
		shortest, within time.Duration
	}{
		{"15 minutes by default", hearken.Retry{}, errBroken, 30, 2000, 14 * time.Minute, 15 * time.Minute},
		{"attempts", hearken.Retry{Attempts: 3}, errBroken, 3, 3, 0, 2 * time.Second},
		{"no retry", hearken.Retry{Attempts: 1}, errBroken, 1, 1, 0, 0},
		{"for", hearken.Retry{For: time.Minute, Max: time.Second}, errBroken, 60, 1000, 58 * time.Second, time.Minute},
		{"permanent", hearken.Retry{}, hearken.Permanent(errBroken), 1, 1, 0, 0},
		{"permanent within", hearken.Retry{}, fmt.Errorf("x: %w", hearken.Permanent(errBroken)), 1, 1, 0, 0},
		{"retry after", hearken.Retry{Attempts: 3}, hearken.RetryAfter(errBroken, time.Minute), 3, 3, 2 * time.Minute, 2 * time.Minute},
		{"retry after for ever", hearken.Retry{}, hearken.RetryAfter(errBroken, math.MaxInt64), 1, 1, 0, 0},
		{"retry after beyond the budget", hearken.Retry{}, hearken.RetryAfter(errBroken, time.Hour), 1, 1, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var attempts int
				var last time.Time
				f := newFixture(hearken.Action{Retry: tt.retry, Trigger: hearken.TriggerFunc(func(context.Context, hearken.Firing) error {
					attempts++
					last = time.Now()
					return tt.err
				})})
				f.start(t)
				began := time.Now()
				pos := f.deliver("1")
				time.Sleep(time.Hour)
				synctest.Wait()
				assert.GreaterOrEqual(t, attempts, tt.fewest)
				assert.LessOrEqual(t, attempts, tt.most)
				assert.GreaterOrEqual(t, last.Sub(began), tt.shortest)
				assert.LessOrEqual(t, last.Sub(began), tt.within)
				assert.Len(t, f.bus.publications(), 1, "it is dead-lettered")
				assert.Equal(t, acked(pos), f.bus.settlements(), "and settled")
				assert.NoError(t, f.end())
			})
		})
	}
}

func TestFinishedActionsAreNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, bad := new(script), &script{answers: []error{errBroken, errBroken}}
		f := newFixture(hearken.Action{Name: "good", Trigger: good}, hearken.Action{Name: "bad", Trigger: bad})
		f.start(t)
		pos := f.deliver("1")
		assert.Empty(t, f.bus.settlements(), "one action is not finished")
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Len(t, good.fired(), 1)
		assert.Len(t, bad.fired(), 3)
		assert.NotEqual(t, good.fired()[0].ID, bad.fired()[0].ID)
		assert.Equal(t, acked(pos), f.bus.settlements())
		assert.NoError(t, f.end())
	})
}

func TestSleepingRetryFreesItsWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := &script{answers: []error{hearken.RetryAfter(errBroken, time.Minute)}}
		f := newFixture(hearken.Action{Trigger: trigger})
		f.Sensors[0].Workers = 1
		f.start(t)
		one := f.deliver("1")
		two := f.deliver("2")
		assert.Equal(t, acked(two), f.bus.settlements())
		assert.Equal(t, 1, f.Health().Sensors[0].InFlight, "but it keeps its place")
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, acked(two, one), f.bus.settlements())
		assert.NoError(t, f.end())
	})
}

func TestWorkersBoundFirings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var running atomic.Int32
		f := newFixture(hearken.Action{Trigger: hearken.TriggerFunc(func(context.Context, hearken.Firing) error {
			running.Add(1)
			<-release
			return nil
		})})
		f.Sensors[0].Workers = 3
		f.start(t)
		for i := range 10 {
			f.deliver(fmt.Sprint(i))
		}
		assert.EqualValues(t, 3, running.Load())
		close(release)
		synctest.Wait()
		assert.EqualValues(t, 10, running.Load())
		assert.NoError(t, f.end())
	})
}

func TestFiringSaysWhoFires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fired := make(chan hearken.Firing, 1)
		f := newFixture(hearken.Action{Name: "a", Trigger: hearken.TriggerFunc(func(_ context.Context, firing hearken.Firing) error {
			fired <- firing
			return nil
		})})
		f.start(t)
		f.deliver("1")
		got := <-fired
		assert.Equal(t, []string{"test", "s", "a"}, []string{got.Pipeline, got.Sensor, got.Action})
		assert.NoError(t, f.end())
	})
}

func TestPanicsAreErrorsOfThatEventOnly(t *testing.T) {
	boom := func(id string) {
		if id == "boom" {
			panic("boom")
		}
		if id == "exit" {
			runtime.Goexit()
		}
	}
	tests := []struct {
		name   string
		action hearken.Action
		dep    hearken.Dependency
	}{
		{name: "trigger", action: hearken.Action{Trigger: hearken.TriggerFunc(func(_ context.Context, f hearken.Firing) error {
			e := f.Events["created"]
			boom(e.ID())
			return nil
		})}},
		{name: "filter", dep: hearken.Dependency{Filter: filterFunc(func(e hearken.Event) (bool, error) { boom(e.ID()); return true, nil })}},
		{name: "key", dep: hearken.Dependency{Key: func(e hearken.Event) (string, error) { boom(e.ID()); return "k", nil }}},
		{name: "transform", dep: hearken.Dependency{Transform: func(_ context.Context, e hearken.Event) (hearken.Event, error) {
			boom(e.ID())
			return e, nil
		}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, d := tt.action, tt.dep
				if a.Trigger == nil {
					a.Trigger = new(script)
				}
				a.When, a.Retry = &d, hearken.Retry{Attempts: 1}
				f := newFixture(a)
				d.EventSource = f.source
				f.Sensors[0].Workers = 1
				f.start(t)
				pos := []bus.Pos{f.deliver("ok"), f.deliver("boom"), f.deliver("exit"), f.deliver("fine")}
				assert.Equal(t, acked(pos...), f.bus.settlements())
				dead := f.bus.publications()
				require.Len(t, dead, 2)
				assert.Contains(t, extensions(dead[0].Event)["hearkenerror"], "panicked: boom")
				assert.Contains(t, extensions(dead[1].Event)["hearkenerror"], "Goexit")
				assert.NoError(t, f.end())
			})
		})
	}
}

func TestRateLimiterThatPanics(t *testing.T) {
	for want, wait := range map[string]func(int) error{
		"rate limit panicked: boom": func(int) error { panic("boom") },
		"runtime.Goexit":            func(int) error { runtime.Goexit(); return nil },
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(hearken.Action{Trigger: new(script), RateLimit: &limiter{wait: wait}, Retry: hearken.Retry{For: time.Minute}})
			f.start(t)
			pos := f.deliver("1")
			time.Sleep(time.Minute)
			synctest.Wait()
			assert.Equal(t, acked(pos), f.bus.settlements())
			require.Len(t, f.bus.publications(), 1)
			assert.Contains(t, extensions(f.bus.publications()[0].Event)["hearkenerror"], want)
			assert.NoError(t, f.end())
		})
	}
}

type filterFunc func(e hearken.Event) (bool, error)

func (f filterFunc) Match(_ context.Context, e hearken.Event) (bool, error) { return f(e) }

// limiter is a rate limiter whose n-th wait is a function.
type limiter struct {
	n    int
	wait func(n int) error
}

func (l *limiter) Wait(context.Context) error {
	l.n++
	return l.wait(l.n)
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		limit := &limiter{wait: func(int) error { time.Sleep(time.Second); return nil }}
		f := newFixture(hearken.Action{Trigger: trigger, RateLimit: limit, Timeout: time.Millisecond})
		f.Sensors[0].Workers = 1
		f.start(t)
		for i := range 3 {
			f.deliver(fmt.Sprint(i))
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Len(t, trigger.times, 3)
		assert.Equal(t, 2*time.Second, trigger.times[2].Sub(trigger.times[0]), "waiting takes nothing of the timeout")
		assert.NoError(t, f.end())
	})
}

func TestRateLimiterThatRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		limit := &limiter{wait: func(n int) error {
			if n == 1 {
				return errors.New("exceeds limiter's burst")
			}
			return nil
		}}
		f := newFixture(hearken.Action{Trigger: trigger, RateLimit: limit, Retry: hearken.Retry{Attempts: 1}})
		f.start(t)
		pos := f.deliver("1")
		assert.Empty(t, trigger.fired())
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, trigger.fired(), 1, "it is tried again")
		assert.Equal(t, 1, trigger.fired()[0].Attempt, "which was no attempt")
		assert.Equal(t, acked(pos), f.bus.settlements())
		assert.NoError(t, f.end())
	})
}

func TestHeldPositionComeAgainIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var fired int
		f := newFixture(hearken.Action{Trigger: hearken.TriggerFunc(func(context.Context, hearken.Firing) error {
			fired++
			<-release
			return nil
		})})
		f.start(t)
		pos := f.deliver("1")
		f.deliver("1", func(d *bus.Delivery) { d.Pos, d.Attempt = pos, 2 })
		close(release)
		synctest.Wait()
		assert.Equal(t, 1, fired)
		assert.Equal(t, acked(pos), f.bus.settlements())
		assert.EqualValues(t, 1, f.Health().Sensors[0].Repeated)
		f.deliver("1", func(d *bus.Delivery) { d.Pos, d.Attempt = pos, 3 })
		assert.Equal(t, 2, fired, "settled and come again: Ack is advice")
		assert.NoError(t, f.end())
	})
}

func TestEventOfATopicNobodyWantsHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script)})
		f.start(t)
		other := bus.Topic{EventSource: "orders", Event: "cancelled"}
		f.deliver("1", func(d *bus.Delivery) { d.Topic = other })
		got := f.bus.settlements()
		require.Len(t, got, 1)
		assert.False(t, got[0].Ack, "another version of the sensor may want it")
		f.deliver("2", func(d *bus.Delivery) { d.Topic, d.Attempt = other, 21 })
		assert.Empty(t, f.bus.publications(), "a rolling deploy takes its time")
		f.deliver("3", func(d *bus.Delivery) { d.Topic, d.Attempt, d.Stored = other, 21, d.Stored.Add(-time.Hour) })
		require.Len(t, f.bus.publications(), 1, "nobody did")
		assert.Equal(t, other.Event, extensions(f.bus.publications()[0].Event)["hearkenevent"])
		assert.NoError(t, f.end())
	})
}

func TestFilteredOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		f := newFixture(hearken.Action{Trigger: trigger})
		f.dep.Filter = filterFunc(func(e hearken.Event) (bool, error) { return e.ID() == "yes", nil })
		f.start(t)
		no, yes := f.deliver("no"), f.deliver("yes")
		assert.Equal(t, acked(no, yes), f.bus.settlements())
		assert.Len(t, trigger.fired(), 1)
		d := f.Health().Sensors[0].Dependencies[0]
		assert.EqualValues(t, 2, d.Received)
		assert.EqualValues(t, 1, d.FilteredOut)
		assert.Equal(t, time.Now(), d.LastSeen.UTC().In(time.Now().Location()))
		assert.NoError(t, f.end())
	})
}

func TestTransformIsSeenByFilterAndTrigger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		f := newFixture(hearken.Action{Trigger: trigger})
		var filtered string
		f.dep.Transform = func(_ context.Context, e hearken.Event) (hearken.Event, error) {
			e = e.Clone()
			e.SetID("other")
			return e, nil
		}
		f.dep.Filter = filterFunc(func(e hearken.Event) (bool, error) { filtered = e.ID(); return true, nil })
		f.start(t)
		f.deliver("1")
		assert.Equal(t, "other", filtered)
		e := trigger.fired()[0].Events["created"]
		assert.Equal(t, "other", e.ID())
		assert.NoError(t, f.end())
	})
}

func TestAny(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		f := newFixture(hearken.Action{Name: "a", Trigger: trigger})
		paid := &hearken.EventSource{Name: "orders", Event: "paid"}
		f.EventSources = append(f.EventSources, paid)
		big := &hearken.Dependency{Name: "big", EventSource: f.source, Filter: filterFunc(func(e hearken.Event) (bool, error) { return e.ID() == "big", nil })}
		later := &hearken.Dependency{EventSource: paid}
		f.Sensors[0].Actions[0].When = hearken.Any(f.dep, hearken.All(big), later)
		f.start(t)
		f.deliver("big")
		f.deliver("small")
		f.deliver("3", func(d *bus.Delivery) { d.Topic.Event = "paid" })
		var names [][]string
		for _, firing := range trigger.fired() {
			var n []string
			for _, d := range []*hearken.Dependency{f.dep, big, later} {
				if _, err := firing.Event(d); err == nil {
					n = append(n, d.Name+"/"+d.EventSource.Event)
				}
			}
			names = append(names, n)
		}
		assert.Equal(t, [][]string{{"/created", "big/created"}, {"/created"}, {"/paid"}}, names, "one firing for each event")
		assert.NoError(t, f.end())
	})
}
