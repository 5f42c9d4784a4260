package natsbus

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// List implements bus.Store. The server finds the entries by the part of prefix
// up to its last slash.
func (s *store) List(ctx context.Context, prefix string) iter.Seq2[bus.Entry, error] {
	return func(yield func(bus.Entry, error) bool) {
		list := s.read
		if s.replicated {
			list = s.readEach
		}
		if err := list(ctx, prefix, yield); err != nil {
			yield(bus.Entry{}, fmt.Errorf("natsbus: store: list: %w", err))
		}
	}
}

// read reads the last message of each subject through a consumer of its own.
// What was written after it began is left out, so no key comes twice.
func (s *store) read(ctx context.Context, prefix string, yield func(bus.Entry, error) bool) error {
	info, err := s.stream.Info(ctx)
	if err != nil {
		return err
	}
	c, err := s.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy,
		FilterSubjects: []string{s.filter(prefix)}, MemoryStorage: true, Replicas: 1, InactiveThreshold: 30 * time.Second,
	})
	if err != nil {
		return err
	}
	defer s.dropConsumer(ctx, c.CachedInfo().Name)
	for left := c.CachedInfo().NumPending; left > 0; {
		batch, err := c.FetchNoWait(listBatch)
		if err != nil {
			return err
		}
		n := 0
		for m := range batch.Messages() {
			n++
			meta, err := m.Metadata()
			if err != nil {
				return err
			}
			left = meta.NumPending
			if meta.Sequence.Stream > info.State.LastSeq {
				continue
			}
			if e, ok := s.entry(m.Subject(), m.Headers(), m.Data(), prefix); ok && !yield(e, nil) {
				return nil
			}
		}
		if err := errors.Join(batch.Error(), ctx.Err()); err != nil {
			return err
		}
		if n == 0 { // no answer, or the rest was deleted meanwhile
			rest, err := c.Info(ctx)
			if err != nil {
				return err
			}
			left = rest.NumPending
		}
	}
	return nil
}

// dropConsumer spares the server a consumer that would otherwise end by itself.
func (s *store) dropConsumer(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = s.stream.DeleteConsumer(ctx, name)
}

// readers is how many entries readEach asks for at a time.
const readers = 64

// readEach asks the stream's leader for the subjects, and for the last message of
// each. A consumer may live where the stream lags, and would miss what was
// written just before.
func (s *store) readEach(ctx context.Context, prefix string, yield func(bus.Entry, error) bool) error {
	info, err := s.stream.Info(ctx, jetstream.WithSubjectFilter(s.filter(prefix)))
	if err != nil {
		return err
	}
	subjects := make([]string, 0, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		subjects = append(subjects, subject)
	}
	for some := range slices.Chunk(subjects, readers) {
		messages, err := s.messages(ctx, some)
		if err != nil {
			return err
		}
		for _, m := range messages {
			if m == nil {
				continue // deleted meanwhile
			}
			if e, ok := s.entry(m.Subject, m.Header, m.Data, prefix); ok && !yield(e, nil) {
				return nil
			}
		}
	}
	return nil
}

// messages returns the last message of each subject, nil where there is none.
func (s *store) messages(ctx context.Context, subjects []string) ([]*jetstream.RawStreamMsg, error) {
	found, errs := make([]*jetstream.RawStreamMsg, len(subjects)), make([]error, len(subjects))
	var wg sync.WaitGroup
	for i, subject := range subjects {
		wg.Go(func() {
			if found[i], errs[i] = s.stream.GetLastMsgForSubject(ctx, subject); errors.Is(errs[i], jetstream.ErrMsgNotFound) {
				errs[i] = nil
			}
		})
	}
	wg.Wait()
	return found, errors.Join(errs...)
}

// entry returns the entry that a message is, if it is one and has the prefix. Its
// subject says the key where no header does.
func (s *store) entry(subject string, h nats.Header, data []byte, prefix string) (bus.Entry, bool) {
	key := s.key(subject)
	if original, err := unescape(h.Get(headerKey)); original != "" && err == nil {
		key = original
	}
	v := value(h, data)
	return bus.Entry{Key: key, Value: v}, v != nil && key != "" && strings.HasPrefix(key, prefix)
}
