package kubetest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAsksAgainWhereNoAnswerComes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, asked := &process{done: make(chan struct{})}, 0
		require.NoError(t, p.wait(t.Context(), func(ctx context.Context) error {
			if asked++; asked < 3 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}))
		assert.Equal(t, 3, asked)

		refused := false
		err := p.wait(t.Context(), func(ctx context.Context) error {
			if !refused {
				refused = true
				return errors.New("still starting")
			}
			time.Sleep(patience)
			return ctx.Err()
		})
		assert.ErrorContains(t, err, "still starting", "what it said last")
	})
}
