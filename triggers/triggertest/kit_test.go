package triggertest_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

func TestRunOnAGoodTrigger(t *testing.T) { triggertest.Run(t, harness("")) }

// Each flaw fails the cases that are about it, and no others.
func TestRunOnFlawedTriggers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		flaw string
		want []string
	}{
		{"", nil},
		{"does nothing", []string{"bad outcome", "concurrent", "good outcome", "idempotency key", "retry"}},
		{"takes a refusal for success", []string{"bad outcome", "idempotency key", "retry"}},
		{"gives up on a refusal that passes", []string{"bad outcome"}},
		{"keeps an error for ever", []string{"idempotency key", "retry"}},
		{"makes up a key for each attempt", []string{"concurrent", "good outcome", "idempotency key"}},
		{"fails on a key that it has seen", []string{"fired again"}},
		{"changes the data", []string{"events unchanged"}},
		{"changes an attribute", []string{"events unchanged"}},
		{"adds an event", []string{"events unchanged"}},
		{"takes a zero event", []string{"absent event"}},
		{"panics without an event", []string{"absent event"}},
		{"does not notice that the target is away", []string{"unreachable"}},
		{"gives up when the target is away", []string{"unreachable"}},
		{"ignores its context", []string{"cancelled", "deadline", "nothing left"}},
		{"hides the context's error", []string{"cancelled", "deadline"}},
		{"takes the end of its context for success", []string{"cancelled", "deadline"}},
		{"gives up when its context ends", []string{"cancelled", "deadline"}},
		{"does not look at an ended context", []string{"ended before"}},
		{"cannot be called concurrently", []string{"concurrent"}},
		{"leaks a goroutine", []string{"nothing left"}},
		{"fires in Validate", []string{"validate"}},
		{"dials in Validate", []string{"validate"}},
		{"refuses itself", []string{"validate"}},
		{"finds no mistakes", []string{"mistakes"}},
		{"does not say where", []string{"mistakes"}},
		{"says a wrong place", []string{"mistakes"}},
		{"reads from nowhere", []string{"reads"}},
	}
	for _, tt := range tests {
		t.Run(tt.flaw, func(t *testing.T) {
			t.Parallel()
			h := harness(tt.flaw)
			h.Soon = 3 * time.Second
			failed := triggertest.Failing(t, h)
			assert.Equal(t, tt.want, slices.Sorted(maps.Keys(failed)), "%v", failed)
			for name, said := range failed {
				assert.Contains(t, said, "the contract: ", name)
			}
		})
	}
}

func TestRunWantsAWholeTarget(t *testing.T) {
	whole := (&fake{}).target()
	tests := []struct {
		field string
		cut   func(*triggertest.Target)
	}{
		{"Trigger", func(t *triggertest.Target) { t.Trigger = nil }},
		{"Keys", func(t *triggertest.Target) { t.Keys = nil }},
		{"Refuse", func(t *triggertest.Target) { t.Refuse = nil }},
		{"Hang", func(t *triggertest.Target) { t.Hang = nil }},
		{"Away", func(t *triggertest.Target) { t.Away = nil }},
	}
	for _, tt := range tests {
		t.Run(tt.field, func(t *testing.T) {
			failed := triggertest.Failing(t, triggertest.Harness{New: func(testing.TB) triggertest.Target {
				target := whole
				tt.cut(&target)
				return target
			}})
			assert.ElementsMatch(t, triggertest.ClauseNames(), slices.Collect(maps.Keys(failed)))
			assert.Contains(t, failed["good outcome"], "has no "+tt.field)
		})
	}
}

// A trigger that is neither Validator nor Reader passes, unless mistakes are
// said to be found.
func TestRunOnAPlainTrigger(t *testing.T) {
	h := harness("")
	good := h.New
	h.New = func(tb testing.TB) triggertest.Target {
		target := good(tb)
		target.Trigger = hearken.TriggerFunc(target.Trigger.Fire)
		return target
	}
	h.Broken = nil
	triggertest.Run(t, h)

	h.Broken = map[string]hearken.Trigger{"URL": hearken.TriggerFunc(nil)}
	failed := triggertest.Failing(t, h)
	assert.Equal(t, []string{"mistakes"}, slices.Collect(maps.Keys(failed)))
}
