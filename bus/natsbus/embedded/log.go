package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

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

// fatalLog keeps what the server calls fatal: it does not return why it could
// not start.
type fatalLog struct {
	server.Logger
	err atomic.Pointer[error]
}

// Fatalf logs and remembers. The process goes on.
func (l *fatalLog) Fatalf(format string, v ...any) {
	err := fmt.Errorf("embedded: "+format, v...)
	l.err.CompareAndSwap(nil, &err)
	l.Logger.Fatalf(format, v...)
}

// failed returns the first fatal error.
func (l *fatalLog) failed() error {
	if err := l.err.Load(); err != nil {
		return *err
	}
	return nil
}
