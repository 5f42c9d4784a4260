package join

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const testLog = "log"

// bothOf is an action over two dependencies, both of which it needs.
func bothOf(a, b string) *Action {
	return &Action{
		Name: "action", Dependencies: []string{a, b}, Version: "v1", Seed: []byte("seed"), Within: time.Hour,
		Holds: func(has func(string) bool) bool { return has(a) && has(b) },
	}
}

// arrive makes an arrival with a key that is stored now.
func arrive(key string, seq uint64, deps ...string) *Arrival {
	e := event.New()
	e.SetID(strconv.FormatUint(seq, 10))
	e.SetSource("source")
	e.SetType("type")
	e.DataEncoded = []byte(`{"n":1}`)
	return &Arrival{
		Keyed: true, Key: key, Pos: bus.Pos{Log: testLog, Seq: seq}, Stored: time.Now(),
		Event: Event{Topic: bus.Topic{EventSource: "source", Event: "event"}, Original: e, Dependencies: deps},
	}
}

// recorder is a store that notes what is done with it.
type recorder struct {
	memory.Store
	before func(ctx context.Context, key string) error // each Update

	mu      sync.Mutex
	updated []string
	listed  []string
	yielded []string
}

func (r *recorder) Update(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
	r.mu.Lock()
	r.updated = append(r.updated, key)
	r.mu.Unlock()
	if r.before != nil {
		if err := r.before(ctx, key); err != nil {
			return err
		}
	}
	return r.Store.Update(ctx, key, func(old []byte) (kept []byte, err error) {
		for range 2 { // as when another update came between
			mine := slices.Clone(old)
			var value []byte
			value, err = f(mine)
			kept = slices.Clone(value)
			clear(mine) // neither may be kept
			clear(value)
		}
		return kept, err
	})
}

func (r *recorder) List(ctx context.Context, prefix string) iter.Seq2[bus.Entry, error] {
	r.mu.Lock()
	r.listed = append(r.listed, prefix)
	r.mu.Unlock()
	return func(yield func(bus.Entry, error) bool) {
		for e, err := range r.Store.List(ctx, prefix) {
			r.mu.Lock()
			r.yielded = append(r.yielded, e.Key)
			r.mu.Unlock()
			if !yield(e, err) {
				return
			}
		}
	}
}

// keys returns what is stored below a prefix, by key.
func keys(t *testing.T, s bus.Store, prefix string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for e, err := range s.List(t.Context(), prefix) {
		require.NoError(t, err)
		all[e.Key] = e.Value
	}
	return all
}

// one returns the only key below a prefix.
func one(t *testing.T, s bus.Store, prefix string, isPart bool) string {
	t.Helper()
	var found []string
	for k := range keys(t, s, prefix) {
		if strings.Contains(k, ".") == isPart {
			found = append(found, k)
		}
	}
	require.Len(t, found, 1)
	return found[0]
}

// engine returns an engine over a store. What it reports fails the test.
func engine(t *testing.T, s bus.Store, actions ...*Action) *Engine {
	t.Helper()
	return New(s, "join/", func(err error) { assert.NoError(t, err) }, actions...)
}

// take takes an arrival.
func take(t *testing.T, e *Engine, a *Action, arrival *Arrival) Outcome {
	t.Helper()
	out, err := e.Take(t.Context(), a, arrival)
	require.NoError(t, err)
	return out
}

// losses returns a Bury that keeps what it gets.
func losses(list *[]Loss) Bury {
	return func(_ context.Context, l Loss) error {
		*list = append(*list, l)
		return nil
	}
}

// settled is a floor at which all up to a position is settled.
func settled(seq uint64) bus.Floor {
	return bus.Floor{Time: time.Now(), Logs: map[string]uint64{testLog: seq}}
}
