package triggertest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

func event(t *testing.T, id string, data any) hearken.Event {
	t.Helper()
	e, err := hearken.NewEvent("example", id, data)
	require.NoError(t, err)
	return e
}

func TestNewFiringStampsWhatIsEmpty(t *testing.T) {
	given := event(t, "", 1)
	f := triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{push: given})
	e, err := f.Event(push)
	require.NoError(t, err)
	require.NoError(t, e.Validate())
	assert.Equal(t, "push-1", e.ID())
	assert.Equal(t, "git", e.Source())
	assert.Equal(t, "push", e.Subject())
	assert.Empty(t, given.ID(), "the given event is not changed")
	assert.Equal(t, 1, f.Attempt)
	assert.NotEmpty(t, f.Pipeline)
	assert.NotEmpty(t, f.Sensor)
	assert.NotEmpty(t, f.Action)
}

func TestNewFiringKeepsWhatIsThere(t *testing.T) {
	given := event(t, "x", 1)
	given.SetSource("other")
	given.SetSubject("main")
	named := &hearken.Dependency{Name: "named", EventSource: push.EventSource}
	bare := &hearken.Dependency{Name: "bare"}
	f := triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{named: given, bare: event(t, "", 2)})
	assert.Equal(t, "x", f.Events["named"].ID())
	assert.Equal(t, "other", f.Events["named"].Source())
	assert.Equal(t, "main", f.Events["named"].Subject())
	assert.Equal(t, "bare-1", f.Events["bare"].ID())
}

func TestNewFiringID(t *testing.T) {
	id := func(e hearken.Event) string {
		return triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{push: e}).ID
	}
	assert.Regexp(t, "^[0-9a-f]{32}$", id(event(t, "1", 1)))
	assert.Equal(t, id(event(t, "1", 1)), id(event(t, "1", 1)))
	assert.NotEqual(t, id(event(t, "1", 1)), id(event(t, "2", 1)))
	assert.NotEqual(t, id(event(t, "1", 1)), id(event(t, "1", 2)))
	assert.Regexp(t, "^[0-9a-f]{32}$", triggertest.NewFiring(nil).ID)
}
