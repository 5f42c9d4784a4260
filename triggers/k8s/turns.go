package k8s

import (
	"context"
	"sync"
)

// turns has those who change the same object do so one after the other: all at
// once they would be in each other's way. The zero value is ready.
type turns struct {
	mu sync.Mutex
	of map[string]*turn
}

// turn is whose it is to change an object.
type turn struct {
	taken chan struct{} // holds one value while it is
	users int           // who have it or wait for it
}

// take waits for the turn at what key names, or for the end of ctx, whose error it
// returns then. It is given back by the function that it returns.
func (t *turns) take(ctx context.Context, key string) (giveBack func(), err error) {
	one := t.enter(key)
	select {
	case one.taken <- struct{}{}:
		return func() {
			<-one.taken
			t.leave(key, one)
		}, nil
	case <-ctx.Done():
		t.leave(key, one)
		return nil, ctx.Err()
	}
}

func (t *turns) enter(key string) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = make(map[string]*turn)
	}
	one := t.of[key]
	if one == nil {
		one = &turn{taken: make(chan struct{}, 1)}
		t.of[key] = one
	}
	one.users++
	return one
}

func (t *turns) leave(key string, one *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one.users--; one.users == 0 {
		delete(t.of, key)
	}
}
