package join

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrPart says that an event that a firing needs is not in the store any more, or
// does not decode.
var ErrPart = errors.New("join: the stored event cannot be had")

// ErrCleared says that a firing is finished.
var ErrCleared = errors.New("join: the firing has been cleared")

var (
	errUnchanged = errors.New("nothing to change")
	errNew       = errors.New("the entry is new")
)

// corruptError is an entry that does not decode.
type corruptError struct {
	raw []byte
	err error
}

func (e *corruptError) Error() string { return e.err.Error() }
func (e *corruptError) Unwrap() error { return e.err }

// change changes an entry by compare and swap, if f reports that it did. f may be
// called several times. What is to forget the entry one day is stored before it.
func (e *Engine) change(ctx context.Context, key string, f func(*entry) bool) error {
	for registered := false; ; {
		err := e.store.Update(ctx, e.entry(key), func(old []byte) ([]byte, error) {
			en, err := decodeEntry(old)
			switch {
			case err != nil:
				return nil, &corruptError{slices.Clone(old), err}
			case !f(en):
				return nil, errUnchanged
			case old == nil && !registered:
				return nil, errNew
			case en.forgotten:
				return nil, nil
			}
			return en.encode(), nil
		})
		var corrupt *corruptError
		switch {
		case errors.Is(err, errUnchanged):
			return nil
		case errors.Is(err, errNew):
			err = e.remind(ctx, key, time.Now().Add(MarkAge))
			registered = true
		case errors.As(err, &corrupt):
			err = e.setAside(ctx, e.entry(key), corrupt.raw, corrupt.err)
		case err == nil:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// load returns an entry, an empty one where there is none or it does not decode.
func (e *Engine) load(ctx context.Context, key string) (*entry, error) {
	raw, err := e.store.Get(ctx, e.entry(key))
	if err != nil {
		return nil, err
	}
	en, err := decodeEntry(raw)
	if err != nil {
		return new(entry), e.setAside(ctx, e.entry(key), raw, err)
	}
	return en, nil
}

// setAside moves a value that does not decode to where it is out of the way and
// can be looked at, and reports it. One of a later version stays: who runs that
// one can read it.
func (e *Engine) setAside(ctx context.Context, key string, raw []byte, why error) error {
	if errors.Is(why, errLater) {
		return fmt.Errorf("%q: %w", key, why)
	}
	if err := e.keep(ctx, key, raw, why); err != nil {
		return err
	}
	err := e.store.Update(ctx, key, func(old []byte) ([]byte, error) {
		if !slices.Equal(old, raw) {
			return nil, errUnchanged
		}
		return nil, nil
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// keep stores a value that does not decode where it is out of the way, and reports
// it.
func (e *Engine) keep(ctx context.Context, key string, raw []byte, why error) error {
	aside := e.prefix + "x/" + hashed(key+string(raw), keyLen)
	if err := e.put(ctx, 0, aside, raw); err != nil {
		return err
	}
	e.report(fmt.Errorf("the value of %q is kept as %q: %w", key, aside, why))
	return nil
}

// storePart stores the event of an op that is to wait.
func (e *Engine) storePart(ctx context.Context, key string, o *op) error {
	if at := o.ref.deadline.at; !at.IsZero() && o.ref.bucket == 0 {
		o.ref.bucket = bucket(at, time.Now())
	}
	value, err := encodePart(o.action.Name, o.arrival)
	if err != nil {
		return err
	}
	if err := e.put(ctx, o.ref.bucket, e.part(key, &o.ref), value); err != nil {
		return fmt.Errorf("store an event that waits: %w", err)
	}
	o.stored = true
	return nil
}

// fetch returns a part.
func (e *Engine) fetch(ctx context.Context, key string) (*part, error) {
	raw, err := e.store.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, fmt.Errorf("%w: there is no %q", ErrPart, key)
	}
	p, err := decodePart(raw)
	if err == nil {
		return p, nil
	}
	if aside := e.setAside(ctx, key, raw, err); aside != nil {
		return nil, aside
	}
	return nil, fmt.Errorf("%w: %w", ErrPart, err)
}

// drop deletes a key and returns the part that it was, if it was one. What is left
// when that fails is found by Sweep.
func (e *Engine) drop(ctx context.Context, key string) *part {
	var was *part
	err := e.store.Update(ctx, key, func(old []byte) ([]byte, error) {
		if was = nil; old != nil {
			was, _ = decodePart(old) // an unreadable one is not worth keeping: it is done with
		}
		return nil, nil
	})
	if err != nil {
		e.report(fmt.Errorf("delete %q: %w", key, err))
	}
	return was
}

// Left is what an engine has in its store.
type Left struct {
	Entries int       // some of them only remember what they have taken
	Waiting int       // events
	Oldest  time.Time // when the first of them was stored; zero: none waits
}

// Left counts what is in the store. It reads every entry.
func (e *Engine) Left(ctx context.Context) (Left, error) {
	var l Left
	for item, err := range e.store.List(ctx, e.entry("")) {
		if err != nil {
			return l, err
		}
		l.Entries++
		en, err := decodeEntry(item.Value)
		if err != nil {
			continue // Sweep will see to it
		}
		l.Waiting += len(en.parts)
		if len(en.parts) > 0 && (l.Oldest.IsZero() || en.parts[0].stored.Before(l.Oldest)) {
			l.Oldest = en.parts[0].stored
		}
	}
	return l, nil
}
