package join

import (
	"context"
	"errors"
	"slices"
	"time"
)

// bucket returns the minute in which to look at what is due at a time: one that
// nobody has looked at yet, also if his clock is a minute ahead.
func bucket(due, now time.Time) int64 {
	if now.After(due) {
		due = now
	}
	return minuteOf(due) + 2
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

// remind has an entry looked at when it may be forgotten.
func (e *Engine) remind(ctx context.Context, key string, at time.Time) error {
	b := bucket(at, time.Now())
	return e.put(ctx, b, e.forgetting(b, key), []byte{})
}

// put stores something in a bucket whose hour is in the register. Who was kept from
// it until the hour was over says again that something is there: the hour may have
// been taken out meanwhile.
func (e *Engine) put(ctx context.Context, bucket int64, key string, value []byte) error {
	if err := e.enlist(ctx, bucket); err != nil {
		return err
	}
	err := e.store.Update(ctx, key, func([]byte) ([]byte, error) { return slices.Clone(value), nil })
	if err != nil || bucket == 0 || minuteOf(time.Now())/60 <= bucket/60 {
		return err
	}
	return e.register(ctx, bucket/60, true)
}

// enlist makes sure that the hour of a bucket is in the register of hours, before
// anything is stored there.
func (e *Engine) enlist(ctx context.Context, bucket int64) error {
	hour := bucket / 60
	e.mu.Lock()
	known := bucket == 0 || e.hours[hour]
	e.mu.Unlock()
	if known {
		return nil
	}
	if err := e.register(ctx, hour, true); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hours[hour] = true
	return nil
}

// register puts an hour into the register, or takes it out.
func (e *Engine) register(ctx context.Context, hour int64, in bool) error {
	err := e.updateHours(ctx, func(hours []int64) []int64 {
		i, found := slices.BinarySearch(hours, hour)
		switch {
		case found == in:
			return nil
		case in:
			return slices.Insert(hours, i, hour)
		default:
			return slices.Delete(hours, i, i+1)
		}
	})
	var damaged *corruptError
	if !errors.As(err, &damaged) {
		return err
	}
	if err := e.restoreHours(ctx, damaged); err != nil {
		return err
	}
	return e.register(ctx, hour, in)
}

// updateHours changes the register to what f makes of it; nil: not at all.
func (e *Engine) updateHours(ctx context.Context, f func([]int64) []int64) error {
	err := e.store.Update(ctx, e.hoursKey(), func(old []byte) ([]byte, error) {
		hours, err := decodeHours(old)
		if err != nil {
			return nil, &corruptError{slices.Clone(old), err}
		}
		if hours = f(hours); hours == nil {
			return nil, errUnchanged
		}
		return encodeHours(hours), nil
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// loadHours returns the register.
func (e *Engine) loadHours(ctx context.Context) ([]int64, error) {
	raw, err := e.store.Get(ctx, e.hoursKey())
	if err != nil {
		return nil, err
	}
	hours, err := decodeHours(raw)
	if err == nil {
		return hours, nil
	}
	if err := e.restoreHours(ctx, &corruptError{raw, err}); err != nil {
		return nil, err
	}
	return e.loadHours(ctx)
}

// restoreHours makes a register that does not decode anew, from all that it led to.
// It takes the place of the damaged one at once: whoever came between would take it
// for empty.
func (e *Engine) restoreHours(ctx context.Context, damaged *corruptError) error {
	if errors.Is(damaged.err, errLater) {
		return damaged
	}
	var found []int64
	for item, err := range e.store.List(ctx, e.prefix+"d/") {
		if err != nil {
			return err
		}
		hour := e.bucketOf(item.Key) / 60
		if i, known := slices.BinarySearch(found, hour); !known {
			found = slices.Insert(found, i, hour)
		}
	}
	if err := e.keep(ctx, e.hoursKey(), damaged.raw, damaged.err); err != nil {
		return err
	}
	return e.store.Update(ctx, e.hoursKey(), func(old []byte) ([]byte, error) {
		all := slices.Clone(found)
		if hours, err := decodeHours(old); err == nil { // somebody was faster
			all = append(all, hours...)
			slices.Sort(all)
		}
		return encodeHours(slices.Compact(all)), nil
	})
}

// encodeHours writes a sorted list of hours.
func encodeHours(hours []int64) []byte {
	w, last := newWriter(8+2*len(hours)), int64(0)
	w.uint(uint64(len(hours)))
	for _, h := range hours {
		w.int(h - last)
		last = h
	}
	return w.done()
}

// decodeHours reads a list of hours; none is an empty one.
func decodeHours(b []byte) ([]int64, error) {
	if b == nil {
		return nil, nil
	}
	r, last := read(b), int64(0)
	hours := make([]int64, r.count(1))
	for i := range hours {
		last += r.int()
		hours[i] = last
	}
	return hours, r.err
}
