package resource

import (
	"context"
	"iter"
	"time"

	"github.com/hearken-go/hearken/bus"
)

// bounded is a Store of which no access takes longer than storeTimeout: one that
// hangs is in trouble, and is asked again.
type bounded struct{ bus.Store }

func (b bounded) Get(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return b.Store.Get(ctx, key)
}

func (b bounded) Update(ctx context.Context, key string, f func(old []byte) ([]byte, error)) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return b.Store.Update(ctx, key, f)
}

// List bounds the wait for each entry.
func (b bounded) List(ctx context.Context, prefix string) iter.Seq2[bus.Entry, error] {
	return func(yield func(bus.Entry, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		late := time.AfterFunc(storeTimeout, func() { cancel(context.DeadlineExceeded) })
		defer late.Stop()
		for e, err := range b.Store.List(ctx, prefix) {
			late.Stop()
			if err != nil && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			if !yield(e, err) {
				return
			}
			late.Reset(storeTimeout)
		}
	}
}
