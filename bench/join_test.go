package bench

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
)

// How many halves wait and how many decisions are made with them each round, how
// many joins are under way at once, and how many joins and unkeyed events go
// through each round.
const (
	pendingHalves = 1_000_000
	decisions     = 5_000
	joining       = 64
	keyed         = 1_000
	unkeyed       = 10_000
)

// BenchmarkJoinPending is row 21: a million halves wait in the memory store, and
// the second half of one after the other is emitted. live-MB is what the pipeline holds
// then, its bus, its engine and its store, and process-MB what the process has of
// the system's memory at the end, garbage included; p50 and p99 are from before a second
// half is emitted until its trigger is called.
func BenchmarkJoinPending(b *testing.B) {
	before := heapInUse()
	fired := make(chan time.Time, 1)
	j := startJoin(b, new(memory.Bus), nil, byCommit, hearken.TriggerFunc(func(context.Context, hearken.Firing) error {
		fired <- time.Now()
		return nil
	}))
	start := time.Now()
	if err := j.fill(b.Context(), pendingHalves); err != nil {
		b.Fatal(err)
	}
	filled, held := time.Since(start), heapInUse()-before
	var took []time.Duration
	for next := 0; b.Loop(); {
		for range decisions {
			next = (next + 7919) % pendingHalves // a prime: none comes twice
			e := j.half(next)
			begun := time.Now()
			if err := j.emit(b.Context(), j.EventSources[1], e); err != nil {
				b.Fatal(err)
			}
			took = append(took, (<-fired).Sub(begun))
		}
	}
	slices.Sort(took)
	b.ReportMetric(0, "ns/op") // of a round: says nothing
	b.ReportMetric(held/megabyte, "live-MB")
	b.ReportMetric(resident()/megabyte, "process-MB")
	b.ReportMetric(pendingHalves/filled.Seconds(), "halves/s")
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-µs")
}

// resident returns the bytes that the runtime has of the system.
func resident() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Sys - m.HeapReleased)
}

// heapInUse returns the bytes that are in use once the garbage is collected.
func heapInUse() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkJoinDurable is row 22: joins of two events by a key over JetStream on
// files, 64 under way. The limit is as many bare KV calls as they make, which are
// counted; beside it stands what the events of a join cost when each is fired by
// itself.
func BenchmarkJoinDurable(b *testing.B) {
	x := newStreams(b)
	store, err := x.bus.Store(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	counted := &countingStore{Store: store}
	joins := startJoin(b, x.bus, counted, byCommit, nothingToDo())
	plain := startJoin(b, newStreams(b).bus, nil, eitherAlone, nothingToDo())
	kv := newBareKV(b, x)
	before, joined := counted.calls(), 0
	perJoin := func() storeCalls { return counted.calls().since(before, joined) }
	compare(b, keyed, []string{"joins/s"},
		joinsPerSecond(hearkens, func(n int) error {
			joined += n
			return joins.joins(b.Context(), n)
		}),
		joinsPerSecond(limits, func(n int) error { return kv.calls(b.Context(), perJoin(), n) }),
		joinsPerSecond("plain", func(n int) error { return plain.stream(b.Context(), 2*n) }),
	)
	c := perJoin()
	b.ReportMetric(c.gets, "gets/join")
	b.ReportMetric(c.puts, "puts/join")
	b.ReportMetric(c.deletes, "deletes/join")
	b.ReportMetric(c.total(), "calls/join")
}

func joinsPerSecond(name string, f func(n int) error) contestant {
	c := perSecond(name, timed(f))
	return contestant{name, func(b *testing.B, n int) sample {
		b.Helper()
		return sample{"joins/s": c.run(b, n)["events/s"]}
	}}
}

// bareKV is a bucket of nats.go, used by hand.
type bareKV struct {
	jetstream.KeyValue
	used int // keys
}

func newBareKV(b *testing.B, x *streams) *bareKV {
	b.Helper()
	js, err := jetstream.New(connect(b, x.bus.Server))
	if err != nil {
		b.Fatal(err)
	}
	kv, err := js.CreateKeyValue(b.Context(), jetstream.KeyValueConfig{Bucket: "bare"})
	if err != nil {
		b.Fatal(err)
	}
	return &bareKV{KeyValue: kv}
}

// calls makes the calls of n joins, 64 at once.
func (k *bareKV) calls(ctx context.Context, c storeCalls, n int) error {
	first := k.used
	k.used += n
	return inParallel(joining, n, func(i int) error { return k.join(ctx, c, first+i) })
}

// join makes the calls of a join, rounded, on as many keys as one has: its entry,
// a half that waits, and a reminder.
func (k *bareKV) join(ctx context.Context, c storeCalls, n int) error {
	value := make([]byte, 300)
	var revisions [3]uint64
	key := func(call int) string { return fmt.Sprintf("join.%d.%022d", call%len(revisions), n) }
	for i := range int(math.Round(c.puts)) {
		revision, err := k.Update(ctx, key(i), value, revisions[i%len(revisions)])
		if err != nil {
			return err
		}
		revisions[i%len(revisions)] = revision
	}
	for i := range int(math.Round(c.gets)) {
		if _, err := k.Get(ctx, key(i)); err != nil {
			return err
		}
	}
	for i := range int(math.Round(c.deletes)) {
		if err := k.Delete(ctx, key(i+1)); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkJoinKeyless is row 23: all events meet in one entry, which is what
// bounds their rate.
func BenchmarkJoinKeyless(b *testing.B) {
	b.Run("memory", func(b *testing.B) { benchmarkKeyless(b, new(memory.Bus)) })
	b.Run("durable", func(b *testing.B) { benchmarkKeyless(b, newStreams(b).bus) })
}

func benchmarkKeyless(b *testing.B, in interface {
	bus.Bus
	bus.Storer
},
) {
	b.Helper()
	store, err := in.Store(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	counted := &countingStore{Store: store}
	j := startJoin(b, in, counted, asTheyCome, nothingToDo())
	before := counted.calls()
	var rates []float64
	for b.Loop() {
		start := time.Now()
		if err := j.stream(b.Context(), unkeyed); err != nil {
			b.Fatal(err)
		}
		rates = append(rates, unkeyed/time.Since(start).Seconds())
	}
	c := counted.calls().since(before, unkeyed*len(rates))
	b.ReportMetric(0, "ns/op") // of a round: says nothing
	b.ReportMetric(median(rates), "events/s")
	b.ReportMetric(c.total(), "calls/event")
}
