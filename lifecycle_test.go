package hearken_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFiringUnderWayIsFinishedOnShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: hearken.TriggerFunc(func(ctx context.Context, _ hearken.Firing) error {
			time.Sleep(10 * time.Second)
			return ctx.Err()
		})})
		f.start(t)
		pos := f.deliver("1")
		began := time.Now()
		assert.NoError(t, f.end())
		assert.Equal(t, 10*time.Second, time.Since(began))
		assert.Equal(t, acked(pos), f.bus.settlements())
		assert.Equal(t, 1, f.bus.closed)
		assert.False(t, f.Health().Ready)
	})
}

// slowStorer is a bus whose store cannot be had for now.
type slowStorer struct{ *scriptedBus }

func (slowStorer) Store(ctx context.Context) (bus.Store, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestStopWhileTheStoreIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script)})
		f.Bus = slowStorer{f.bus}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		assert.NoError(t, f.Run(ctx))
		assert.Equal(t, time.Second, time.Since(began))
		assert.True(t, f.Health().Ended)
	})
}

func TestWhatWaitsIsHandedBackAtOnceOnShutdown(t *testing.T) {
	limited := &limiter{wait: func(int) error { return nil }}
	tests := []struct {
		name   string
		action hearken.Action
		ids    []string
	}{
		{"a sleeping retry", hearken.Action{Trigger: always{hearken.RetryAfter(errBroken, time.Minute)}}, []string{"1"}},
		{"a rate limit", hearken.Action{Trigger: new(script), RateLimit: blockedLimiter{}}, []string{"1"}},
		{"what has no worker", hearken.Action{RateLimit: limited, Trigger: hearken.TriggerFunc(func(context.Context, hearken.Firing) error {
			time.Sleep(time.Second)
			return errBroken
		})}, []string{"1", "2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(tt.action)
				f.Sensors[0].Workers = 1
				f.start(t)
				var want []settlement
				for _, id := range tt.ids {
					want = append(want, handedBack(f.deliver(id))...)
				}
				began := time.Now()
				assert.NoError(t, f.end())
				assert.LessOrEqual(t, time.Since(began), time.Second)
				assert.ElementsMatch(t, want, f.bus.settlements())
				assert.Empty(t, f.bus.publications())
				assert.EqualValues(t, len(want), f.Health().Sensors[0].HandedBack)
			})
		})
	}
}

type blockedLimiter struct{}

func (blockedLimiter) Wait(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestFiringThatOutlivesTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(timed), Timeout: time.Hour})
		f.Drain = 3 * time.Second
		f.start(t)
		pos := f.deliver("1")
		began := time.Now()
		err := f.end()
		assert.ErrorIs(t, err, hearken.ErrDrain)
		assert.ErrorContains(t, err, `(3s): sensor "s": event "1" of orders/created`)
		assert.Equal(t, 3*time.Second, time.Since(began))
		assert.Equal(t, handedBack(pos), f.bus.settlements(), "cut off is not failed")
		assert.Empty(t, f.bus.publications())
	})
}

func TestTriggerThatIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := newFixture(hearken.Action{Trigger: hearken.TriggerFunc(func(context.Context, hearken.Firing) error { <-release; return nil })})
		f.Drain = -1
		f.start(t)
		f.deliver("1")
		began := time.Now()
		assert.ErrorIs(t, f.end(), hearken.ErrDrain)
		assert.Equal(t, time.Second, time.Since(began))
		assert.Equal(t, 1, f.bus.closed, "the bus hands it back")
		close(release)
		synctest.Wait()
	})
}

func TestSourceThatIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := newFixture(hearken.Action{Trigger: new(script)})
		f.source.Source = hearken.SourceFunc(func(context.Context, hearken.Output) error { <-release; return nil })
		f.Drain = -1
		f.start(t)
		assert.ErrorIs(t, f.end(), hearken.ErrDrain)
		e, err := hearken.NewEvent("order", "late", nil)
		require.NoError(t, err)
		assert.ErrorIs(t, f.Emit(t.Context(), f.source, e), hearken.ErrNotRunning)
		assert.Empty(t, f.bus.publications())
		close(release)
		synctest.Wait()
	})
}

func TestNoDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script)})
		f.Drain = -1
		f.start(t)
		assert.NoError(t, f.end(), "nothing was under way")
	})
}

func TestRunOnce(t *testing.T) {
	running(t, func(t *testing.T, f *fixture) {
		assert.ErrorContains(t, f.Run(t.Context()), "has been run already")
	})
}

func TestRunValidates(t *testing.T) {
	err := (&hearken.Pipeline{}).Run(t.Context())
	var c *hearken.ConfigError
	assert.ErrorAs(t, err, &c)
}

// refusingBus refuses the second subscription.
type refusingBus struct{ *scriptedBus }

func (b refusingBus) Subscribe(ctx context.Context, g bus.Group) (bus.Subscription, error) {
	if len(b.groups) == 1 {
		return nil, errBroken
	}
	return b.scriptedBus.Subscribe(ctx, g)
}

func TestRunFailsFastWhenItCannotSubscribe(t *testing.T) {
	f := newFixture(hearken.Action{Trigger: new(script)})
	f.Bus = refusingBus{f.bus}
	f.Sensors = append(f.Sensors, f.Sensors[0])
	f.Sensors[1].Name = "second"
	ran := false
	f.source.Source = hearken.SourceFunc(func(context.Context, hearken.Output) error { ran = true; return nil })
	err := f.Run(t.Context())
	assert.ErrorIs(t, err, errBroken)
	assert.ErrorContains(t, err, `subscribe sensor "second"`)
	assert.Equal(t, 1, f.bus.closed, "the first is closed again")
	assert.False(t, ran)
}

func TestFailedSourceIsRunAgain(t *testing.T) {
	tests := []struct {
		name string
		run  func(n int, ctx context.Context, out hearken.Output) error
		runs int           // within an hour
		most time.Duration // the longest pause
	}{
		{"it backs off", func(int, context.Context, hearken.Output) error { return errBroken }, 0, 30 * time.Second},
		{"a panic", func(int, context.Context, hearken.Output) error { panic("boom") }, 0, 30 * time.Second},
		{"refilled by an event", func(_ int, ctx context.Context, out hearken.Output) error {
			e, _ := hearken.NewEvent("order", "", 1)
			return errors.Join(errBroken, out.Emit(ctx, e))
		}, 0, 500 * time.Millisecond},
		{"refilled by time", func(int, context.Context, hearken.Output) error { time.Sleep(time.Minute); return errBroken }, 0, time.Minute + 500*time.Millisecond},
		{"after what it asks for", func(n int, _ context.Context, _ hearken.Output) error {
			return hearken.RetryAfter(errBroken, 10*time.Minute)
		}, 6, 11 * time.Minute},
		{"refused for ever, as it says itself", func(_ int, ctx context.Context, out hearken.Output) error {
			return out.Emit(ctx, hearken.Event{}) // which is Permanent, but of the event
		}, 0, 30 * time.Second},
		{"finished", func(int, context.Context, hearken.Output) error { return nil }, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var starts []time.Time
				f := newFixture(hearken.Action{Trigger: new(script)})
				f.source.Source = hearken.SourceFunc(func(ctx context.Context, out hearken.Output) error {
					starts = append(starts, time.Now())
					return tt.run(len(starts), ctx, out)
				})
				f.start(t)
				time.Sleep(time.Hour - time.Nanosecond)
				require.NoError(t, f.end())
				if tt.runs > 0 {
					assert.Len(t, starts, tt.runs)
				} else {
					assert.Greater(t, len(starts), 50)
				}
				var longest time.Duration
				for i := range len(starts) - 1 {
					longest = max(longest, starts[i+1].Sub(starts[i]))
				}
				assert.LessOrEqual(t, longest, tt.most)
				assert.EqualValues(t, len(starts)-1, min(int(f.Health().EventSources[0].Restarts), len(starts)-1))
			})
		})
	}
}

func TestSourceThatFailsForGoodEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script)})
		f.source.Source = hearken.SourceFunc(func(context.Context, hearken.Output) error { return hearken.Permanent(errBroken) })
		err := f.Run(t.Context())
		assert.ErrorIs(t, err, errBroken)
		assert.ErrorContains(t, err, "event source orders/created: broken")
	})
}

func TestSourceSeesItsOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script)})
		var got hearken.Output
		f.source.Source = hearken.SourceFunc(func(ctx context.Context, out hearken.Output) error {
			got = out
			<-ctx.Done()
			return ctx.Err()
		})
		f.start(t)
		assert.Equal(t, topic(), got.Topic)
		assert.NotNil(t, got.Logger)
		assert.Nil(t, got.Store, "this bus brings none")
		assert.True(t, f.Health().EventSources[0].Running)
		assert.NoError(t, f.end())
		assert.False(t, f.Health().EventSources[0].Running)
	})
}

func TestReceiveThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		f := newFixture(hearken.Action{Trigger: trigger})
		f.start(t)
		f.bus.failReceive(errBroken)
		synctest.Wait()
		h := f.Health().Sensors[0]
		assert.False(t, h.Receiving)
		assert.ErrorIs(t, h.LastError.Err, errBroken)
		time.Sleep(time.Second)
		f.deliver("1")
		assert.Len(t, trigger.fired(), 1)
		assert.Len(t, f.bus.groups, 1)

		f.bus.failReceive(bus.ErrClosed)
		time.Sleep(time.Second)
		f.deliver("2")
		assert.Len(t, trigger.fired(), 2)
		assert.Len(t, f.bus.groups, 2, "a group that was forgotten is joined anew")
		assert.True(t, f.Health().Sensors[0].Receiving)
		assert.NoError(t, f.end())
	})
}

func TestGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script)})
		f.Name, f.Sensors[0].Name = "a/b", "c%2F"
		f.Sensors[0].Workers = 2
		f.start(t)
		assert.Equal(t, []bus.Group{{Name: "a%2Fb/c%252F", Topics: []bus.Topic{topic()}, InFlight: 32}}, f.bus.groups)
		assert.NoError(t, f.end())
	})
}
