package hearken_test

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const day = 24 * time.Hour

// newLasting is a deploy whose halves wait for long, over a store of its own.
func newLasting(trigger hearken.Trigger) *deploy {
	d := newDeploy(func(a *hearken.Action) { a.Within = 90 * day }, trigger)
	d.Store = &memory.Store{}
	return d
}

// without takes the sensor of the joins out of the pipeline, which collects its
// dead letters instead.
func (d *deploy) without() *script {
	d.Sensors = nil
	return d.graves()
}

// stored returns the keys of the store below a prefix.
func (d *deploy) stored(t *testing.T, prefix string) (keys []string) {
	t.Helper()
	for item, err := range d.Store.List(t.Context(), prefix) {
		require.NoError(t, err)
		keys = append(keys, item.Key)
	}
	return keys
}

func TestWhatWaitsForARemovedSensorIsDeadLettered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := newLasting(new(script))
		old.start(t)
		old.tell(t, old.image, "i1", "abc")
		require.NoError(t, old.end())

		deployed := newLasting(new(script)).on(old)
		graves := deployed.without()
		out := logged(deployed.fixture, slog.LevelWarn)
		deployed.start(t)
		time.Sleep(7*day - time.Hour)
		synctest.Wait()
		assert.Empty(t, graves.letters(), "it may come back")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Len(t, graves.letters(), 1)
		letter := graves.letters()["i1"]
		assert.Equal(t, "s", text(letter, "hearkensensor"))
		assert.Equal(t, "it waited for an action that runs nowhere any more", text(letter, "hearkenerror"))

		time.Sleep(15 * day)
		synctest.Wait()
		assert.Len(t, graves.letters(), 1)
		assert.Equal(t, []string{"join/test/s/hours"}, deployed.stored(t, "join"), "all else is forgotten")
		assert.NoError(t, deployed.end())
		assert.Contains(t, out.String(), `msg="no process runs a sensor that events wait for" pipeline=test sensor=s waiting=1 oldest=2000-01-01T00:00:00.000Z`)
		assert.Contains(t, out.String(), "dead_lettered_after=2000-01-08T00:00:00.000Z")
	})
}

func TestWhatWaitsForASensorOfAnotherProcessStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		there := newLasting(trigger)
		here := newLasting(new(script)).on(there)
		graves := here.without()
		out := logged(here.fixture, slog.LevelWarn)
		there.start(t)
		here.start(t)
		there.tell(t, there.image, "i1", "abc")
		time.Sleep(10 * day)
		require.NoError(t, there.end())
		time.Sleep(6 * day)
		there = newLasting(trigger).on(there)
		there.start(t)
		time.Sleep(10 * day)
		assert.Empty(t, graves.letters())
		there.tell(t, there.tests, "t1", "abc")
		assert.Len(t, trigger.fired(), 1)
		assert.NoError(t, here.end())
		assert.NoError(t, there.end())
		assert.Contains(t, out.String(), "no process runs a sensor")
	})
}

// Nobody says for long that a sensor runs while nothing does.
func TestWhatWaitsOutlivesLongSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		there := newLasting(trigger)
		there.start(t)
		there.tell(t, there.image, "i1", "abc")
		require.NoError(t, there.end())
		time.Sleep(30 * day)
		here := newLasting(new(script)).on(there)
		graves := here.without()
		here.start(t)
		time.Sleep(59 * time.Minute)
		there = newLasting(trigger).on(there)
		there.start(t)
		time.Sleep(3 * day)
		assert.Empty(t, graves.letters(), "who is to run it may start later than others")
		there.tell(t, there.tests, "t1", "abc")
		assert.Len(t, trigger.fired(), 1)
		assert.NoError(t, here.end())
		assert.NoError(t, there.end())
	})
}

func TestWhatWaitsForAnActionThatIsGoneIsDeadLettered(t *testing.T) {
	for name, change := range map[string]func(*deploy, *hearken.Action){
		"renamed":       func(_ *deploy, a *hearken.Action) { a.Name = "another" },
		"joins no more": func(d *deploy, a *hearken.Action) { a.When, a.Within = d.built, 0 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				old := newLasting(new(script))
				old.start(t)
				old.tell(t, old.image, "i1", "abc")
				require.NoError(t, old.end())
				deployed := newLasting(new(script)).on(old)
				change(deployed, &deployed.Sensors[0].Actions[0])
				graves := deployed.graves()
				deployed.start(t)
				time.Sleep(14 * time.Minute)
				synctest.Wait()
				assert.Empty(t, graves.letters())
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				require.Len(t, graves.letters(), 1)
				assert.Equal(t, "it waited for an action that runs nowhere any more", text(graves.letters()["i1"], "hearkenerror"))
				assert.NoError(t, deployed.end())
			})
		})
	}
}

func TestRegisterOfSensorsIsDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newLasting(new(script))
		graves := d.without()
		d.Name = "a/b"
		const key = "joins/a%2Fb/%25 gone"
		require.NoError(t, d.Store.Update(t.Context(), key, func([]byte) ([]byte, error) { return []byte("?"), nil }))
		out := logged(d.fixture, slog.LevelWarn)
		d.start(t)
		synctest.Wait()
		assert.Equal(t, []string{key}, d.stored(t, "joins/"))
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		assert.Empty(t, d.stored(t, "joins/"), "nothing waits for it")
		assert.Empty(t, graves.letters())
		assert.NoError(t, d.end())
		assert.Contains(t, out.String(), `sensor \"% gone\": its place in the register is damaged`)
	})
}

func TestStoreThatFailsKeepsNoSensorFromStartingThatNeedsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		d := newDeploy(func(a *hearken.Action) { a.Within = 0 }, trigger)
		d.Sensors[0].Actions[0].When = d.built
		store := new(joinStore)
		store.fail(errors.New("out of order"))
		d.Store = store
		out := logged(d.fixture, slog.LevelWarn)
		d.start(t)
		d.tell(t, d.image, "i1", "abc")
		synctest.Wait()
		assert.Len(t, trigger.fired(), 1)
		assert.NoError(t, d.end())
		assert.Contains(t, out.String(), `is not known until it starts again" pipeline=test sensor=s error="out of order"`)
	})
}
