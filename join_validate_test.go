package hearken_test

import (
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/stretchr/testify/assert"
)

func TestValidateOfJoins(t *testing.T) {
	const when = `Sensors["s"].Actions[0].`
	const alone = "is about joins, but one event is enough for the action's When"
	var schedule *nightly
	tests := []struct {
		name   string
		change func(d *deploy, a *hearken.Action)
		want   []string
	}{
		{"good", func(*deploy, *hearken.Action) {}, nil},
		{"mixed keys", func(d *deploy, _ *hearken.Action) { d.green.Key = nil }, []string{
			when + `When: joins dependencies with a Key (["image"]) and without (["tests"]): give all of them one, or none`,
		}},
		{"keys without a bound", func(_ *deploy, a *hearken.Action) { a.Within = 0 }, []string{
			when + "Within: is zero: a join by Key needs a bound, or what never finds its match is kept for ever",
		}},
		{"a reset is no bound", func(_ *deploy, a *hearken.Action) { a.Within, a.Reset = 0, daily{} }, []string{
			when + "Within: is zero: a join by Key needs a bound, or what never finds its match is kept for ever",
		}},
		{"a negative bound", func(_ *deploy, a *hearken.Action) { a.Within = -time.Second }, []string{when + "Within: is negative"}},
		{"no keys and no bound", func(d *deploy, a *hearken.Action) { d.built.Key, d.green.Key, a.Within = nil, nil, 0 }, nil},
		{"no store", func(d *deploy, _ *hearken.Action) { d.Bus = d.bus }, []string{
			when + "When: joins several events, which wait in a store: *hearken_test.scriptedBus has none of its own, so give Pipeline.Store",
		}},
		{"a store of its own", func(d *deploy, _ *hearken.Action) { d.Bus, d.Store = d.bus, new(memory.Store) }, nil},
		{"one event is enough", func(d *deploy, a *hearken.Action) {
			a.When, a.Reset, a.Queue = hearken.Any(d.built, d.green), daily{}, true
		}, []string{when + "Within: " + alone, when + "Reset: " + alone, when + "Queue: " + alone}},
		{"one event is enough, and keys do no harm", func(d *deploy, a *hearken.Action) {
			d.Bus, a.When, a.Within = d.bus, hearken.Any(d.built, d.green), 0
		}, nil},
		{"a choice beside a pair joins", func(d *deploy, a *hearken.Action) {
			a.When, a.Within = hearken.Any(hearken.All(d.built, d.green), d.third()), 0
		}, []string{when + "Within: is zero: a join by Key needs a bound, or what never finds its match is kept for ever"}},
		{"a nil schedule", func(_ *deploy, a *hearken.Action) { a.Reset = schedule }, []string{when + "Reset: is a nil *hearken_test.nightly"}},
		{"all at once", func(d *deploy, a *hearken.Action) {
			d.Bus, d.green.Key, a.Within, a.Reset = d.bus, nil, -1, schedule
		}, []string{
			when + "Within: is negative",
			when + "When: joins several events, which wait in a store: *hearken_test.scriptedBus has none of its own, so give Pipeline.Store",
			when + "Reset: is a nil *hearken_test.nightly",
			when + `When: joins dependencies with a Key (["image"]) and without (["tests"]): give all of them one, or none`,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDeploy(nil, new(script))
			test.change(d, &d.Sensors[0].Actions[0])
			assert.Equal(t, test.want, messages(t, d.Pipeline))
		})
	}
}

// nightly is a schedule that is used by pointer.
type nightly struct{ hour time.Duration }

func (n *nightly) Next(t time.Time) time.Time { return daily{}.Next(t).Add(n.hour) }
