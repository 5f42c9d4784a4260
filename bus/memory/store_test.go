package memory_test

import (
	"context"
	"testing"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStoreRefusesMistakes(t *testing.T) {
	var s memory.Store
	set := func([]byte) ([]byte, error) { return []byte("value"), nil }
	assert.EqualError(t, s.Update(t.Context(), "", set), "memory: the key is empty")
	_, err := s.Get(t.Context(), "")
	assert.EqualError(t, err, "memory: the key is empty")

	large := func([]byte) ([]byte, error) { return make([]byte, 1<<20+1), nil }
	err = s.Update(t.Context(), "key", large)
	require.ErrorIs(t, err, bus.ErrRejected)
	assert.EqualError(t, err, "bus: rejected: the value has 1048577 bytes, MaxValue is 1048576")
}

func TestStoreEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var s memory.Store
	set := func([]byte) ([]byte, error) { return []byte("value"), nil }
	require.NoError(t, s.Update(ctx, "one", set))
	require.NoError(t, s.Update(ctx, "two", set))
	yielded := 0
	var ended error
	for _, err := range s.List(ctx, "") {
		yielded++
		ended = err
		cancel()
	}
	assert.Equal(t, 2, yielded, "one entry, and the error that ends the sequence")
	assert.ErrorIs(t, ended, context.Canceled)
	assert.ErrorIs(t, s.Update(ctx, "one", set), context.Canceled)
	_, err := s.Get(ctx, "one")
	assert.ErrorIs(t, err, context.Canceled)
}

// TestStoreKeepsItsOwn changes all that the store was given or has given.
func TestStoreKeepsItsOwn(t *testing.T) {
	var s memory.Store
	given := []byte("value")
	require.NoError(t, s.Update(t.Context(), "key", func([]byte) ([]byte, error) { return given, nil }))
	given[0] = 'X'
	for e, err := range s.List(t.Context(), "") {
		require.NoError(t, err)
		e.Value[0] = 'Y'
	}
	got, err := s.Get(t.Context(), "key")
	require.NoError(t, err)
	assert.Equal(t, "value", string(got))
}
