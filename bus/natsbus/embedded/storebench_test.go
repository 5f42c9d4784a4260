package embedded_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// BenchmarkStore measures the store in key-value operations: what the same costs
// with the KeyValue of nats.go on the same server and files, with the same keys
// and values of 110 bytes, done in turn with it. "x-kv" is the store's median
// time over that one's.
func BenchmarkStore(b *testing.B) {
	x := newBench(b)
	kv, err := x.js.CreateKeyValue(b.Context(), jetstream.KeyValueConfig{Bucket: "raw"})
	require.NoError(b, err)
	s, err := x.b.Store(b.Context())
	require.NoError(b, err)
	m := &storeBench{s, kv, make([]byte, 110)}
	const present = 10_000
	for i := range present {
		require.NoError(b, m.update(b.Context(), i))
		require.NoError(b, m.rawUpdate(b.Context(), i))
	}
	b.Run("Get", func(b *testing.B) { compare(b, present, m.get, m.rawGet) })
	b.Run("Update", func(b *testing.B) { compare(b, present, m.update, m.rawUpdate) })
	b.Run("UpdateUnchanged", func(b *testing.B) { compare(b, present, m.unchanged, m.rawGet) })
	b.Run("CreateDelete", func(b *testing.B) { compare(b, present, m.createDelete, m.rawCreateDelete) })
	b.Run("List10", func(b *testing.B) { compare(b, present/10, m.list, m.rawList) })
}

// compare calls both in turn and reports the ratio of their medians.
func compare(b *testing.B, n int, ours, raw func(ctx context.Context, i int) error) {
	var took [2][]time.Duration
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i = (i + 7919) % n
		for which, do := range []func(context.Context, int) error{ours, raw} {
			begun := time.Now()
			if err := do(b.Context(), i); err != nil {
				b.Fatal(err)
			}
			took[which] = append(took[which], time.Since(begun))
		}
	}
	median := func(ds []time.Duration) float64 {
		slices.Sort(ds)
		return float64(ds[len(ds)/2])
	}
	b.ReportMetric(median(took[0])/1e3, "us")
	b.ReportMetric(median(took[1])/1e3, "kv-us")
	b.ReportMetric(median(took[0])/median(took[1]), "x-kv")
}

type storeBench struct {
	s     bus.Store
	kv    jetstream.KeyValue
	value []byte
}

func benchKey(i int) string { return fmt.Sprintf("join/p/s/%d/%022d", i/10, i) }
func rawKey(i int) string   { return fmt.Sprintf("join.p.s.%d.%022d", i/10, i) }

func (m *storeBench) get(ctx context.Context, i int) error {
	_, err := m.s.Get(ctx, benchKey(i))
	return err
}

func (m *storeBench) rawGet(ctx context.Context, i int) error {
	_, err := m.kv.Get(ctx, rawKey(i))
	return err
}

// flip is an update that changes something.
func (m *storeBench) flip(old []byte) ([]byte, error) {
	if old == nil {
		return m.value, nil
	}
	old[0]++
	return old, nil
}

func (m *storeBench) update(ctx context.Context, i int) error {
	return m.s.Update(ctx, benchKey(i), m.flip)
}

func (m *storeBench) rawUpdate(ctx context.Context, i int) error {
	e, err := m.kv.Get(ctx, rawKey(i))
	if err != nil {
		_, err = m.kv.Create(ctx, rawKey(i), m.value)
		return err
	}
	next, err := m.flip(e.Value())
	if err == nil {
		_, err = m.kv.Update(ctx, rawKey(i), next, e.Revision())
	}
	return err
}

func (m *storeBench) unchanged(ctx context.Context, i int) error {
	return m.s.Update(ctx, benchKey(i), func(old []byte) ([]byte, error) { return old, nil })
}

func (m *storeBench) createDelete(ctx context.Context, i int) error {
	key := "new/" + benchKey(i)
	if err := m.s.Update(ctx, key, m.flip); err != nil {
		return err
	}
	return m.s.Update(ctx, key, func([]byte) ([]byte, error) { return nil, nil })
}

func (m *storeBench) rawCreateDelete(ctx context.Context, i int) error {
	key := "new." + rawKey(i)
	if _, err := m.kv.Create(ctx, key, m.value); err != nil {
		return err
	}
	return m.kv.Delete(ctx, key)
}

func (m *storeBench) list(ctx context.Context, i int) error {
	found := 0
	for _, err := range m.s.List(ctx, fmt.Sprintf("join/p/s/%d/", i)) {
		if err != nil {
			return err
		}
		found++
	}
	return wantTen(found)
}

func (m *storeBench) rawList(ctx context.Context, i int) error {
	lister, err := m.kv.ListKeysFiltered(ctx, fmt.Sprintf("join.p.s.%d.>", i))
	if err != nil {
		return err
	}
	found := 0
	for key := range lister.Keys() {
		if _, err := m.kv.Get(ctx, key); err != nil {
			return err
		}
		found++
	}
	return wantTen(found)
}

func wantTen(found int) error {
	if found != 10 {
		return fmt.Errorf("%d entries, want 10", found)
	}
	return nil
}
