package embedded_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the store is beyond the contract: a key-value bucket.

func newStore(t testing.TB, c natsbus.Config) (bus.Store, jetstream.JetStream) {
	b, nc := newBus(t, c)
	s, err := b.Store(t.Context())
	require.NoError(t, err)
	return s, jetStream(t, nc)
}

func set(t testing.TB, s bus.Store, key string, value []byte) {
	t.Helper()
	require.NoError(t, s.Update(t.Context(), key, func([]byte) ([]byte, error) { return value, nil }))
}

func keys(t testing.TB, s bus.Store, prefix string) []string {
	t.Helper()
	found := map[string]bool{}
	for e, err := range s.List(t.Context(), prefix) {
		require.NoError(t, err)
		require.NotNil(t, e.Value)
		found[e.Key] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// Deleting values leaves nothing behind, and is possible when the store is full.
func TestStoreFull(t *testing.T) {
	b, nc := newBus(t, natsbus.Config{StoreMaxBytes: 20_000})
	s, err := b.Store(t.Context())
	require.NoError(t, err)
	value := make([]byte, 1000)
	set := func(key string, v []byte) error {
		return s.Update(t.Context(), key, func([]byte) ([]byte, error) { return v, nil })
	}
	n := 0
	for ; err == nil; n++ {
		err = set(fmt.Sprint("key/", n), value)
	}
	require.ErrorIs(t, err, bus.ErrFull)
	require.ErrorIs(t, set("large", make([]byte, 30_000)), bus.ErrRejected)
	for i := range n {
		require.NoError(t, set(fmt.Sprint("key/", i), nil))
	}
	st, err := jetStream(t, nc).Stream(t.Context(), "KV_hearken")
	require.NoError(t, err)
	info, err := st.Info(t.Context())
	require.NoError(t, err)
	assert.Zero(t, info.State.Msgs)
	require.NoError(t, set("again", value))
}

// The tools of NATS show the store as a bucket, in which a deleted key has left
// nothing.
func TestStoreIsABucket(t *testing.T) {
	s, js := newStore(t, natsbus.Config{})
	set(t, s, "app/cursor", []byte("42"))
	set(t, s, "app/"+strings.Repeat("long", 50), []byte("hashed"))
	set(t, s, "app/gone", []byte("43"))
	set(t, s, "app/gone", nil)
	kv, err := js.KeyValue(t.Context(), "hearken")
	require.NoError(t, err)
	e, err := kv.Get(t.Context(), "app.cursor")
	require.NoError(t, err)
	assert.Equal(t, "42", string(e.Value()))
	_, err = kv.Get(t.Context(), "app.gone")
	require.ErrorIs(t, err, jetstream.ErrKeyNotFound)
	status, err := kv.Status(t.Context())
	require.NoError(t, err)
	assert.Equal(t, uint64(2), status.Values(), "no marker is left")
	watched, err := kv.WatchAll(t.Context())
	require.NoError(t, err)
	var seen []string
	for e := range watched.Updates() {
		if e == nil {
			break
		}
		seen = append(seen, e.Key())
	}
	require.NoError(t, watched.Stop())
	assert.Len(t, seen, 2)
	assert.Contains(t, seen, "app.cursor")
}

// An operator who sets or deletes a key with the tools of NATS has done so.
func TestStoreHeedsOtherClients(t *testing.T) {
	s, js := newStore(t, natsbus.Config{})
	kv, err := js.KeyValue(t.Context(), "hearken")
	require.NoError(t, err)
	set(t, s, "app/cursor", []byte("42"))
	_, err = kv.PutString(t.Context(), "app.cursor", "40")
	require.NoError(t, err)
	_, err = kv.PutString(t.Context(), "app.added", "1")
	require.NoError(t, err)
	got, err := s.Get(t.Context(), "app/cursor")
	require.NoError(t, err)
	assert.Equal(t, "40", string(got))
	assert.Equal(t, []string{"app/added", "app/cursor"}, keys(t, s, "app/"))

	require.NoError(t, kv.Delete(t.Context(), "app.cursor"))
	require.NoError(t, kv.Delete(t.Context(), "app.added"))
	got, err = s.Get(t.Context(), "app/cursor")
	require.NoError(t, err)
	assert.Nil(t, got)
	assert.Empty(t, keys(t, s, "app/"))
	require.NoError(t, s.Update(t.Context(), "app/cursor", func(old []byte) ([]byte, error) {
		assert.Nil(t, old)
		return []byte("1"), nil
	}))
	set(t, s, "app/added", nil)
	assert.Equal(t, []string{"app/cursor"}, keys(t, s, ""))
}

// A bucket of that name that refuses to delete is of no use, and is said to be.
func TestStoreOnABucketOfAnother(t *testing.T) {
	_, nc := newBus(t, natsbus.Config{})
	_, err := jetStream(t, nc).CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "other", Storage: jetstream.MemoryStorage})
	require.NoError(t, err)
	_, err = natsbus.Open(t.Context(), nc, natsbus.Config{Name: "other", Storage: jetstream.MemoryStorage})
	var mismatch *natsbus.MismatchError
	require.ErrorAs(t, err, &mismatch)
	assert.Equal(t, "KV_other", mismatch.Stream)
	require.ErrorContains(t, err, "delete")
}

// What f returns as it was is not written again.
func TestStoreWritesWhatChanges(t *testing.T) {
	s, js := newStore(t, natsbus.Config{})
	set(t, s, "key", []byte("value"))
	last := func() uint64 {
		st, err := js.Stream(t.Context(), "KV_hearken")
		require.NoError(t, err)
		return st.CachedInfo().State.LastSeq
	}
	before := last()
	set(t, s, "key", []byte("value"))
	set(t, s, "none", nil)
	assert.Equal(t, before, last())
	require.NoError(t, s.Update(t.Context(), "key", func(old []byte) ([]byte, error) {
		old[0] = 'V' // in place
		return old, nil
	}))
	got, err := s.Get(t.Context(), "key")
	require.NoError(t, err)
	assert.Equal(t, "Value", string(got))
	set(t, s, "key", []byte{})
	set(t, s, "key", nil)
	assert.Empty(t, keys(t, s, ""))
}
