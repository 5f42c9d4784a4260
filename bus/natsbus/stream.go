package natsbus

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// MismatchError says that a stream exists whose settings are not those of the
// bus and cannot be changed to them.
type MismatchError struct {
	Stream, Field string
	Have, Want    any
	Err           error // what the server said, nil when it was not asked
}

// Error names the stream, the field and both values.
func (e *MismatchError) Error() string {
	s := fmt.Sprintf("natsbus: stream %q exists with %s %v, this bus needs %v", e.Stream, e.Field, e.Have, e.Want)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns what the server said.
func (e *MismatchError) Unwrap() error { return e.Err }

func (b *Bus) eventsConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:     b.cfg.Name,
		Subjects: []string{b.subjects.events + ">"},
		// Interest keeps an event until the last group has settled it; discard
		// new refuses instead of dropping; an age would drop what is unread.
		Retention:  jetstream.InterestPolicy,
		Discard:    jetstream.DiscardNew,
		MaxMsgs:    b.cfg.MaxEvents,
		MaxBytes:   b.cfg.MaxBytes,
		Duplicates: b.cfg.DedupeWindow,
		Storage:    b.cfg.Storage,
		Replicas:   b.cfg.Replicas,
	}
}

func (b *Bus) deadLettersConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:       b.cfg.Name + "-deadletters",
		Subjects:   []string{b.subjects.deadLetters + ">"},
		Retention:  jetstream.LimitsPolicy,
		Discard:    jetstream.DiscardOld,
		MaxMsgs:    -1,
		MaxBytes:   max(b.cfg.DeadLetterMaxBytes, -1),
		MaxAge:     max(b.cfg.DeadLetterMaxAge, 0),
		Duplicates: limitWindow(b.cfg.DedupeWindow, b.cfg.DeadLetterMaxAge),
		Storage:    b.cfg.Storage,
		Replicas:   b.cfg.Replicas,
	}
}

// storeConfig is the layout of a NATS key-value bucket, so that its tools show
// the entries. Direct reads may come from a copy that lags, so they are allowed
// only when there is one copy.
func (b *Bus) storeConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              "KV_" + b.cfg.Name,
		Subjects:          []string{b.storePrefix() + ">"},
		Retention:         jetstream.LimitsPolicy,
		Discard:           jetstream.DiscardNew,
		MaxMsgs:           -1,
		MaxMsgsPerSubject: 1,
		MaxBytes:          max(b.cfg.StoreMaxBytes, -1),
		Duplicates:        time.Second, // ids are not used here
		AllowDirect:       b.cfg.Replicas == 1,
		Storage:           b.cfg.Storage,
		Replicas:          b.cfg.Replicas,
	}
}

// groupsConfig holds who is a member of which group, and the groups' locks.
// Both expire by themselves.
func (b *Bus) groupsConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              b.cfg.Name + "-groups",
		Subjects:          []string{b.cfg.Name + ".groups.>"},
		Retention:         jetstream.LimitsPolicy,
		Discard:           jetstream.DiscardNew,
		MaxMsgs:           -1,
		MaxMsgsPerSubject: 1,
		MaxBytes:          64 << 20,
		Duplicates:        time.Second,
		AllowMsgTTL:       true,
		AllowDirect:       b.cfg.Replicas == 1,
		Storage:           b.cfg.Storage,
		Replicas:          b.cfg.Replicas,
	}
}

// limitWindow keeps a dedupe window below a stream's age, as the server asks.
func limitWindow(window, age time.Duration) time.Duration {
	if age > 0 {
		return min(window, age)
	}
	return window
}

// ensureStream creates the stream that want describes, or changes the one that
// exists where it differs.
func (b *Bus) ensureStream(ctx context.Context, want jetstream.StreamConfig) (jetstream.Stream, error) {
	st, err := b.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		// The same configuration again is no error, so processes that start
		// together do not disturb each other.
		st, err = b.js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			st, err = b.js.Stream(ctx, want.Name)
		}
	}
	if hasCode(err, codeInsufficientResources, codeInsufficientStorage, codeInsufficientMemory) {
		err = fmt.Errorf("%w: %d bytes are to be set aside for it; free room, or give smaller limits in Config", err, want.MaxBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("natsbus: stream %q: %w", want.Name, err)
	}
	have := st.CachedInfo().Config
	merged, diff := merge(have, want)
	if len(diff) == 0 {
		return st, nil
	}
	for _, d := range diff {
		if d.Field == "Storage" || d.Field == "Retention" || d.Field == "Discard" {
			return nil, d
		}
	}
	st, err = b.js.UpdateStream(ctx, merged)
	if err != nil {
		diff[0].Err = err
		return nil, diff[0]
	}
	b.cfg.Logger.InfoContext(ctx, "stream updated", "stream", want.Name, "changes", len(diff))
	return st, nil
}

// merge returns have with the settings that the bus needs, and the differences.
// What the bus has no opinion on stays as the operator set it.
func merge(have, want jetstream.StreamConfig) (jetstream.StreamConfig, []*MismatchError) {
	var diff []*MismatchError
	h, w := reflect.ValueOf(&have).Elem(), reflect.ValueOf(want)
	for _, field := range []string{
		"Storage", "Retention", "Discard", "Replicas", "MaxMsgs", "MaxBytes", "MaxAge",
		"MaxMsgsPerSubject", "Duplicates", "AllowMsgTTL", "AllowDirect", "DenyDelete",
	} {
		old, wanted := h.FieldByName(field), w.FieldByName(field)
		if old.Equal(wanted) || unlimited(old) && unlimited(wanted) {
			continue
		}
		diff = append(diff, &MismatchError{Stream: want.Name, Field: field, Have: old.Interface(), Want: wanted.Interface()})
		old.Set(wanted)
	}
	if !slices.Contains(have.Subjects, want.Subjects[0]) {
		diff = append(diff, &MismatchError{Stream: want.Name, Field: "Subjects", Have: have.Subjects, Want: want.Subjects})
		have.Subjects = append(slices.Clone(have.Subjects), want.Subjects[0])
	}
	return have, diff
}

// unlimited reports whether v is one of the ways to say "no bound".
func unlimited(v reflect.Value) bool {
	return v.CanInt() && v.Kind() == reflect.Int64 && v.Int() <= 0
}
