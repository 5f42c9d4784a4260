package hearken_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/stretchr/testify/assert"
)

func TestAttemptTimeout(t *testing.T) {
	tests := []struct {
		name    string
		action  time.Duration
		trigger hearken.Trigger
		want    time.Duration // zero: none
	}{
		{"a minute by default", 0, &timed{}, time.Minute},
		{"the action's", time.Second, &timed{own: time.Hour}, time.Second},
		{"the trigger's own", 0, &timed{own: time.Hour}, time.Hour},
		{"none", -1, &timed{}, 0},
		{"none of the trigger's own", 0, &timed{own: -1}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				trigger := tt.trigger.(*timed)
				f := newFixture(hearken.Action{Timeout: tt.action, Trigger: trigger, Retry: hearken.Retry{Attempts: 1}})
				f.start(t)
				f.deliver("1")
				if tt.want == 0 {
					time.Sleep(24 * time.Hour)
					assert.NoError(t, trigger.ctx.Err())
					f.stop()
					assert.ErrorIs(t, <-f.done, hearken.ErrDrain)
					return
				}
				time.Sleep(tt.want - time.Nanosecond)
				assert.NoError(t, trigger.ctx.Err())
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				assert.ErrorIs(t, trigger.ctx.Err(), context.DeadlineExceeded)
				assert.Len(t, f.bus.publications(), 1)
				assert.NoError(t, f.end())
			})
		})
	}
}

// patient is a trigger that must be given some time, a minute if it does not say.
type patient struct {
	script
	needs time.Duration
}

func (p *patient) MinTimeout() time.Duration { return max(p.needs, time.Minute) }

func TestTimeoutThatZeroMeansIsTooShort(t *testing.T) {
	f := newFixture(hearken.Action{Trigger: &patient{needs: time.Hour}})
	assert.Equal(t, []string{
		`Sensors["s"].Actions[0].Timeout: is zero, which means 1m0s, but the trigger may need 1h0m0s`,
	}, messages(t, f.Pipeline))
}

// undecided is a trigger that cannot say how long it takes.
type undecided struct{ script }

func (*undecided) AttemptTimeout() time.Duration { panic(errBroken) }

func TestTimeoutThatPanicsIsAMistake(t *testing.T) {
	f := newFixture(hearken.Action{Trigger: new(undecided)})
	assert.Equal(t, []string{`Sensors["s"].Actions[0].Trigger: panicked when it was asked: broken`}, messages(t, f.Pipeline))
}

func TestTimeoutTooShortForTheTrigger(t *testing.T) {
	for timeout, want := range map[time.Duration][]string{
		0:               nil,
		-1:              nil,
		time.Minute:     nil,
		2 * time.Minute: nil,
		59 * time.Second: {
			`Sensors["s"].Actions[0].Timeout: is 59s, but the trigger may need 1m0s; leave it zero for what the trigger says`,
		},
	} {
		f := newFixture(hearken.Action{Timeout: timeout, Trigger: new(patient)})
		assert.Equal(t, want, messages(t, f.Pipeline), "%v", timeout)
	}
}

// timed is a trigger that waits for its context's end.
type timed struct {
	own time.Duration
	ctx context.Context //nolint:containedctx // it is what is tested
}

func (w *timed) AttemptTimeout() time.Duration { return w.own }

func (w *timed) Fire(ctx context.Context, _ hearken.Firing) error {
	w.ctx = ctx
	<-ctx.Done()
	return ctx.Err()
}
