package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// serverLog writes the server's log to slog. What the server calls a notice,
// its daily business, is a debug message to an application.
type serverLog struct{ log *slog.Logger }

var _ server.Logger = serverLog{}

func (l serverLog) write(level slog.Level, format string, v []any) {
	ctx := context.Background()
	if l.log.Enabled(ctx, level) {
		l.log.Log(ctx, level, "nats server", "text", fmt.Sprintf(format, v...))
	}
}

func (l serverLog) Noticef(format string, v ...any) { l.write(slog.LevelDebug, format, v) }
func (l serverLog) Warnf(format string, v ...any)   { l.write(slog.LevelWarn, format, v) }
func (l serverLog) Errorf(format string, v ...any)  { l.write(slog.LevelError, format, v) }
func (l serverLog) Fatalf(format string, v ...any)  { l.write(slog.LevelError, format, v) }
func (l serverLog) Debugf(format string, v ...any)  { l.write(slog.LevelDebug, format, v) }
func (l serverLog) Tracef(format string, v ...any)  { l.write(slog.LevelDebug, format, v) }

// errorLog keeps what the server calls an error or fatal: it returns neither why
// it could not start nor why it does not store, as on a full disk.
type errorLog struct {
	server.Logger
	err  atomic.Pointer[error]
	last atomic.Pointer[complaint]
}

// complaint is an error that the server logged.
type complaint struct {
	text string
	at   time.Time
}

// Errorf logs and remembers.
func (l *errorLog) Errorf(format string, v ...any) {
	l.last.Store(&complaint{fmt.Sprintf(format, v...), time.Now()})
	l.Logger.Errorf(format, v...)
}

// since returns the last error that was logged after the given time, or "".
func (l *errorLog) since(begun time.Time) string {
	if c := l.last.Load(); c != nil && !c.at.Before(begun) {
		return c.text
	}
	return ""
}

// Fatalf logs and remembers. The process goes on.
func (l *errorLog) Fatalf(format string, v ...any) {
	err := fmt.Errorf("embedded: "+format, v...)
	l.err.CompareAndSwap(nil, &err)
	l.Logger.Fatalf(format, v...)
}

// failed returns the first fatal error.
func (l *errorLog) failed() error {
	if err := l.err.Load(); err != nil {
		return *err
	}
	return nil
}
