package hearken_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/otel/trace"
)

// logged gives the fixture a logger that writes to what is returned.
func logged(f *fixture, level slog.Level) *bytes.Buffer {
	var out bytes.Buffer
	f.Logger = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level}))
	return &out
}

func TestOutageDoesNotFloodTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: always{errBroken}, Retry: hearken.Retry{For: 25 * time.Second}})
		out := logged(f, slog.LevelWarn)
		f.start(t)
		for range 50 {
			f.deliver("1")
		}
		time.Sleep(25 * time.Second)
		synctest.Wait()
		assert.Equal(t, 3, strings.Count(out.String(), "firing failed"), "one every 10 seconds")
		assert.Equal(t, 50, strings.Count(out.String(), "event dead-lettered"), "what is given up is always told")
		assert.Contains(t, out.String(), "level=ERROR")
		assert.NoError(t, f.end())
	})
}

func TestSuccessIsLoggedForWhoAsks(t *testing.T) {
	for level, want := range map[slog.Level]int{slog.LevelDebug: 1, slog.LevelInfo: 0} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(hearken.Action{Trigger: hearken.TriggerFunc(func(context.Context, hearken.Firing) error {
				time.Sleep(time.Second)
				return nil
			})})
			out := logged(f, level)
			f.start(t)
			f.deliver("1")
			time.Sleep(time.Second)
			synctest.Wait()
			assert.Equal(t, want, strings.Count(out.String(), "msg=fired"), out)
			assert.Equal(t, want, strings.Count(out.String(), "event_id=1 attempt=1 took=1s"), out)
			assert.NoError(t, f.end())
		})
	}
}

// explained is a filter that says why.
type explained struct{ filterFunc }

func (explained) Explain(e hearken.Event) string { return "no for " + e.ID() }

func TestRejectionsAreExplained(t *testing.T) {
	no := filterFunc(func(hearken.Event) (bool, error) { return false, nil })
	for want, filter := range map[string]hearken.Filter{`why="no for 1"`: explained{no}, `why="the filter does not match"`: no} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(hearken.Action{Trigger: new(script)})
			f.dep.Filter = filter
			out := logged(f, slog.LevelDebug)
			f.start(t)
			f.deliver("1")
			assert.Contains(t, out.String(), want)
			assert.Contains(t, out.String(), "dependency=created")
			assert.NoError(t, f.end())
		})
	}
}

func TestPanicIsLoggedWithItsStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Retry: hearken.Retry{Attempts: 1}, Trigger: panicking{}})
		out := logged(f, slog.LevelWarn)
		f.start(t)
		f.deliver("1")
		assert.Contains(t, out.String(), "panicking.Fire")
		assert.NoError(t, f.end())
	})
}

func TestWhyASensorCannotSubscribeAgainIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script)})
		out := logged(f, slog.LevelWarn)
		f.start(t)
		f.bus.failSubscribe(errBroken)
		f.bus.failReceive(bus.ErrClosed)
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Contains(t, out.String(), `level=WARN msg="sensor cannot subscribe again" pipeline=test sensor=s group=test/s error=broken`)
		assert.False(t, f.Health().Ready)
		assert.NoError(t, f.end())
	})
}

// Who searches logs relies on the keys.
func TestLogKeys(t *testing.T) {
	keys := make(map[string]string) // by message
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(
			hearken.Action{Name: "a", Trigger: panicking{}, Retry: hearken.Retry{Attempts: 1}},
			hearken.Action{Name: "b", When: &hearken.Dependency{Name: "gone", EventSource: hearken.DeadLetters("gone")}, Trigger: new(script)},
		)
		failed := false
		f.source.Source = hearken.SourceFunc(func(context.Context, hearken.Output) error {
			if !failed {
				failed = true
				return errBroken
			}
			return nil
		})
		f.dep.Filter = filterFunc(func(e hearken.Event) (bool, error) { return e.ID() != "no", nil })
		f.bus.settleErr = errBroken
		out := new(bytes.Buffer)
		f.Logger = slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		f.start(t)
		f.deliver("no")
		f.bus.failPublish(errBroken)
		f.deliver("1")
		f.bus.failPublish(nil)
		f.bus.failReceive(bus.ErrClosed)
		time.Sleep(time.Minute)
		assert.NoError(t, f.end())
		for line := range strings.Lines(out.String()) {
			var record map[string]any
			assert.NoError(t, json.Unmarshal([]byte(line), &record))
			msg := record["msg"].(string)
			for _, all := range []string{"time", "level", "msg"} {
				delete(record, all)
			}
			assert.Equal(t, "test", record["pipeline"], msg)
			delete(record, "pipeline")
			keys[msg] = strings.Join(slices.Sorted(maps.Keys(record)), " ")
		}
	})
	assert.Equal(t, map[string]string{
		"sensor subscribed": "group sensor topics",
		"dead letters of a sensor that this pipeline does not have": "dead_letters_of dependency sensor",
		"pipeline is ready":                             "event_sources sensors",
		"event source begins":                           "event event_source",
		"event source failed and will be run again":     "error event event_source failures retry_in",
		"event source has finished":                     "event event_source",
		"event filtered out":                            "dependency event event_id event_source sensor why",
		"firing failed":                                 "action attempt error event event_id event_source firing retry_in sensor stack",
		"dead letter was not stored; the event is held": "action cause error event event_id event_source failures firing sensor",
		"event dead-lettered":                           "action attempt dead_letter_id error event event_id event_source firing sensor",
		"sensor cannot receive":                         "error failures sensor",
		"sensor subscribed again":                       "group sensor",
		"delivery was not settled":                      "error event event_id event_source sensor",
		"pipeline is draining":                          "drain",
		"pipeline has ended":                            "clean",
	}, keys)
}

// A handler that asks for the trace of a record finds that of the firing.
func TestLogOfAFiringHasItsSpan(t *testing.T) {
	seen := new(spanHandler)
	spans := traced(t, hearken.Action{Trigger: always{hearken.Permanent(errBroken)}}, func(_ *testing.T, f *fixture) {
		f.deliver("1")
	}, func(f *fixture) { f.Logger = slog.New(seen) })
	for message, want := range map[string]trace.SpanContext{
		"firing failed": spans[0].context, "event dead-lettered": spans[0].context, "pipeline is ready": {},
	} {
		got, ok := seen.Load(message)
		assert.True(t, ok, message)
		assert.Equal(t, want, got, message)
	}
}

// spanHandler keeps the span of the last record of each message.
type spanHandler struct{ sync.Map }

func (*spanHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h *spanHandler) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h *spanHandler) WithGroup(string) slog.Handler          { return h }

func (h *spanHandler) Handle(ctx context.Context, r slog.Record) error {
	h.Store(r.Message, trace.SpanContextFromContext(ctx))
	return nil
}
