package memory_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
)

// BenchmarkDeliver carries events from one goroutine to another, settled, and
// compares it with a Go channel that does no more than that.
func BenchmarkDeliver(b *testing.B) {
	for _, groups := range []int{1, 3} {
		b.Run("groups="+strconv.Itoa(groups), func(b *testing.B) { benchmarkDeliver(b, groups) })
	}
}

func benchmarkDeliver(b *testing.B, groups int) {
	b.ReportAllocs()
	limit := channelHop()
	events := benchEvents()
	m := &memory.Bus{}
	done := make(chan error, groups)
	for i := range groups {
		s, err := m.Subscribe(b.Context(), bus.Group{Name: strconv.Itoa(i), Topics: []bus.Topic{created()}, InFlight: 64})
		if err != nil {
			b.Fatal(err)
		}
		go func() { done <- settleAll(b.Context(), s, b.N) }()
	}
	b.ResetTimer()
	for i := range b.N {
		publishWhenRoom(b, m, events[i%len(events)])
	}
	for range groups {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	per := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
	b.ReportMetric(limit, "channel-ns/op")
	b.ReportMetric(per/limit, "x-channel")
}

// publishWhenRoom is what back-pressure is to a source in the same process.
func publishWhenRoom(b *testing.B, m *memory.Bus, e event.Event) {
	for {
		err := m.Publish(b.Context(), created(), e)
		if err == nil {
			return
		}
		if !errors.Is(err, bus.ErrFull) {
			b.Fatal(err)
		}
		runtime.Gosched()
	}
}

func settleAll(ctx context.Context, s bus.Subscription, n int) error {
	for range n {
		d, err := s.Receive(ctx)
		if err != nil {
			return err
		}
		if err := d.Ack(ctx); err != nil {
			return err
		}
	}
	return s.Close(ctx)
}

// channelHop returns how many nanoseconds an event takes through a channel.
func channelHop() float64 {
	const hops = 500_000
	c := make(chan event.Event)
	go func() {
		defer close(c)
		e := newEvent("1")
		for range hops {
			c <- e
		}
	}()
	begun := time.Now()
	for range c { //nolint:revive // only the hop counts
	}
	return float64(time.Since(begun).Nanoseconds()) / hops
}

// benchEvents returns more events than the bus remembers, so that they can be
// published in turn for ever.
func benchEvents() []event.Event {
	events := make([]event.Event, 1<<17)
	for i := range events {
		events[i] = newEvent(strconv.Itoa(i))
	}
	return events
}

// BenchmarkSequence publishes, receives and settles on one goroutine: what the
// bus costs without any scheduling.
func BenchmarkSequence(b *testing.B) {
	b.ReportAllocs()
	m := &memory.Bus{}
	s, err := m.Subscribe(b.Context(), bus.Group{Name: "group", Topics: []bus.Topic{created()}, InFlight: 64})
	if err != nil {
		b.Fatal(err)
	}
	events := benchEvents()
	b.ResetTimer()
	for i := range b.N {
		if err := m.Publish(b.Context(), created(), events[i%len(events)]); err != nil {
			b.Fatal(err)
		}
		d, err := s.Receive(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if err := d.Ack(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFloor asks a group with a backlog of a hundred thousand.
func BenchmarkFloor(b *testing.B) {
	b.ReportAllocs()
	m := &memory.Bus{}
	s, err := m.Subscribe(b.Context(), bus.Group{Name: "group", Topics: []bus.Topic{created()}, InFlight: 64})
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range benchEvents()[:100_000] {
		publishWhenRoom(b, m, e)
	}
	for range 64 {
		if _, err := s.Receive(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := s.Floor(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStore has as many half joins pending as its name says, with keys and
// values of the size that joins have.
func BenchmarkStore(b *testing.B) {
	for _, n := range []int{1, 1_000_000, 3_000_000} {
		b.Run("values="+strconv.Itoa(n), func(b *testing.B) { benchmarkStore(b, n) })
	}
}

func benchmarkStore(b *testing.B, n int) {
	var s memory.Store
	before := heap()
	for i := range n {
		set(b, &s, joinKey(i))
	}
	size := float64(heap()-before) / float64(n)
	b.Run("Update", func(b *testing.B) {
		b.ReportAllocs()
		took := make([]time.Duration, 0, 1<<20)
		i := 0
		for b.Loop() {
			i = (i + 7919) % n
			key := joinKey(i)
			begun := time.Now()
			set(b, &s, key)
			took = append(took, time.Since(begun))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
		if n > 1 {
			b.ReportMetric(size, "B/value")
		}
	})
	b.Run("Get", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			i = (i + 7919) % n
			if v, err := s.Get(b.Context(), joinKey(i)); err != nil || v == nil {
				b.Fatal(v, err)
			}
		}
	})
	b.Run("List", func(b *testing.B) { benchmarkList(b, &s) })
}

// benchmarkList lists a directory of ten beside the large one.
func benchmarkList(b *testing.B, s *memory.Store) {
	b.ReportAllocs()
	for i := range 10 {
		set(b, s, "join/due/29000000/"+strconv.Itoa(i))
	}
	for b.Loop() {
		found := 0
		for _, err := range s.List(b.Context(), "join/due/29000000/") {
			if err != nil {
				b.Fatal(err)
			}
			found++
		}
		if found != 10 {
			b.Fatal(found)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// joinKey returns a key whose name has 22 bytes.
func joinKey(i int) string { return fmt.Sprintf("join/p/s/e/%022d", i) }

func set(b *testing.B, s *memory.Store, key string) {
	value := [110]byte{}
	if err := s.Update(b.Context(), key, func([]byte) ([]byte, error) { return value[:], nil }); err != nil {
		b.Fatal(err)
	}
}
