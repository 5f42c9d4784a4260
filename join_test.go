package hearken_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// deploy is a pipeline over a bus in memory that waits for an image and the tests
// of the same commit.
type deploy struct {
	*fixture
	image, tests *hearken.EventSource
	built, green *hearken.Dependency
}

func newDeploy(change func(*hearken.Action), trigger hearken.Trigger) *deploy {
	f, _ := overMemory(hearken.Action{Trigger: trigger})
	d := &deploy{
		fixture: f, image: &hearken.EventSource{Name: "ci", Event: "image"}, tests: &hearken.EventSource{Name: "ci", Event: "tests"},
	}
	f.EventSources = append(f.EventSources, d.image, d.tests)
	d.built = &hearken.Dependency{EventSource: d.image, Key: hearken.DataKey("commit")}
	d.green = &hearken.Dependency{EventSource: d.tests, Key: hearken.DataKey("commit")}
	a := &f.Sensors[0].Actions[0]
	a.When, a.Within = hearken.All(d.built, d.green), time.Hour
	if change != nil {
		change(a)
	}
	return d
}

// tell emits an event about a commit and waits until nothing moves.
func (d *deploy) tell(t *testing.T, s *hearken.EventSource, id, commit string) {
	t.Helper()
	e, err := hearken.NewEvent("ci", id, map[string]string{"commit": commit})
	require.NoError(t, err)
	require.NoError(t, d.Emit(t.Context(), s, e))
	synctest.Wait()
}

func TestJoinFiresOnceForEventsOfOneKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		d := newDeploy(nil, trigger)
		d.start(t)
		d.tell(t, d.image, "i1", "abc")
		d.tell(t, d.tests, "t2", "def")
		assert.Empty(t, trigger.fired(), "halves of different commits")
		time.Sleep(59 * time.Minute)
		d.tell(t, d.tests, "t1", "abc")
		require.Len(t, trigger.fired(), 1)
		f := trigger.fired()[0]
		assert.Equal(t, "i1", f.Events["image"].ID())
		assert.Equal(t, "t1", f.Events["tests"].ID())
		d.tell(t, d.tests, "t3", "abc")
		assert.Len(t, trigger.fired(), 1, "the image has been used")
		h := d.Health().Sensors[0]
		assert.Zero(t, h.InFlight)
		assert.EqualValues(t, 3, h.Actions[0].Joined)
		assert.Equal(t, 2, h.Actions[0].Pending)
		assert.NoError(t, d.end())
	})
}
