package bench

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
)

// joinPipeline is a pipeline that runs, with an action over an image and the tests
// of a commit.
type joinPipeline struct {
	*hearken.Pipeline
	last atomic.Int64 // event
}

// The conditions of the benchmarks: a join by the commit, a join of what comes
// next, and none.
func byCommit(image, tests *hearken.Dependency) hearken.Action {
	image.Key, tests.Key = hearken.DataKey("commit"), hearken.DataKey("commit")
	return hearken.Action{When: hearken.All(image, tests), Within: time.Hour}
}

func asTheyCome(image, tests *hearken.Dependency) hearken.Action {
	return hearken.Action{When: hearken.All(image, tests)}
}

func eitherAlone(image, tests *hearken.Dependency) hearken.Action {
	return hearken.Action{When: hearken.Any(image, tests)}
}

// startJoin runs a pipeline until the benchmark ends, with so many places in flight
// as joins are under way. Without a store it is the bus's own.
func startJoin(b *testing.B, in bus.Bus, store bus.Store, when func(image, tests *hearken.Dependency) hearken.Action, t hearken.Trigger) *joinPipeline {
	b.Helper()
	image, tests := &hearken.EventSource{Name: "ci", Event: "image"}, &hearken.EventSource{Name: "ci", Event: "tests"}
	action := when(&hearken.Dependency{EventSource: image}, &hearken.Dependency{EventSource: tests})
	action.Trigger = t
	j := &joinPipeline{Pipeline: &hearken.Pipeline{
		Name: "bench", Bus: in, Store: store, Logger: quiet(), EventSources: []*hearken.EventSource{image, tests},
		Sensors: []hearken.Sensor{{Name: "deploy", Workers: joining, InFlight: joining, Actions: []hearken.Action{action}}},
	}}
	ended := running(b, j.Pipeline)
	if err := until(b.Context(), func() bool { return j.Health().Ready || len(ended) > 0 }); err != nil {
		b.Fatal(err)
	}
	return j
}

// until waits for something, as long as it takes.
func until(ctx context.Context, holds func() bool) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// half returns an event about a commit, with 160 bytes of data.
func (j *joinPipeline) half(commit int) hearken.Event {
	m := eventMaker{last: int(j.last.Add(1)), data: fmt.Appendf(nil,
		`{"commit":"%040x","repository":"hearken-go/hearken","branch":"main","by":"somebody","url":"https://ci.example.com/builds/12345"}`, commit)}
	return m.bare()
}

// emit emits an event, once there is room.
func (j *joinPipeline) emit(ctx context.Context, s *hearken.EventSource, e hearken.Event) error {
	err := j.Emit(ctx, s, e)
	if !errors.Is(err, bus.ErrFull) {
		return err
	}
	return errors.Join(until(ctx, func() bool {
		err = j.Emit(ctx, s, e)
		return !errors.Is(err, bus.ErrFull)
	}), err)
}

// fill has n images wait, of the commits from 0 on.
func (j *joinPipeline) fill(ctx context.Context, n int) error {
	for i := range n {
		if err := j.emit(ctx, j.EventSources[0], j.half(i)); err != nil {
			return err
		}
	}
	return until(ctx, func() bool { return j.Health().Sensors[0].Actions[0].Joined == uint64(n) })
}

// joins emits n images, and when they all wait the tests of the same commits.
func (j *joinPipeline) joins(ctx context.Context, n int) error {
	first, fired := int(j.last.Load()), j.Health().Sensors[0].Actions[0].Fired
	for _, s := range j.EventSources {
		if err := j.settled(ctx, n, func(i int) error { return j.emit(ctx, s, j.half(first+i)) }); err != nil {
			return err
		}
	}
	return expect(n, int(j.Health().Sensors[0].Actions[0].Fired-fired))
}

// stream emits n events, every other one an image.
func (j *joinPipeline) stream(ctx context.Context, n int) error {
	return j.settled(ctx, n, func(i int) error { return j.emit(ctx, j.EventSources[i%2], j.half(i)) })
}

// settled calls emit for n events, and returns when all are settled.
func (j *joinPipeline) settled(ctx context.Context, n int, emit func(i int) error) error {
	before := j.Health().Sensors[0].Settled
	if err := inParallel(joining, n, emit); err != nil {
		return err
	}
	return until(ctx, func() bool { return j.Health().Sensors[0].Settled-before == uint64(n) })
}

// storeCalls are the calls that a store makes of its server, by kind.
type storeCalls struct{ gets, puts, deletes float64 }

func (c storeCalls) total() float64 { return c.gets + c.puts + c.deletes }

func (c storeCalls) since(before storeCalls, n int) storeCalls {
	each := 1 / float64(n)
	return storeCalls{(c.gets - before.gets) * each, (c.puts - before.puts) * each, (c.deletes - before.deletes) * each}
}

// countingStore counts what a store asks its server for: an update is a get and,
// unless the function refuses, a put or a delete, as often as it is tried.
type countingStore struct {
	bus.Store
	gets, puts, deletes atomic.Int64
}

func (s *countingStore) Get(ctx context.Context, key string) ([]byte, error) {
	s.gets.Add(1)
	return s.Store.Get(ctx, key)
}

func (s *countingStore) Update(ctx context.Context, key string, f func(old []byte) ([]byte, error)) error {
	return s.Store.Update(ctx, key, func(old []byte) ([]byte, error) {
		s.gets.Add(1)
		next, err := f(old)
		switch {
		case err != nil:
		case next != nil:
			s.puts.Add(1)
		case old != nil:
			s.deletes.Add(1)
		}
		return next, err
	})
}

func (s *countingStore) calls() storeCalls {
	return storeCalls{float64(s.gets.Load()), float64(s.puts.Load()), float64(s.deletes.Load())}
}

// nothingToDo returns a trigger that only counts in Health.
func nothingToDo() hearken.Trigger {
	return hearken.TriggerFunc(func(context.Context, hearken.Firing) error { return nil })
}
