package sourcetest

import "testing"

// Failing returns the names of the cases that the sources of h fail, with why.
func Failing(t *testing.T, h Harness) map[string]error {
	failing := map[string]error{}
	for _, c := range h.cases() {
		t.Run(c.name, func(t *testing.T) {
			h.within(t, func(t *testing.T) {
				if err := h.prove(t, c); err != nil {
					failing[c.name] = err
				}
			})
		})
	}
	return failing
}

// Clauses returns the sentence that each case proves, by name.
func Clauses() map[string]string {
	clauses := map[string]string{}
	for _, c := range (Harness{Concurrent: true}).cases() {
		clauses[c.name] = c.clause
	}
	return clauses
}
