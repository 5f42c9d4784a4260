package logtrigger_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/logtrigger"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var push = &hearken.Dependency{EventSource: &hearken.EventSource{Name: "git", Event: "push"}}

func firing(t testing.TB, data any) hearken.Firing {
	t.Helper()
	e, err := hearken.NewEvent("commit", "42", data)
	require.NoError(t, err)
	return triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{push: e})
}

// fired returns the record that tr logs of f.
func fired(t *testing.T, tr logtrigger.Trigger, f hearken.Firing) map[string]any {
	t.Helper()
	var out bytes.Buffer
	tr.Logger = slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
	require.NoError(t, tr.Fire(t.Context(), f))
	var record map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &record))
	assert.NotEmpty(t, record["time"])
	delete(record, "time")
	return record
}

func TestRecord(t *testing.T) {
	f := firing(t, json.RawMessage(`{"branch":"main"}`))
	f.Attempt = 3
	assert.Equal(t, map[string]any{
		"level": "INFO", "msg": "firing",
		"firing": f.ID, "sensor": "sensor", "action": "action", "attempt": 3.0,
		"events": map[string]any{"push": map[string]any{
			"id": "42", "source": "git", "type": "commit", "subject": "push", "data": `{"branch":"main"}`,
		}},
	}, fired(t, logtrigger.Trigger{}, f))
}

func TestLevelAndMessage(t *testing.T) {
	r := fired(t, logtrigger.Trigger{Level: slog.LevelWarn, Message: "deployed"}, firing(t, 1))
	assert.Equal(t, "WARN", r["level"])
	assert.Equal(t, "deployed", r["msg"])
}

func TestData(t *testing.T) {
	long := strings.Repeat("x", 5000)
	tests := []struct {
		name string
		data string
		max  int
		want map[string]any
	}{
		{"none", "", 0, map[string]any{}},
		{"text", `{"a":1}`, 0, map[string]any{"data": `{"a":1}`}},
		{"as long as may be", "abcd", 4, map[string]any{"data": "abcd"}},
		{"too long", "abcd", 3, map[string]any{"data": "abc", "size": 4.0}},
		{"default", long, 0, map[string]any{"data": long[:4096], "size": 5000.0}},
		{"not wanted", "abcd", -1, map[string]any{"size": 4.0}},
		{"cut in a character", "aü–", 4, map[string]any{"data": "aü", "size": 6.0}},
		{"cut in the only character", "–", 1, map[string]any{"data": "", "size": 3.0}},
		{"no text", "a\xff\xfeb", 0, map[string]any{"data_base64": "Yf/+Yg=="}},
		{"no text at the end", "a\xe2\x82", 0, map[string]any{"data_base64": "YeKC"}},
		{"no text, cut", "a\xff\xfeb", 3, map[string]any{"data_base64": "Yf/+", "size": 4.0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			record := fired(t, logtrigger.Trigger{MaxData: tt.max}, firing(t, []byte(tt.data)))
			got := record["events"].(map[string]any)["push"].(map[string]any)
			for _, attribute := range []string{"id", "source", "type", "subject"} {
				assert.Contains(t, got, attribute)
				delete(got, attribute)
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestALevelThatIsNotEnabledIsSuccess(t *testing.T) {
	var out bytes.Buffer
	tr := &logtrigger.Trigger{Logger: slog.New(slog.NewTextHandler(&out, nil)), Level: slog.LevelDebug}
	require.NoError(t, tr.Fire(t.Context(), firing(t, 1)))
	assert.Empty(t, out.String())
}

// handler is a log that can fail. It takes the firing's ID from the records.
type handler struct {
	slog.Handler

	err   atomic.Pointer[error]
	hangs atomic.Bool
	mu    sync.Mutex
	keys  []string
	at    chan struct{}
}

func (h *handler) Enabled(context.Context, slog.Level) bool { return true }

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if h.hangs.Load() {
		h.at <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	if err := h.err.Load(); err != nil {
		return *err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "firing" {
			h.keys = append(h.keys, a.Value.String())
		}
		return true
	})
	return nil
}

func TestConformance(t *testing.T) {
	triggertest.Run(t, triggertest.Harness{New: func(testing.TB) triggertest.Target {
		h := &handler{at: make(chan struct{}, 1)}
		fail := func() { err := errors.New("disk full"); h.err.Store(&err) }
		return triggertest.Target{
			Trigger: &logtrigger.Trigger{Logger: slog.New(h)},
			Keys: func() []string {
				h.mu.Lock()
				defer h.mu.Unlock()
				return append([]string(nil), h.keys...)
			},
			Refuse: func() func() {
				fail()
				return func() { h.err.Store(nil) }
			},
			Hang: func() <-chan struct{} {
				h.hangs.Store(true)
				return h.at
			},
			Away: fail,
		}
	}})
}

func BenchmarkFire(b *testing.B) {
	tr := &logtrigger.Trigger{Logger: slog.New(slog.NewJSONHandler(discard{}, nil))}
	f := firing(b, map[string]string{"branch": "main"})
	b.ReportAllocs()
	for b.Loop() {
		if err := tr.Fire(b.Context(), f); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
