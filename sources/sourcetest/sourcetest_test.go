package sourcetest_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSourcesThatKeepTheContract(t *testing.T) {
	tests := []struct {
		name   string
		source func(*source)
		adjust func(*sourcetest.Harness)
	}{
		{"queue", func(*source) {}, func(*sourcetest.Harness) {}},
		{"outside a bubble", func(*source) {}, func(h *sourcetest.Harness) {
			h.Bubble, h.Quiet = false, 20*time.Millisecond
		}},
		{"anonymous happenings", func(s *source) { s.noIDs = true }, func(h *sourcetest.Harness) { h.Anonymous = true }},
		{"one at a time", func(s *source) { s.workers = 1 }, func(h *sourcetest.Harness) { h.Concurrent = false }},
		{"an upstream that tells of each twice", func(s *source) { s.workers = 1 }, func(h *sourcetest.Harness) {
			h.Concurrent = false // the second could be stored while the first waits
			made := h.New
			h.New = func(t testing.TB) sourcetest.Upstream {
				u := made(t)
				once := u.Produce
				u.Produce = func(ctx context.Context, n int) error { return errors.Join(once(ctx, n), once(ctx, n)) }
				return u
			}
		}},
		{"an upstream that is told nothing", func(*source) {}, untold},
		{"an upstream that must be made to send again", func(s *source) { s.endForgets = true }, func(h *sourcetest.Harness) {
			made := h.New
			h.New = func(t testing.TB) sourcetest.Upstream {
				u := made(t)
				u.Resend = u.Produce
				return resendsOnce(u)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := harness(tt.source)
			tt.adjust(&h)
			sourcetest.Run(t, h)
		})
	}
}

func untold(h *sourcetest.Harness) {
	made := h.New
	h.New = func(t testing.TB) sourcetest.Upstream {
		u := made(t)
		u.Outcome = nil
		return u
	}
}

// resendsOnce makes the outcome of a message that is sent again pending.
func resendsOnce(u sourcetest.Upstream) sourcetest.Upstream {
	q := u.Source.(*source).queue
	u.Resend = func(ctx context.Context, n int) error {
		q.tell(n, sourcetest.Pending)
		return q.produce(ctx, n)
	}
	return u
}

func TestSourcesThatBreakTheContract(t *testing.T) {
	tests := []struct {
		name  string
		fault func(*source)
		fails string
		why   string
	}{
		{"invalid", func(s *source) { s.invalid = true }, "validates", "a mistake"},
		{"ends after one event", func(s *source) { s.endsEarly = true }, "emits until its context ends", "before its context had ended"},
		{"ends when the bus is full", func(s *source) { s.fullEndsRun = true }, "tells upstream that there is no room", "Run returned"},
		{"ignores its context", func(s *source) { s.ignoresContext = true }, "returns when its context ends", "did not return within 30s"},
		{"returns another error", func(s *source) { s.otherError = true }, "returns when its context has ended", "not the context's error"},
		{"leaves a goroutine", func(s *source) { s.leaks = true }, "leaves no goroutines", "were not gone"},
		{"runs only once", func(s *source) { s.onlyOnce = true }, "runs again", "did not become settled"},
		{"forgets what failed", func(s *source) { s.errorDrops = true }, "emits again what was not settled when Run ended", "did not become settled"},
		{"forgets what failed, and says so", func(s *source) { s.endForgets = true }, "emits again after any other error", "not called 2 times"},
		{"settles first", func(s *source) { s.settlesFirst = true }, "settles only after Emit", "before Emit had returned"},
		{"settles what found no room", func(s *source) { s.fullSettles = true }, "tells upstream that there is no room", "done with"},
		{"refuses what found no room", func(s *source) { s.fullRefuses = true }, "loses nothing while there is no room", "not called 3 times"},
		{"drops what found no room", func(s *source) { s.fullDrops = true }, "loses nothing while there is no room", "not called 3 times"},
		{"settles what is never taken", func(s *source) { s.neverSettles = true }, "tells upstream that an event will never be taken", "is settled"},
		{"stops at what is never taken", func(s *source) { s.neverRepeats, s.workers = true, 1 }, "goes on after an event that will never be taken", "[1] did not become settled"},
		{"settles what failed", func(s *source) { s.errorSettles = true }, "emits again after any other error", "not called 2 times"},
		{"makes up ids", func(s *source) { s.newIDs = true }, "emits again after any other error", `id "new1" and then with id "new2"`},
		{"has one id for all", func(s *source) { s.oneID = true }, "gives distinct happenings distinct ids", `id "one"`},
		{"has no ids", func(s *source) { s.noIDs = true }, "gives distinct happenings distinct ids", "has no id"},
		{"has no type", func(s *source) { s.noType = true }, "emits valid events", "no type"},
		{"has bad data", func(s *source) { s.badJSON = true }, "emits valid events", "not valid JSON"},
		{"reuses the data", func(s *source) { s.reusesData, s.workers = true, 1 }, "leaves emitted events alone", "was changed after Emit"},
		{"is serial", func(s *source) { s.workers = 1 }, "does not let one happening wait for another", "[1] did not become settled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			failing := sourcetest.Failing(t, harness(tt.fault))
			require.Contains(t, failing, tt.fails)
			assert.ErrorContains(t, failing[tt.fails], tt.why)
		})
	}
}

// Two faults of a source with no upstream to tell.
func TestUntoldSourcesThatBreakTheContract(t *testing.T) {
	for name, tt := range map[string]struct {
		fault func(*source)
		fails string
	}{
		"drops what found no room":    {func(s *source) { s.fullDrops = true }, "loses nothing while there is no room"},
		"ends at what is never taken": {func(s *source) { s.endsEarly = true }, "tells upstream that an event will never be taken"},
	} {
		t.Run(name, func(t *testing.T) {
			h := harness(tt.fault)
			untold(&h)
			assert.Contains(t, sourcetest.Failing(t, h), tt.fails)
		})
	}
}

func TestEventsWithoutContext(t *testing.T) {
	failing := sourcetest.Failing(t, sourcetest.Harness{
		Bubble: true,
		New: func(testing.TB) sourcetest.Upstream {
			q := newQueue()
			return sourcetest.Upstream{
				Produce: q.produce,
				Outcome: q.outcome,
				Source: hearken.SourceFunc(func(ctx context.Context, out hearken.Output) error {
					for {
						select {
						case <-ctx.Done():
							return nil
						case n := <-q.messages:
							if out.Emit(ctx, hearken.Event{}) == nil {
								q.tell(n, sourcetest.Settled)
							}
						}
					}
				}),
			}
		},
	})
	assert.ErrorContains(t, failing["emits valid events"], "no type")
}

// TestClausesAreQuoted keeps the sentences of the cases those of package
// hearken.
func TestClausesAreQuoted(t *testing.T) {
	var doc strings.Builder
	for _, file := range []string{"../../eventsource.go", "../../errors.go"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		doc.Write(text)
	}
	spoken := regexp.MustCompile(`\s*//\s*|\s+`).ReplaceAllString(doc.String(), " ")
	remark := regexp.MustCompile(` \([A-Z][^)]*\.\)$`)
	for name, clause := range sourcetest.Clauses() {
		assert.Contains(t, spoken, remark.ReplaceAllString(clause, ""), name)
	}
}

func TestOutcomeString(t *testing.T) {
	for o, want := range map[sourcetest.Outcome]string{
		sourcetest.Pending: "pending", sourcetest.Later: "later", sourcetest.Refused: "refused",
		sourcetest.Settled: "settled", 9: "unknown",
	} {
		assert.Equal(t, want, o.String())
	}
}
