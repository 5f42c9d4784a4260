package calendar_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // the tests read no zone of the machine

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/sources/calendar"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// daily is each day at a time of day, as time.Date understands it.
type daily struct{ hour, minute int }

func (d daily) Next(t time.Time) time.Time {
	for day := t.Day(); ; day++ {
		if at := time.Date(t.Year(), t.Month(), day, d.hour, d.minute, 0, 0, t.Location()); at.After(t) {
			return at
		}
	}
}

// scheduleFunc is a function that is a schedule.
type scheduleFunc func(time.Time) time.Time

func (f scheduleFunc) Next(t time.Time) time.Time { return f(t) }

// log collects what is logged, as text without times.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *log) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// start runs s into rec. The function that it returns ends that, and returns
// what Run has returned.
func start(t *testing.T, s hearken.Source, rec *sourcetest.Recorder) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, rec.Output()) }()
	synctest.Wait()
	return func() error {
		cancel()
		return <-ended
	}
}

// runFor runs s into rec for a while.
func runFor(t *testing.T, d time.Duration, s hearken.Source, rec *sourcetest.Recorder) {
	t.Helper()
	stop := start(t, s, rec)
	time.Sleep(d)
	synctest.Wait()
	require.NoError(t, stop())
}

// ids returns the ids of events: the times of their ticks.
func ids(events []hearken.Event) []string {
	var ids []string
	for _, e := range events {
		ids = append(ids, e.ID())
	}
	return ids
}

// hours returns the ids of the ticks at each full hour, first and last included.
func hours(first time.Time, n int) []string {
	var ids []string
	for i := range n {
		ids = append(ids, first.Add(time.Duration(i)*time.Hour).UTC().Format(time.RFC3339))
	}
	return ids
}

var errAway = errors.New("away")

// faultyStore is a Store whose calls fail while it is away.
type faultyStore struct {
	bus.Store
	mu      sync.Mutex
	reading error
	writing error
}

func (s *faultyStore) fail(reading, writing error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading, s.writing = reading, writing
}

func (s *faultyStore) faults() (reading, writing error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reading, s.writing
}

func (s *faultyStore) Get(ctx context.Context, key string) ([]byte, error) {
	if err, _ := s.faults(); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, key)
}

func (s *faultyStore) Update(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
	if _, err := s.faults(); err != nil {
		return err
	}
	return s.Store.Update(ctx, key, f)
}

// hangingStore is a Store whose calls do not return, while it hangs, before
// their context ends.
type hangingStore struct {
	bus.Store
	hangs atomic.Bool
}

func (s *hangingStore) wait(ctx context.Context) error {
	if s.hangs.Load() {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (s *hangingStore) Get(ctx context.Context, key string) ([]byte, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, key)
}

func (s *hangingStore) Update(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	return s.Store.Update(ctx, key, f)
}

// panickingStore is a Store whose updates panic at times.
type panickingStore struct {
	bus.Store
	panics atomic.Bool
}

func (s *panickingStore) Update(ctx context.Context, key string, f func([]byte) ([]byte, error)) error {
	if s.panics.Load() {
		panic("oops")
	}
	return s.Store.Update(ctx, key, f)
}

// lastRun returns what s has as the last run.
func lastRun(t *testing.T, s bus.Store) string {
	t.Helper()
	value, err := s.Get(t.Context(), calendar.LastRunKey)
	require.NoError(t, err)
	return string(value)
}

// clock is a wall clock that can be set.
type clock struct {
	mu  sync.Mutex
	off time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off)
}

func (c *clock) jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off += d
}

// mistakes are the paths of the ConfigErrors that err joins.
func mistakes(t *testing.T, err error) []string {
	t.Helper()
	var paths []string
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	for _, err := range joined.Unwrap() {
		var mistake *hearken.ConfigError
		require.ErrorAs(t, err, &mistake)
		assert.NotEmpty(t, mistake.Msg)
		paths = append(paths, mistake.Path)
	}
	return paths
}
