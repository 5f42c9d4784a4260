package logtrigger

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/hearken-go/hearken"
)

const (
	defaultMessage = "firing"
	defaultMaxData = 4 << 10
)

// Trigger logs each firing. The zero value is ready to use.
type Trigger struct {
	// Logger gets the records. Nil: slog.Default().
	Logger *slog.Logger

	// Level is the records' level. Zero: slog.LevelInfo.
	Level slog.Level

	// Message is the records' message. Empty: "firing".
	Message string

	// MaxData is how many bytes of an event's data are logged; the length of
	// data that is longer is in the key "size". Zero: 4096. Negative: none.
	MaxData int
}

// Fire logs f. It returns the error of the log's handler, which slog.Logger
// itself would drop.
func (t *Trigger) Fire(ctx context.Context, f hearken.Firing) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	handler := cmp.Or(t.Logger, slog.Default()).Handler()
	if !handler.Enabled(ctx, t.Level) {
		return nil
	}
	r := slog.NewRecord(time.Now(), t.Level, cmp.Or(t.Message, defaultMessage), 0)
	r.AddAttrs(
		slog.String("firing", f.ID),
		slog.String("sensor", f.Sensor),
		slog.String("action", f.Action),
		slog.Int("attempt", f.Attempt),
		slog.Attr{Key: "events", Value: t.events(f)},
	)
	if err := handler.Handle(ctx, r); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return nil
}

func (t *Trigger) events(f hearken.Firing) slog.Value {
	attrs := make([]slog.Attr, 0, len(f.Events))
	for _, name := range slices.Sorted(maps.Keys(f.Events)) {
		attrs = append(attrs, slog.Attr{Key: name, Value: t.event(f.Events[name])})
	}
	return slog.GroupValue(attrs...)
}

func (t *Trigger) event(e hearken.Event) slog.Value {
	attrs := make([]slog.Attr, 0, 6)
	attrs = append(attrs,
		slog.String("id", e.ID()),
		slog.String("source", e.Source()),
		slog.String("type", e.Type()),
		slog.String("subject", e.Subject()),
	)
	limit := max(cmp.Or(t.MaxData, defaultMaxData), 0)
	data := e.Data()
	if shown := data[:min(len(data), limit)]; len(shown) > 0 {
		attrs = append(attrs, text(shown, len(shown) < len(data)))
	}
	if len(data) > limit {
		attrs = append(attrs, slog.Int("size", len(data)))
	}
	return slog.GroupValue(attrs...)
}

// text returns data as text, less a character at the end where it was cut; or in
// base64, under the name that CloudEvents has for it, where it is no text.
func text(data []byte, cut bool) slog.Attr {
	whole := data
	for i := 1; cut && i < utf8.UTFMax && i <= len(data); i++ {
		if tail := data[len(data)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				whole = data[:len(data)-i]
			}
			break
		}
	}
	if utf8.Valid(whole) {
		return slog.String("data", string(whole))
	}
	return slog.String("data_base64", base64.StdEncoding.EncodeToString(data))
}
