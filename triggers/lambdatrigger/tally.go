package lambdatrigger

import "sync"

// maxTally is how many firings a generation of a tally holds.
const maxTally = 4096

// tally counts the failures of firings. What the engine gives up is never
// forgotten by name, so the counts live in two generations, and a full one
// pushes the older one out. The zero value is ready to use.
type tally struct {
	mu         sync.Mutex
	young, old map[string]int
}

// add counts one more for id and returns the count.
func (t *tally) add(id string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := max(t.young[id], t.old[id]) + 1
	if t.young == nil || len(t.young) >= maxTally {
		t.young, t.old = make(map[string]int), t.young
	}
	t.young[id] = n
	return n
}

func (t *tally) forget(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.young, id)
	delete(t.old, id)
}
