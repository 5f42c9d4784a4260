package join

import (
	"context"
	"encoding/binary"
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
	err := e.store.Update(ctx, e.prefix+"hours", func(old []byte) ([]byte, error) {
		hours := decodeHours(old)
		i, found := slices.BinarySearch(hours, hour)
		switch {
		case found == in:
			return nil, errUnchanged
		case in:
			hours = slices.Insert(hours, i, hour)
		default:
			hours = slices.Delete(hours, i, i+1)
		}
		return encodeHours(hours), nil
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// encodeHours writes a sorted list of hours.
func encodeHours(hours []int64) []byte {
	b, last := []byte{}, int64(0)
	for _, h := range hours {
		b = binary.AppendVarint(b, h-last)
		last = h
	}
	return b
}

// decodeHours reads as much as can be read.
func decodeHours(b []byte) []int64 {
	var hours []int64
	last := int64(0)
	for len(b) > 0 {
		d, n := binary.Varint(b)
		if n <= 0 {
			break
		}
		last += d
		hours, b = append(hours, last), b[n:]
	}
	return hours
}
