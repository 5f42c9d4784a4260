package memory_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Two Receives wait for a place; the one that is to have it ends. The place is
// the other's then.
func TestAReceiveThatEndsLeavesItsPlaceToAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b memory.Bus
		s, err := b.Subscribe(t.Context(), bus.Group{Name: "group", Topics: []bus.Topic{created()}, InFlight: 1})
		require.NoError(t, err)
		require.NoError(t, b.Publish(t.Context(), created(), newEvent("1")))
		held, err := s.Receive(t.Context())
		require.NoError(t, err)

		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = s.Receive(ctx) }()
		synctest.Wait()
		got := make(chan bus.Delivery, 1)
		go func() {
			if d, err := s.Receive(t.Context()); err == nil {
				got <- d
			}
		}()
		synctest.Wait()
		require.NoError(t, held.Ack(t.Context()))
		cancel()
		synctest.Wait()
		require.NoError(t, b.Publish(t.Context(), created(), newEvent("2")))
		synctest.Wait()
		assert.Len(t, got, 1, "an event is ready, a place is free, and a Receive waits")
		require.NoError(t, s.Close(t.Context()))
	})
}
