package hearken_test

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/filters"
	"github.com/stretchr/testify/require"
)

// BenchmarkPipeline is the life of an event over the memory bus: emit, filter,
// fire, settle.
func BenchmarkPipeline(b *testing.B) {
	const window = 256 // events on their way at once
	var done atomic.Int64
	free := make(chan struct{}, window)
	source := &hearken.EventSource{Name: "bench", Event: "e"}
	p := &hearken.Pipeline{
		Name: "bench", Bus: &memory.Bus{}, EventSources: []*hearken.EventSource{source}, Logger: slog.New(slog.DiscardHandler),
		Sensors: []hearken.Sensor{{Name: "s", Actions: []hearken.Action{{
			When: &hearken.Dependency{EventSource: source, Filter: filters.Data("body.message", "hello")},
			Trigger: hearken.TriggerFunc(func(context.Context, hearken.Firing) error {
				done.Add(1)
				<-free
				return nil
			}),
		}}}},
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	for !p.Health().Ready {
		select {
		case err := <-ended:
			b.Fatal(err)
		default:
		}
	}
	template, err := hearken.NewEvent("bench", "", []byte(`{"header":{},"body":{"message":"hello"}}`))
	require.NoError(b, err)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		c := *template.Context.(*event.EventContextV1)
		c.ID = strconv.Itoa(n)
		e := template
		e.Context = &c
		free <- struct{}{}
		if err := p.Emit(ctx, source, e); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	cancel()
	require.NoError(b, <-ended)
	require.LessOrEqual(b, int64(n)-done.Load(), int64(window))
}
