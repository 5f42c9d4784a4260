package hearken

import (
	"context"
	"iter"
	"strings"

	"github.com/hearken-go/hearken/bus"
)

// corner is a part of a Store whose keys all begin alike.
type corner struct {
	store  bus.Store
	prefix string
}

// sourceCorner is where an event source keeps what it must remember.
func sourceCorner(pipeline string, t bus.Topic) string {
	return "source/" + pathOf(pipeline, t.EventSource, t.Event) + "/"
}

// joinCorner is where a sensor keeps what waits for a join.
func joinCorner(pipeline, sensor string) string {
	return "join/" + pathOf(pipeline, sensor) + "/"
}

// pathOf joins names by slashes, readable and such that no two lists of the same
// length are alike.
func pathOf(names ...string) string {
	escape := strings.NewReplacer("%", "%25", "/", "%2F")
	escaped := make([]string, len(names))
	for i, n := range names {
		escaped[i] = escape.Replace(n)
	}
	return strings.Join(escaped, "/")
}

// nameOf returns the name that pathOf made an element of.
func nameOf(element string) string {
	return strings.NewReplacer("%2F", "/", "%25", "%").Replace(element)
}

func (c corner) Get(ctx context.Context, key string) ([]byte, error) {
	return c.store.Get(ctx, c.prefix+key)
}

func (c corner) Update(ctx context.Context, key string, f func(old []byte) ([]byte, error)) error {
	return c.store.Update(ctx, c.prefix+key, f)
}

func (c corner) List(ctx context.Context, prefix string) iter.Seq2[bus.Entry, error] {
	return func(yield func(bus.Entry, error) bool) {
		for e, err := range c.store.List(ctx, c.prefix+prefix) {
			e.Key = strings.TrimPrefix(e.Key, c.prefix)
			if !yield(e, err) {
				return
			}
		}
	}
}
