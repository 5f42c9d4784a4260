package calendar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/hearken-go/hearken/bus"
)

const (
	// lastRunKey is where the Store keeps up to when ticks are done with.
	lastRunKey = "last-run"
	// asideKey begins the keys of values found there that are no time.
	asideKey = "last-run.unreadable."
	// storeTimeout bounds what the Store may take: one that hangs is in trouble,
	// and is asked again.
	storeTimeout = 5 * time.Second
)

// lastRun is up to when ticks are done with, as the Store knows it.
type lastRun struct {
	store   bus.Store // nil: there is none
	log     *slog.Logger
	failing atomic.Bool // the last record or peek failed
}

// format is how the last run is stored, and what a tick's event has as its id.
func format(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func parse(value []byte) (time.Time, error) { return time.Parse(time.RFC3339Nano, string(value)) }

// load returns what is stored. Where nothing is, or nothing that can be read,
// it stores and returns from.
func (l *lastRun) load(ctx context.Context, from, now time.Time) (time.Time, error) {
	if l.store == nil {
		return from, nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	value, err := l.store.Get(ctx, lastRunKey)
	if err != nil {
		return time.Time{}, err
	}
	if t, err := parse(value); err == nil {
		return t, nil
	}
	return l.advance(ctx, from, now)
}

// The ends of an update that changes nothing.
var (
	errFurther    = errors.New("calendar: the last run is further on")
	errUnreadable = errors.New("calendar: the last run is no time")
)

// advance moves the last run forward to t, and returns what it is then: another
// replica may have moved it further. It moves it back only from where no clock
// can have been.
func (l *lastRun) advance(ctx context.Context, t, now time.Time) (time.Time, error) {
	var unreadable []byte // was put aside, and may be overwritten; nil: nothing was
	for {
		var stored time.Time
		var old []byte
		err := l.store.Update(ctx, lastRunKey, func(value []byte) ([]byte, error) {
			stored = t
			was, err := parse(value)
			switch {
			case value == nil:
			case err != nil && (unreadable == nil || !bytes.Equal(value, unreadable)):
				old = bytes.Clone(value)
				return nil, errUnreadable
			case err == nil && !was.Before(t) && was.Sub(now) <= ahead:
				stored = was
				return nil, errFurther
			}
			return []byte(format(t)), nil
		})
		switch {
		case errors.Is(err, errFurther):
			return stored, nil
		case !errors.Is(err, errUnreadable):
			return stored, err
		}
		if err := l.putAside(ctx, old, now); err != nil {
			return time.Time{}, err
		}
		unreadable = old
	}
}

// putAside keeps a value that is no time under another key, and reports it.
func (l *lastRun) putAside(ctx context.Context, value []byte, now time.Time) error {
	key := asideKey + format(now)
	err := l.store.Update(ctx, key, func([]byte) ([]byte, error) { return value, nil })
	if err != nil {
		return fmt.Errorf("put aside the unreadable value of %q: %w", lastRunKey, err)
	}
	l.log.Error("calendar's last run in the Store is no time; it is kept aside and ticks are counted from now",
		"key", lastRunKey, "value", string(value[:min(len(value), 100)]), "kept_as", key)
	return nil
}

// record moves the last run forward, and logs when it begins to fail and when it
// works again.
func (l *lastRun) record(ctx context.Context, t, now time.Time) {
	if l.store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil { // in a goroutine that is not the engine's, which would survive it
			l.report(fmt.Errorf("the Store panicked: %v\n%s", v, debug.Stack()))
		}
	}()
	_, err := l.advance(ctx, t, now)
	l.report(err)
}

// peek returns what is stored, if that can be found out.
func (l *lastRun) peek(ctx context.Context) (time.Time, bool) {
	bounded, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	value, err := l.store.Get(bounded, lastRunKey)
	if err == nil {
		t, err := parse(value)
		return t, err == nil
	}
	if ctx.Err() == nil {
		l.report(err)
	}
	return time.Time{}, false
}

func (l *lastRun) report(err error) {
	switch failed := l.failing.Swap(err != nil); {
	case err != nil && !failed:
		l.log.Warn("calendar's last run cannot be kept in the Store: after a restart ticks may be emitted again", "error", err)
	case err == nil && failed:
		l.log.Info("calendar's last run is kept in the Store again")
	}
}
