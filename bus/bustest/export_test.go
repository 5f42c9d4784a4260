package bustest

import (
	"slices"
	"testing"
)

// Verdicts proves the cases of h that want names (all, if it is nil) and
// returns what each found, nil for a case that passed.
func Verdicts(t *testing.T, h Harness, want []string) map[string]error {
	t.Helper()
	found := map[string]error{}
	for _, c := range h.cases() {
		if want == nil || slices.Contains(want, c.name) {
			within(t, true, func(t *testing.T) { found[c.name] = c.check(t) })
		}
	}
	return found
}

// Clauses returns the clause of each case of h by the case's name.
func Clauses(h Harness) map[string]string {
	clauses := map[string]string{}
	for _, c := range h.cases() {
		clauses[c.name] = c.clause
	}
	return clauses
}
