package hearken_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// third is a dependency beside the two.
func (d *deploy) third() *hearken.Dependency {
	return &hearken.Dependency{Name: "third", EventSource: d.source, Key: hearken.DataKey("commit")}
}

func TestJoinOfNestedConditions(t *testing.T) {
	// A step is the dependency that an event is for; a firing is the ids of its
	// events, which are numbered from 1.
	tests := []struct {
		name  string
		when  func(a, b, c *hearken.Dependency) hearken.Condition
		steps string
		want  []string // firings, with the step after which
	}{
		{"any of a pair and one", anyOfPair, "abc", []string{"2:a1b2", "3:c3"}},
		{"one uses up what waits beside it", anyOfPair, "acb", []string{"2:a1c2"}},
		{"all of a choice and one", allOfChoice, "ac", []string{"2:a1c2"}},
		{"all of the other choice and one", allOfChoice, "bc", []string{"2:b1c2"}},
		{"all of both choices and one", allOfChoice, "abc", []string{"3:a1b2c3"}},
		{"a choice that comes last", allOfChoice, "cbca", []string{"2:b2c1", "4:a4c3"}},
		{"nested", func(a, b, c *hearken.Dependency) hearken.Condition {
			return hearken.All(hearken.Any(hearken.All(a, b), hearken.All(b, c)), hearken.Any(a, c))
		}, "abcb", []string{"2:a1b2", "4:b4c3"}},
		{"the same dependency twice", func(a, b, _ *hearken.Dependency) hearken.Condition {
			return hearken.All(a, hearken.All(a, b), hearken.Any(b, a))
		}, "aab", []string{"3:a2b3"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				trigger := new(script)
				d := newDeploy(nil, trigger)
				third := d.third()
				d.built.Name, d.green.Name, third.Name = "a", "b", "c"
				d.Sensors[0].Actions[0].When = test.when(d.built, d.green, third)
				d.start(t)
				sources := map[rune]*hearken.EventSource{'a': d.image, 'b': d.tests, 'c': d.source}
				var got []string
				for i, step := range test.steps {
					before := len(trigger.fired())
					d.tell(t, sources[step], fmt.Sprint(i+1), "abc")
					for _, f := range trigger.fired()[before:] {
						var text strings.Builder
						for _, name := range []string{"a", "b", "c"} {
							if e, ok := f.Events[name]; ok {
								text.WriteString(name + e.ID())
							}
						}
						got = append(got, fmt.Sprintf("%d:%s", i+1, text.String()))
					}
				}
				assert.Equal(t, test.want, got)
				assert.Zero(t, d.Health().Sensors[0].InFlight)
				assert.NoError(t, d.end())
			})
		})
	}
}

func anyOfPair(a, b, c *hearken.Dependency) hearken.Condition {
	return hearken.Any(hearken.All(a, b), c)
}

func allOfChoice(a, b, c *hearken.Dependency) hearken.Condition {
	return hearken.All(hearken.Any(a, b), c)
}

func TestJoinOfOneEventThatServesTwoDependencies(t *testing.T) {
	tests := []struct {
		name string
		key  hearken.Key // of the second dependency
		want []map[string]string
	}{
		{"by one key", hearken.DataKey("commit"), []map[string]string{{"image": "1", "again": "1"}, {"image": "2", "again": "2"}}},
		{"by two keys", hearken.DataKey("parent"), []map[string]string{{"image": "1", "again": "2"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				trigger := new(script)
				d := newDeploy(nil, trigger)
				again := &hearken.Dependency{Name: "again", EventSource: d.image, Key: test.key}
				d.Sensors[0].Actions[0].When = hearken.All(d.built, again)
				d.start(t)
				for i, id := range []string{"1", "2"} {
					e := commitEvent(t, id, "")
					require.NoError(t, e.SetData("application/json", map[string]int{"commit": i + 1, "parent": i}))
					require.NoError(t, d.Emit(t.Context(), d.image, e))
					synctest.Wait()
				}
				var got []map[string]string
				for _, f := range trigger.fired() {
					got = append(got, ids(f))
				}
				assert.Equal(t, test.want, got)
				assert.Zero(t, d.Health().Sensors[0].InFlight)
				assert.NoError(t, d.end())
			})
		})
	}
}

func TestJoinOfTheLatestAndOfAQueue(t *testing.T) {
	tests := []struct {
		queue      bool
		want       []map[string]string
		superseded int
		pending    int
	}{
		{false, []map[string]string{{"image": "i3", "tests": "t1"}}, 2, 1},
		{true, []map[string]string{{"image": "i1", "tests": "t1"}, {"image": "i2", "tests": "t2"}}, 0, 1},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint("queue ", test.queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				trigger := new(script)
				d := newDeploy(func(a *hearken.Action) { a.Queue = test.queue }, trigger)
				d.start(t)
				for _, id := range []string{"i1", "i2", "i3"} {
					d.tell(t, d.image, id, "abc")
				}
				a := d.Health().Sensors[0].Actions[0]
				assert.EqualValues(t, 3, a.Joined)
				assert.Equal(t, 3-test.superseded, a.Pending)
				for _, id := range []string{"t1", "t2"} {
					d.tell(t, d.tests, id, "abc")
				}
				var got []map[string]string
				for _, f := range trigger.fired() {
					got = append(got, ids(f))
				}
				assert.Equal(t, test.want, got)
				a = d.Health().Sensors[0].Actions[0]
				assert.EqualValues(t, test.superseded, a.Superseded)
				assert.Equal(t, test.pending, a.Pending)
				assert.EqualValues(t, len(test.want), a.Fired)
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				a = d.Health().Sensors[0].Actions[0]
				assert.EqualValues(t, test.pending, a.Expired)
				assert.Zero(t, a.Pending)
				assert.NoError(t, d.end())
			})
		})
	}
}

func TestJoinLeavesAloneWhatMatchesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		d := newDeploy(nil, trigger)
		d.green.Filter = filterFunc(func(e hearken.Event) (bool, error) { return e.ID() != "red", nil })
		d.start(t)
		d.tell(t, d.image, "i1", "abc")
		d.tell(t, d.tests, "red", "abc")
		assert.Empty(t, trigger.fired())
		h := d.Health().Sensors[0]
		assert.Zero(t, h.InFlight)
		assert.EqualValues(t, 1, h.Actions[0].Joined)
		d.tell(t, d.tests, "green", "abc")
		assert.Len(t, trigger.fired(), 1)
		assert.NoError(t, d.end())
	})
}

func TestJoinWithoutKeysTakesEventsAsTheyCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trigger := new(script)
		d := newDeploy(func(a *hearken.Action) { a.Within, a.Queue = 0, true }, trigger)
		d.built.Key, d.green.Key = nil, nil
		d.start(t)
		d.tell(t, d.image, "i1", "abc")
		time.Sleep(20 * 24 * time.Hour)
		d.tell(t, d.tests, "t1", "def")
		require.Len(t, trigger.fired(), 1)
		assert.Equal(t, map[string]string{"image": "i1", "tests": "t1"}, ids(trigger.fired()[0]))
		assert.NoError(t, d.end())
	})
}

func TestJoinIsNamedByAllItsEventsInWhateverOrderTheyCome(t *testing.T) {
	fire := func(ids ...string) (id string) {
		synctest.Test(t, func(t *testing.T) {
			trigger := new(script)
			d := newDeploy(nil, trigger)
			d.start(t)
			for _, id := range ids {
				s := d.image
				if id[0] == 't' {
					s = d.tests
				}
				d.tell(t, s, id, "abc")
			}
			require.Len(t, trigger.fired(), 1)
			id = trigger.fired()[0].ID
			assert.NoError(t, d.end())
		})
		return id
	}
	assert.Equal(t, fire("i1", "t1"), fire("t1", "i1"))
	assert.NotEqual(t, fire("i1", "t1"), fire("i2", "t1"))
	assert.NotEqual(t, fire("i1", "t1"), fire("i1", "t2"))
}
