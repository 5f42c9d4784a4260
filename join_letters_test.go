package hearken_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestJoinThatFailsForGoodIsRedriven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := &script{answers: []error{hearken.Permanent(errBroken)}}
		d := newDeploy(nil, trigger)
		graves := d.graves()
		d.start(t)
		d.tell(t, d.image, "i1", "abc")
		d.tell(t, d.tests, "t1", "abc")
		letters := graves.letters()
		require.Len(t, letters, 2)
		failed := trigger.fired()[0]
		for _, id := range []string{"i1", "t1"} {
			assert.Equal(t, failed.ID, text(letters[id], "hearkenfiring"))
			assert.Equal(t, "broken", text(letters[id], "hearkenerror"))
			assert.Equal(t, "s", text(letters[id], "hearkenaction"))
		}
		assert.NotEqual(t, letters["i1"].ID(), letters["t1"].ID())
		h := d.Health().Sensors[0]
		assert.EqualValues(t, 2, h.Actions[0].DeadLettered)
		assert.Zero(t, h.Actions[0].Pending)

		require.NoError(t, d.Redrive(t.Context(), letters["t1"]))
		synctest.Wait()
		assert.Len(t, trigger.fired(), 1, "the other is not back yet")
		require.NoError(t, d.Redrive(t.Context(), letters["i1"]))
		synctest.Wait()
		require.Len(t, trigger.fired(), 2)
		again := trigger.fired()[1]
		assert.NotEqual(t, failed.ID, again.ID)
		assert.Equal(t, map[string]string{"image": "i1", "tests": "t1"}, ids(again))
		for name, e := range again.Events {
			for x := range e.Extensions() {
				assert.False(t, strings.HasPrefix(x, "hearken"), "%s has %s", name, x)
			}
		}
		assert.NoError(t, d.end())
	})
}

func TestJoinExpires(t *testing.T) {
	const month = 30 * 24 * time.Hour
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		d := newDeploy(func(a *hearken.Action) { a.Within = month }, trigger)
		graves := d.graves()
		d.start(t)
		d.tell(t, d.image, "i1", "abc")
		time.Sleep(month - time.Minute)
		synctest.Wait()
		assert.Empty(t, graves.letters())
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Len(t, graves.letters(), 1)
		letter := graves.letters()["i1"]
		assert.Equal(t, `the join expired at 2000-01-31T00:00:00Z with "image"; it had no "tests"; key "abc"`, text(letter, "hearkenerror"))
		assert.JSONEq(t, `{"commit":"abc"}`, string(letter.Data()))
		d.tell(t, d.tests, "t1", "abc")
		assert.Empty(t, trigger.fired())
		a := d.Health().Sensors[0].Actions[0]
		assert.EqualValues(t, 1, a.Expired)
		assert.EqualValues(t, 1, a.DeadLettered)
		assert.Equal(t, 1, a.Pending)
		assert.NoError(t, d.end())
	})
}

func TestJoinIsExactAboutItsWindow(t *testing.T) {
	for _, test := range []struct {
		apart time.Duration
		fires int
	}{{time.Hour - time.Nanosecond, 1}, {time.Hour, 0}} {
		synctest.Test(t, func(t *testing.T) {
			trigger := new(script)
			d := newDeploy(nil, trigger)
			d.start(t)
			d.tell(t, d.image, "i1", "abc")
			time.Sleep(test.apart)
			d.tell(t, d.tests, "t1", "abc")
			assert.Len(t, trigger.fired(), test.fires, "%v apart", test.apart)
			assert.NoError(t, d.end())
		})
	}
}

func TestJoinDoesNotExpireWhileWhatCameBeforeIsUnsettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeploy(nil, new(script))
		graves := d.graves()
		release := make(chan struct{})
		d.Sensors[0].Actions = append(d.Sensors[0].Actions, hearken.Action{
			Name: "blocked", When: d.dep, Timeout: -1,
			Trigger: hearken.TriggerFunc(func(context.Context, hearken.Firing) error {
				<-release
				return nil
			}),
		})
		d.Sensors[0].Actions[0].Name = "join"
		d.start(t)
		d.tell(t, d.image, "i1", "abc")
		d.emit(t, "o1")
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		assert.Empty(t, graves.letters(), "an event that was stored before the deadline is unsettled")
		close(release)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		assert.Contains(t, graves.letters(), "i1")
		assert.NoError(t, d.end())
	})
}

// daily is a schedule of midnights.
type daily struct{}

func (daily) Next(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour) }

func TestJoinIsReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		d := newDeploy(func(a *hearken.Action) { a.Reset, a.Within = daily{}, 48*time.Hour }, trigger)
		log := logged(d.fixture, slog.LevelInfo)
		graves := d.graves()
		d.start(t)
		time.Sleep(24*time.Hour - time.Second)
		d.tell(t, d.image, "before", "abc")
		time.Sleep(2 * time.Second)
		d.tell(t, d.tests, "after", "abc")
		assert.Empty(t, trigger.fired(), "midnight is between them")
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		a := d.Health().Sensors[0].Actions[0]
		assert.EqualValues(t, 1, a.Reset)
		assert.Zero(t, a.Expired)
		assert.Equal(t, 1, a.Pending)
		assert.Empty(t, graves.letters())
		assert.Equal(t, 1, strings.Count(log.String(), "event reset"))
		assert.Regexp(t, `msg="event reset".* action=s event_source=ci event=image event_id=before `, log.String())
		d.tell(t, d.image, "i2", "abc")
		require.Len(t, trigger.fired(), 1)
		assert.Equal(t, map[string]string{"image": "i2", "tests": "after"}, ids(trigger.fired()[0]))
		assert.NoError(t, d.end())
	})
}

func TestJoinOfAnEventTooLargeForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		d := newDeploy(nil, trigger)
		d.Store = &memory.Store{MaxValue: 1000}
		graves := d.graves()
		d.start(t)
		e := commitEvent(t, "i1", "abc")
		require.NoError(t, e.SetData("application/json", map[string]string{"commit": "abc", "log": strings.Repeat("x", 2000)}))
		require.NoError(t, d.Emit(t.Context(), d.image, e))
		synctest.Wait()
		letter, ok := graves.letters()["i1"]
		require.True(t, ok)
		assert.Contains(t, text(letter, "hearkenerror"), "it cannot wait: store an event that waits: ")
		assert.Contains(t, text(letter, "hearkenerror"), "MaxValue is 1000")
		d.tell(t, d.image, "i2", "abc")
		d.tell(t, d.tests, "t1", "abc")
		assert.Len(t, trigger.fired(), 1)
		assert.NoError(t, d.end())
	})
}

func TestJoinWhoseEntryOutgrowsTheStoreLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		d := newDeploy(func(a *hearken.Action) { a.Queue = true }, trigger)
		d.Store = &memory.Store{MaxValue: 2000}
		graves := d.graves()
		d.start(t)
		const n = 100
		for i := range n {
			d.tell(t, d.image, fmt.Sprint("i", i), "abc")
		}
		refused := len(graves.letters())
		assert.Positive(t, refused)
		a := d.Health().Sensors[0].Actions[0]
		assert.Equal(t, n-refused, a.Pending)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		assert.Len(t, graves.letters(), n)
		assert.NoError(t, d.end())
	})
}
