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

// sourceCorner names the corner of an event source, such that no two are alike.
func sourceCorner(pipeline string, t bus.Topic) string {
	escape := strings.NewReplacer("%", "%25", "/", "%2F")
	return "source/" + escape.Replace(pipeline) + "/" + escape.Replace(t.EventSource) + "/" + escape.Replace(t.Event) + "/"
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
