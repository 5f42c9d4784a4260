package join

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/stretchr/testify/require"
)

// sized makes an arrival whose event has about 150 bytes of JSON.
func sized(key string, seq uint64, dep string) *Arrival {
	a := arrive(key, seq, dep)
	a.Event.Original.DataEncoded = fmt.Appendf(nil, `{"id":%10d,"repository":"hearken-go/hearken",`+
		`"commit":"4b825dc642cb6eb9a060e54bf8d69288fbee4904","status":"success","branch":"main","build":%10d}`, seq, seq)
	return a
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// report reports percentiles of what single calls took.
func report(b *testing.B, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(took[len(took)*p/100].Nanoseconds()), "ns-p"+strconv.Itoa(p))
	}
}

// BenchmarkMillionPending completes joins while a million others are half done.
func BenchmarkMillionPending(b *testing.B) {
	const pending = 1_000_000
	a, store := bothOf("a", "b"), new(memory.Store)
	a.Within = 30 * 24 * time.Hour
	e := New(store, "join/", func(err error) { b.Error(err) }, a)
	before := heap()
	half := func(i int, seq uint64) {
		arrival := sized("commit-"+strconv.Itoa(i), seq, "a")
		_, err := e.Take(b.Context(), a, arrival)
		require.NoError(b, err)
	}
	for i := range pending {
		half(i, uint64(i)+1)
	}
	perHalf := float64(heap()-before) / pending
	seq := uint64(pending)
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		if i >= pending {
			seq++
			half(i%pending, seq)
		}
		seq++
		arrival := sized("commit-"+strconv.Itoa(i%pending), seq, "b")
		start := time.Now()
		out, err := e.Take(b.Context(), a, arrival)
		took = append(took, time.Since(start))
		require.NoError(b, err)
		require.NoError(b, e.Load(b.Context(), out.Firing, arrival))
		require.NoError(b, e.Clear(b.Context(), out.Firing))
	}
	report(b, took)
	b.ReportMetric(perHalf, "B/half-join")
	runtime.KeepAlive(store)
}

// BenchmarkHotEntry has 16 at a time take into the one entry of a join without a
// key, and fire what it makes.
func BenchmarkHotEntry(b *testing.B) {
	a := bothOf("a", "b")
	e := New(new(memory.Store), "join/", func(err error) { b.Error(err) }, a)
	var seq, fired atomic.Uint64
	b.SetParallelism(16 / min(16, runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := seq.Add(1)
			arrival := sized("", n, []string{"a", "b"}[n%2])
			out, err := e.Take(b.Context(), a, arrival)
			if err == nil && out.Firing != nil {
				fired.Add(1)
				if err = e.Load(b.Context(), out.Firing, arrival); err == nil {
					err = e.Clear(b.Context(), out.Firing)
				}
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "takes/s")
	b.ReportMetric(float64(fired.Load())/float64(b.N), "firings/take")
}

// BenchmarkQueue takes into an entry in which thousands wait already: one more,
// and one that completes the oldest.
func BenchmarkQueue(b *testing.B) {
	for _, waiting := range []int{100, 5000} {
		b.Run(strconv.Itoa(waiting), func(b *testing.B) {
			a := bothOf("a", "b")
			a.Queue, a.Within = true, 30*24*time.Hour
			e := New(new(memory.Store), "join/", func(err error) { b.Error(err) }, a)
			seq := uint64(0)
			next := func(dep string) *Arrival {
				seq++
				e.floors[1].Floor = bus.Floor{Logs: map[string]uint64{testLog: seq - min(seq, 1000)}}
				return sized("", seq, dep)
			}
			for range waiting {
				_, err := e.Take(b.Context(), a, next("a"))
				require.NoError(b, err)
			}
			var waits, fires []time.Duration
			for b.Loop() {
				start := time.Now()
				_, err := e.Take(b.Context(), a, next("a"))
				waits = append(waits, time.Since(start))
				require.NoError(b, err)
				arrival := next("b")
				start = time.Now()
				out, err := e.Take(b.Context(), a, arrival)
				fires = append(fires, time.Since(start))
				require.NoError(b, err)
				require.NoError(b, e.Clear(b.Context(), out.Firing))
			}
			slices.Sort(waits)
			slices.Sort(fires)
			b.ReportMetric(float64(waits[len(waits)/2].Nanoseconds()), "ns-to-wait")
			b.ReportMetric(float64(fires[len(fires)/2].Nanoseconds()), "ns-to-fire")
		})
	}
}
