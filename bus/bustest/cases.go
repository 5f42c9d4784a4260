package bustest

import (
	"slices"
	"testing"
)

// busCase is a clause that every bus keeps, or every bus of a harness that can
// do what the proof needs.
type busCase struct {
	name    string
	clause  string
	needs   func(h Harness) bool // nil: nothing
	promise Feature              // left out when the bus lacks it
	prove   func(p *probe)
}

func (h Harness) cases() []testCase {
	all := slices.Concat(publishCases(), dedupeCases(), roomCases(), eventCases(), groupCases(), topicCases(), receiveCases(),
		settleCases(), floorCases(), closeCases(), deadLetterCases(), listCases(), crashCases())
	var out []testCase
	for _, c := range all {
		if h.Lacks&c.promise != 0 || c.needs != nil && !c.needs(h) {
			continue
		}
		out = append(out, testCase{c.name, c.clause, func(t testing.TB) (err error) {
			p := newProbe(t, h)
			defer p.end()
			defer caught(&err)
			c.prove(p)
			return nil
		}})
	}
	if h.Lacks&Store == 0 {
		out = append(out, h.storeCases()...)
	}
	return out
}

// What the proofs need of a harness.
func small(h Harness) bool       { return h.Small != nil }
func kill(h Harness) bool        { return h.Kill != nil }
func crash(h Harness) bool       { return h.Crash != nil }
func outage(h Harness) bool      { return h.Outage != nil }
func loseAcks(h Harness) bool    { return h.LoseAcks != nil }
func loseAnswers(h Harness) bool { return h.LoseAnswers != nil }
func tooLarge(h Harness) bool    { return h.TooLarge > 0 }
func shortWindow(h Harness) bool { return h.DedupeWindow > 0 }
