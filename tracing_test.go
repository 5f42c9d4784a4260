package hearken_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// order returns an event that carries traceparent, unless that is empty.
func order(t *testing.T, traceparent string) hearken.Event {
	t.Helper()
	e, err := hearken.NewEvent("order", "1", 1)
	require.NoError(t, err)
	if traceparent != "" {
		e.SetExtension("traceparent", traceparent)
		e.SetExtension("tracestate", "from=elsewhere")
	}
	return e
}

const elsewhere = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// traced is running, with a recorder of spans.
func traced(t *testing.T, action hearken.Action, do func(t *testing.T, f *fixture), change ...func(*fixture)) []*recordedSpan {
	t.Helper()
	rec := new(spanRecorder)
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(action)
		f.TracerProvider = rec
		for _, c := range change {
			c(f)
		}
		f.start(t)
		do(t, f)
		assert.NoError(t, f.end())
	})
	return rec.all(t)
}

func traceparent(c trace.SpanContext) string {
	return fmt.Sprintf("00-%s-%s-%s", c.TraceID(), c.SpanID(), c.TraceFlags())
}

func TestSpanOfAnEmit(t *testing.T) {
	var caller trace.SpanContext
	spans := traced(t, hearken.Action{Trigger: new(script)}, func(t *testing.T, f *fixture) {
		var ctx context.Context
		ctx, caller = around(t.Context())
		e := order(t, "")
		e.SetExtension("tenant", "acme")
		before := e.Clone()
		require.NoError(t, f.Emit(ctx, f.source, e))
		assert.Equal(t, before, e, "the caller's event is not changed")
		got := f.bus.publications()[0].Event
		assert.Equal(t, map[string]any{
			"tenant": "acme", "traceparent": "00-aa000000000000000000000000000001-0000000000000001-01", "tracestate": "vendor=a b",
		}, got.Extensions())
		before = got.Clone()
		before.SetExtension("traceparent", nil)
		before.SetExtension("tracestate", nil)
		whole := before.Clone() // leaves nothing to stamp
		require.NoError(t, f.Emit(ctx, f.source, whole))
		assert.Equal(t, before, whole, "nor is one that brings all")
	})
	require.Len(t, spans, 2)
	assert.Equal(t, spans[0].attributes, spans[1].attributes)
	s := spans[0]
	assert.Equal(t, "emit orders/created", s.name)
	assert.Equal(t, trace.SpanKindProducer, s.kind)
	assert.Equal(t, caller, s.parent)
	assert.Empty(t, s.links)
	assert.Equal(t, codes.Unset, s.status)
	for key, want := range map[string]string{
		"messaging.system": "hearken", "messaging.operation.name": "emit", "messaging.operation.type": "send",
		"messaging.destination.name": "orders/created", "messaging.message.id": "1",
		"cloudevents.event_id": "1", "cloudevents.event_source": "orders", "cloudevents.event_type": "order",
		"cloudevents.event_subject": "created", "cloudevents.event_spec_version": "1.0",
		"hearken.pipeline": "test", "hearken.event_source": "orders", "hearken.event": "created",
	} {
		v, _ := s.attributes.Value(attribute.Key(key))
		assert.Equal(t, want, v.AsString(), key)
	}
}

// What says where an event's journey began is not written over.
func TestEventKeepsTheTraceThatItCameWith(t *testing.T) {
	for name, within := range map[string]bool{"below a span": true, "alone": false} {
		t.Run(name, func(t *testing.T) {
			var caller trace.SpanContext
			spans := traced(t, hearken.Action{Trigger: new(script)}, func(t *testing.T, f *fixture) {
				ctx := t.Context()
				if within {
					ctx, caller = around(ctx)
				}
				require.NoError(t, f.Emit(ctx, f.source, order(t, elsewhere)))
				assert.Equal(t, map[string]any{"traceparent": elsewhere, "tracestate": "from=elsewhere"}, f.bus.publications()[0].Event.Extensions())
			})
			require.Len(t, spans, 1)
			assert.Equal(t, trace.SpanKindClient, spans[0].kind)
			require.Len(t, spans[0].links, 1)
			assert.Equal(t, elsewhere, traceparent(spans[0].links[0].SpanContext))
			assert.Equal(t, "from=elsewhere", spans[0].links[0].SpanContext.TraceState().String())
			if within {
				assert.Equal(t, caller, spans[0].parent)
			} else {
				assert.Equal(t, elsewhere, traceparent(spans[0].parent), "the trace goes on")
			}
		})
	}
}

func TestTraceparentThatIsNoneIsReplaced(t *testing.T) {
	spans := traced(t, hearken.Action{Trigger: new(script)}, func(t *testing.T, f *fixture) {
		require.NoError(t, f.Emit(t.Context(), f.source, order(t, "00-zz")))
		assert.Equal(t, map[string]any{"traceparent": "00-00000000000000010000000000000000-0000000000000001-01"}, f.bus.publications()[0].Event.Extensions())
	})
	require.Len(t, spans, 1)
	assert.Empty(t, spans[0].links)
	assert.False(t, spans[0].parent.IsValid())
}

// mute is an error that cannot say what it is.
type mute struct{}

func (mute) Error() string { panic("no words") }

func TestSpanOfAnEmitThatFails(t *testing.T) {
	for outcome, err := range map[string]error{
		"full": fmt.Errorf("no room: %w", bus.ErrFull), "rejected": fmt.Errorf("too large: %w", bus.ErrRejected), "error": mute{}, "invalid": nil,
	} {
		t.Run(outcome, func(t *testing.T) {
			spans := traced(t, hearken.Action{Trigger: new(script)}, func(t *testing.T, f *fixture) {
				f.bus.failPublish(err)
				e := order(t, "")
				if err == nil {
					e.SetType(" ")
					e.FieldErrors = nil
				}
				require.Error(t, f.Emit(t.Context(), f.source, e))
			})
			require.Len(t, spans, 1)
			assert.Equal(t, codes.Error, spans[0].status)
			assert.NotEmpty(t, spans[0].reason)
			assert.Equal(t, outcome, spans[0].attribute("error.type"))
			require.Len(t, spans[0].events, 1)
			assert.Equal(t, "exception: "+spans[0].reason, spans[0].events[0])
		})
	}
}

func TestSpanOfAFiring(t *testing.T) {
	var inTrigger trace.SpanContext
	trigger := hearken.TriggerFunc(func(ctx context.Context, _ hearken.Firing) error {
		inTrigger = trace.SpanContextFromContext(ctx)
		return nil
	})
	spans := traced(t, hearken.Action{Name: "notify", Trigger: trigger}, func(_ *testing.T, f *fixture) {
		f.deliver("1", func(d *bus.Delivery) { d.Event.SetExtension("traceparent", elsewhere) })
	})
	require.Len(t, spans, 1)
	s := spans[0]
	assert.Equal(t, "fire s/notify", s.name)
	assert.Equal(t, trace.SpanKindConsumer, s.kind)
	assert.False(t, s.parent.IsValid(), "a trace of its own")
	assert.Equal(t, s.context, inTrigger)
	require.Len(t, s.links, 1)
	assert.Equal(t, elsewhere, traceparent(s.links[0].SpanContext))
	assert.Equal(t, codes.Unset, s.status)
	assert.Empty(t, s.events)
	for key, want := range map[string]string{
		"messaging.system": "hearken", "messaging.operation.name": "fire", "messaging.operation.type": "process",
		"messaging.destination.name": "orders/created", "messaging.consumer.group.name": "test/s", "messaging.message.id": "1",
		"cloudevents.event_id": "1", "hearken.pipeline": "test", "hearken.sensor": "s", "hearken.action": "notify",
	} {
		assert.Equal(t, want, s.attribute(attribute.Key(key)), key)
	}
	assert.Len(t, s.attribute("hearken.firing.id"), 32)
}

// A transform makes a new event and need not think of tracing.
func TestFiringIsLinkedThroughATransform(t *testing.T) {
	spans := traced(t, hearken.Action{Trigger: new(script)}, func(_ *testing.T, f *fixture) {
		f.deliver("1", func(d *bus.Delivery) { d.Event.SetExtension("traceparent", elsewhere) })
	}, func(f *fixture) {
		f.dep.Transform = func(context.Context, hearken.Event) (hearken.Event, error) { return hearken.NewEvent("short", "1", 1) }
	})
	require.Len(t, spans, 1)
	require.Len(t, spans[0].links, 1)
	assert.Equal(t, elsewhere, traceparent(spans[0].links[0].SpanContext))
}

func TestFiringHasOneSpanForAllItsAttempts(t *testing.T) {
	trigger := &script{answers: []error{errors.New("first"), hearken.RetryAfter(errors.New("second"), time.Minute)}}
	spans := traced(t, hearken.Action{Trigger: trigger}, func(_ *testing.T, f *fixture) {
		f.deliver("1")
		time.Sleep(2 * time.Minute)
	})
	require.Len(t, spans, 1)
	assert.Equal(t, []string{"attempt failed: 1: first", "attempt failed: 2: second"}, spans[0].events)
	assert.Equal(t, codes.Unset, spans[0].status)
	assert.Equal(t, "fire s", spans[0].name)
}

func TestSpansOfAFiringThatIsGivenUp(t *testing.T) {
	var letter hearken.Event
	spans := traced(t, hearken.Action{Trigger: always{hearken.Permanent(errBroken)}}, func(_ *testing.T, f *fixture) {
		f.deliver("1", func(d *bus.Delivery) { d.Event.SetExtension("traceparent", elsewhere) })
		letter = f.bus.publications()[0].Event
	})
	require.Len(t, spans, 2)
	firing, burial := spans[0], spans[1]
	assert.Equal(t, codes.Error, firing.status)
	assert.Equal(t, "broken", firing.reason)
	assert.NotEmpty(t, firing.attribute("error.type"))
	assert.Equal(t, "dead_letter $deadletters/test", burial.name)
	assert.Equal(t, trace.SpanKindProducer, burial.kind)
	assert.Equal(t, firing.context, burial.parent)
	require.Len(t, burial.links, 1)
	assert.Equal(t, elsewhere, traceparent(burial.links[0].SpanContext))
	assert.Equal(t, traceparent(burial.context), letter.Extensions()["traceparent"], "a dead letter is an event of its own")
	assert.Equal(t, letter.ID(), burial.attribute("cloudevents.event_id"))
}

func TestEventThatWasNeverFiredHasNoFiringSpan(t *testing.T) {
	spans := traced(t, hearken.Action{Trigger: new(script)}, func(_ *testing.T, f *fixture) {
		f.deliver("1", func(d *bus.Delivery) { d.Attempt = 21 })
	})
	require.Len(t, spans, 1)
	assert.Equal(t, "dead_letter $deadletters/test", spans[0].name)
	assert.False(t, spans[0].parent.IsValid())
}

func TestSpanOfAFiringThatIsHandedBack(t *testing.T) {
	spans := traced(t, hearken.Action{Trigger: always{hearken.RetryAfter(errBroken, time.Minute)}}, func(_ *testing.T, f *fixture) {
		f.deliver("1")
	})
	require.Len(t, spans, 1)
	assert.Equal(t, []string{"attempt failed: 1: broken", "handed back"}, spans[0].events)
	assert.Equal(t, codes.Unset, spans[0].status, "nobody's failure yet")
}

func TestErrorsOfAFiringMayPanic(t *testing.T) {
	spans := traced(t, hearken.Action{Trigger: always{mute{}}, Retry: hearken.Retry{Attempts: 1}}, func(_ *testing.T, f *fixture) {
		f.deliver("1")
	})
	require.Len(t, spans, 2)
	assert.Contains(t, spans[0].reason, "mute")
}

// A whole life: what a trigger emits is below its firing, and what is published
// back below the firing that did so; each firing is linked to what published
// its event.
func TestTraceOfARedrivenEvent(t *testing.T) {
	rec := new(spanRecorder)
	synctest.Test(t, func(t *testing.T) {
		source := &hearken.EventSource{Name: "orders", Event: "created"}
		work := &script{answers: []error{hearken.Permanent(errBroken)}}
		p := &hearken.Pipeline{Name: "test", Bus: &memory.Bus{}, EventSources: []*hearken.EventSource{source}, TracerProvider: rec, Logger: slog.New(slog.DiscardHandler)}
		redrive := hearken.TriggerFunc(func(ctx context.Context, f hearken.Firing) error { return p.Redrive(ctx, f.Events["work"]) })
		p.Sensors = []hearken.Sensor{
			{Name: "work", Actions: []hearken.Action{{When: &hearken.Dependency{EventSource: source}, Trigger: work}}},
			{Name: "again", Actions: []hearken.Action{{When: &hearken.Dependency{EventSource: hearken.DeadLetters("work")}, Trigger: redrive}}},
		}
		ctx, _ := around(t.Context()) // a span around Run
		ctx, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		synctest.Wait()
		require.NoError(t, p.Emit(t.Context(), source, order(t, "")))
		synctest.Wait()
		stop()
		require.NoError(t, <-ended)
	})
	spans := rec.all(t)
	require.Len(t, spans, 6)
	emit, failed, burial, again, redriven, worked := spans[0], spans[1], spans[2], spans[3], spans[4], spans[5]
	assert.Equal(t, []string{"emit orders/created", "fire work", "dead_letter $deadletters/test", "fire again", "redrive orders/created", "fire work"},
		[]string{emit.name, failed.name, burial.name, again.name, redriven.name, worked.name})
	none := trace.SpanContext{}
	assert.Equal(t, []trace.SpanContext{none, none, failed.context, none, again.context, none},
		[]trace.SpanContext{emit.parent, failed.parent, burial.parent, again.parent, redriven.parent, worked.parent})
	assert.Equal(t, []trace.SpanContext{emit.context}, failed.linked())
	assert.Equal(t, []trace.SpanContext{emit.context}, burial.linked())
	assert.Equal(t, []trace.SpanContext{burial.context}, again.linked())
	assert.Equal(t, []trace.SpanContext{burial.context}, redriven.linked())
	assert.Equal(t, []trace.SpanContext{redriven.context}, worked.linked())
}

func TestSpanAroundRunIsNobodysParent(t *testing.T) {
	rec := new(spanRecorder)
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script)})
		f.TracerProvider = rec
		f.source.Source = hearken.SourceFunc(func(ctx context.Context, out hearken.Output) error { return out.Emit(ctx, order(t, "")) })
		ctx, _ := around(t.Context())
		ctx, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- f.Run(ctx) }()
		synctest.Wait()
		stop()
		assert.NoError(t, <-ended)
	})
	spans := rec.all(t)
	require.Len(t, spans, 1)
	assert.False(t, spans[0].parent.IsValid())
}

// Without a provider nothing is told, not even the span that is in the context.
func TestNoTracesByDefault(t *testing.T) {
	running(t, func(t *testing.T, f *fixture) {
		ctx, _ := around(t.Context())
		require.NoError(t, f.Emit(ctx, f.source, order(t, "")))
		assert.Empty(t, f.bus.publications()[0].Event.Extensions())
	})
}

// A provider that records nothing still passes on the trace that it finds.
func TestNoopProviderPassesATraceOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script)})
		f.TracerProvider = noop.NewTracerProvider()
		f.start(t)
		ctx, caller := around(t.Context())
		require.NoError(t, f.Emit(ctx, f.source, order(t, "")))
		require.NoError(t, f.Emit(t.Context(), f.source, order(t, "")))
		f.deliver("1", func(d *bus.Delivery) { d.Event.SetExtension("traceparent", elsewhere) })
		published := f.bus.publications()
		assert.Equal(t, traceparent(caller), published[0].Event.Extensions()["traceparent"])
		assert.Empty(t, published[1].Event.Extensions())
		assert.NoError(t, f.end())
	})
}
