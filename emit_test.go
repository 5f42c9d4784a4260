package hearken_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// running runs do with a fixture that is running, and ends it.
func running(t *testing.T, do func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script)})
		f.start(t)
		do(t, f)
		assert.NoError(t, f.end())
	})
}

func TestEmitStampsWhatIsEmpty(t *testing.T) {
	running(t, func(t *testing.T, f *fixture) {
		bare, err := hearken.NewEvent("order", "", 1)
		require.NoError(t, err)
		before := *bare.Context.AsV1()
		require.NoError(t, f.Emit(t.Context(), f.source, bare))
		got := f.bus.publications()[0]
		assert.Equal(t, topic(), got.Topic)
		require.NoError(t, got.Event.Validate())
		assert.Regexp(t, "^[0-9a-f]{32}$", got.Event.ID())
		assert.Equal(t, "orders", got.Event.Source())
		assert.Equal(t, "created", got.Event.Subject())
		assert.True(t, time.Now().Equal(got.Event.Time()))
		assert.Equal(t, before, *bare.Context.AsV1(), "the caller's event is not changed")
	})
}

func TestEmitKeepsWhatIsThere(t *testing.T) {
	running(t, func(t *testing.T, f *fixture) {
		e := event.New()
		e.SetID("1")
		e.SetSource("https://example.com/shop")
		e.SetSubject("order 5")
		e.SetType("order")
		e.SetTime(time.Unix(5, 7))
		e.SetDataSchema("https://example.com/schema")
		e.SetExtension("tenant", "acme")
		require.NoError(t, e.SetData("text/plain", "hello"))
		require.NoError(t, f.Emit(t.Context(), f.source, e))
		assert.Equal(t, e, f.bus.publications()[0].Event)
	})
}

func TestEmitOfCloudEvents03(t *testing.T) {
	running(t, func(t *testing.T, f *fixture) {
		e := event.New(event.CloudEventsVersionV03)
		e.SetType("order")
		require.NoError(t, f.Emit(t.Context(), f.source, e))
		assert.Equal(t, "1.0", f.bus.publications()[0].Event.SpecVersion())
	})
}

func TestEmitRefuses(t *testing.T) {
	good := func() hearken.Event {
		e, err := hearken.NewEvent("order", "1", 1)
		require.NoError(t, err)
		return e
	}
	with := func(change func(e *hearken.Event)) hearken.Event {
		e := good()
		change(&e)
		return e
	}
	tests := []struct {
		name  string
		event hearken.Event
		want  string
	}{
		{"no context", hearken.Event{}, "event for orders/created: has no context"},
		{"no type at all", hearken.Event{Context: &event.EventContextV1{}}, "has no type"},
		{"an attribute that was refused", with(func(e *hearken.Event) { e.SetSource("%zz") }), "source: "},
		{"data that is no JSON", with(func(e *hearken.Event) { e.DataEncoded = []byte("{") }), "data is not the application/json"},
		{"nor that", with(func(e *hearken.Event) { _ = e.SetData("application/vnd.x+json; charset=utf-8", []byte("{")) }), "data is not the application/vnd.x+json"},
		{"no media type", with(func(e *hearken.Event) {
			e.Context.(*event.EventContextV1).DataContentType = new(string)
			*e.Context.(*event.EventContextV1).DataContentType = "not a type"
		}), `datacontenttype "not a type"`},
		{"a blank id", with(func(e *hearken.Event) { e.Context.(*event.EventContextV1).ID = " " }), "has a blank id"},
		{"JSON too deep to walk", with(func(e *hearken.Event) { e.DataEncoded = []byte(strings.Repeat("[", 1<<22)) }), "data is not the application/json"},
		{"an extension named as an attribute", with(func(e *hearken.Event) { e.Context.(*event.EventContextV1).Extensions = map[string]any{"id": "x"} }), `extension "id"`},
		{"an extension of no type", with(func(e *hearken.Event) { e.Context.(*event.EventContextV1).Extensions = map[string]any{"x": struct{}{}} }), `extension "x": struct {} is no type of CloudEvents`},
		{"a nil extension", with(func(e *hearken.Event) { e.Context.(*event.EventContextV1).Extensions = map[string]any{"x": nil} }), `extension "x"`},
		{"a year that RFC 3339 has not", with(func(e *hearken.Event) { e.SetTime(time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)) }), "time 10000-01-01T00:00:00Z: RFC 3339"},
		{"nor in UTC", with(func(e *hearken.Event) {
			e.SetTime(time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -7200)))
		}), "RFC 3339"},
		{"a year before Christ", with(func(e *hearken.Event) { e.SetTime(time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)) }), "RFC 3339"},
		{"such a time as an extension", with(func(e *hearken.Event) {
			e.SetExtension("until", time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC))
		}), `extension "until": time 10000-01-01T00:00:00Z: RFC 3339`},
		{"our extension", with(func(e *hearken.Event) { e.SetExtension("hearkensensor", "x") }), `extension "hearkensensor": names that begin with "hearken" are Hearken's own`},
		{"no extension's name", with(func(e *hearken.Event) {
			e.Context.(*event.EventContextV1).Extensions = map[string]any{"Bad-Name": "x"}
		}), `extension "Bad-Name"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			running(t, func(t *testing.T, f *fixture) {
				err := f.Emit(t.Context(), f.source, tt.event)
				assert.True(t, hearken.IsPermanent(err))
				assert.ErrorContains(t, err, tt.want)
				assert.Empty(t, f.bus.publications())
				assert.EqualValues(t, 1, f.Health().EventSources[0].Refused)
			})
		})
	}
}

func TestEmitOfOtherData(t *testing.T) {
	for _, contentType := range []string{"text/plain", "application/octet-stream", ""} {
		running(t, func(t *testing.T, f *fixture) {
			e, err := hearken.NewEvent("order", "1", []byte("{"))
			require.NoError(t, err)
			e.Context.(*event.EventContextV1).DataContentType = &contentType
			assert.NoError(t, f.Emit(t.Context(), f.source, e), contentType)
		})
	}
}

func TestEmitPassesOnWhatTheBusSays(t *testing.T) {
	running(t, func(t *testing.T, f *fixture) {
		e, err := hearken.NewEvent("order", "1", 1)
		require.NoError(t, err)
		f.bus.failPublish(bus.ErrFull)
		err = f.Emit(t.Context(), f.source, e)
		assert.ErrorIs(t, err, bus.ErrFull)
		assert.False(t, hearken.IsPermanent(err))
		f.bus.failPublish(bus.ErrRejected)
		err = f.Emit(t.Context(), f.source, e)
		assert.ErrorIs(t, err, bus.ErrRejected)
		assert.True(t, hearken.IsPermanent(err), "too large: never")
		assert.Equal(t, err, f.Health().EventSources[0].LastError.Err)
	})
}

func TestEmitNeedsARunningPipelineAndItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script)})
		e, err := hearken.NewEvent("order", "1", 1)
		require.NoError(t, err)
		assert.ErrorIs(t, f.Emit(t.Context(), f.source, e), hearken.ErrNotRunning)
		f.start(t)
		assert.NoError(t, f.Emit(t.Context(), f.source, e))
		for want, other := range map[string]*hearken.EventSource{
			"hearken: emit for a nil event source":                          nil,
			"hearken: emit for DeadLetters, which the pipeline alone emits": hearken.DeadLetters("s"),
			"hearken: emit: the event source is another *EventSource than the orders/created of the pipeline's EventSources; use the same pointer":          {Name: "orders", Event: "created"},
			"hearken: emit: the event source oders/created is not among the pipeline's EventSources; list it, with a nil Source if another process runs it": {Name: "oders", Event: "created"},
		} {
			err := f.Emit(t.Context(), other, e)
			require.EqualError(t, err, want)
			assert.True(t, hearken.IsPermanent(err))
		}
		assert.NoError(t, f.end())
		assert.ErrorIs(t, f.Emit(t.Context(), f.source, e), hearken.ErrNotRunning)
	})
}

// slowBus publishes when it is told to.
type slowBus struct {
	*scriptedBus
	release chan struct{}
}

func (b slowBus) Publish(ctx context.Context, t bus.Topic, e hearken.Event) error {
	select {
	case <-b.release:
		return b.scriptedBus.Publish(ctx, t, e)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

type ctxKey struct{}

func TestEmitUnderWayIsFinishedOnShutdown(t *testing.T) {
	tests := []struct {
		name    string
		after   time.Duration // until the bus publishes
		emit    error
		run     error
		timeout time.Duration // of the source's own context
	}{
		{"within the drain", time.Second, nil, nil, 0},
		{"after it", time.Hour, context.Canceled, hearken.ErrDrain, 0},
		{"the source's deadline holds", time.Hour, context.DeadlineExceeded, nil, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(hearken.Action{Trigger: new(script)})
				slow := slowBus{f.bus, make(chan struct{})}
				f.Bus = slow
				emitted := make(chan error, 1)
				f.source.Source = hearken.SourceFunc(func(ctx context.Context, out hearken.Output) error {
					if tt.timeout > 0 {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, tt.timeout)
						defer cancel()
					}
					e, err := hearken.NewEvent("order", "1", 1)
					assert.NoError(t, err)
					emitted <- out.Emit(context.WithValue(ctx, ctxKey{}, 1), e)
					return nil
				})
				f.start(t)
				f.stop()
				timer := time.AfterFunc(tt.after, func() { close(slow.release) })
				defer timer.Stop()
				assert.ErrorIs(t, <-emitted, tt.emit)
				assert.ErrorIs(t, <-f.done, tt.run)
			})
		})
	}
}

func TestNewEvent(t *testing.T) {
	e, err := hearken.NewEvent("order", "1", map[string]int{"n": 1})
	require.NoError(t, err)
	assert.Equal(t, `{"n":1}`, string(e.Data()))
	assert.Equal(t, "application/json", e.DataContentType())
	e, err = hearken.NewEvent("order", "1", []byte(`[1]`))
	require.NoError(t, err)
	assert.Equal(t, `[1]`, string(e.Data()))
	_, err = hearken.NewEvent("order", "1", make(chan int))
	assert.ErrorContains(t, err, `data of event "order"`)
}

func TestDataKey(t *testing.T) {
	for data, want := range map[string]string{`{"k":"v"}`: "v", `{"k":12345678901234567890}`: "12345678901234567890", `{"k":true}`: "true", `{"k":""}`: ""} {
		e, err := hearken.NewEvent("x", "1", []byte(data))
		require.NoError(t, err)
		got, err := hearken.DataKey("k")(e)
		assert.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, data := range []string{`{}`, `{"k":null}`, `{"k":[1]}`, `{"k":{}}`, ``, `not json`} {
		e, err := hearken.NewEvent("x", "1", []byte(data))
		require.NoError(t, err)
		_, err = hearken.DataKey("k")(e)
		assert.ErrorContains(t, err, `"k"`, data)
	}
}

func TestErrorMarks(t *testing.T) {
	assert.NoError(t, hearken.Permanent(nil))
	assert.NoError(t, hearken.RetryAfter(nil, time.Second))
	err := hearken.Permanent(hearken.RetryAfter(errBroken, time.Second))
	assert.True(t, hearken.IsPermanent(err))
	assert.ErrorIs(t, err, errBroken)
	assert.Equal(t, "broken", err.Error())
	assert.False(t, hearken.IsPermanent(errors.New("x")))
	assert.False(t, strings.Contains((&hearken.ConfigError{Msg: "m"}).Error(), ":"))
}
