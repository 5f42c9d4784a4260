package natsbus

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// headerKey holds an entry's key: the subject may hold only a hash of it.
	headerKey = "hearken-key"
	// headerWrite names the write that made an entry, so that one whose answer
	// was lost is recognised.
	headerWrite = "hearken-write"

	// maxSegments bounds the tokens of a key's subject, and maxSegment the
	// length of one; longer ones are hashed.
	maxSegments = 16
	maxSegment  = 120

	listBatch = 256

	// readTimeout bounds a read, its repetitions included, whose context has no
	// deadline.
	readTimeout = 5 * time.Second
)

// store is a bus.Store on a key-value bucket. An entry is the last message under
// its subject; deleting removes the message itself and leaves no marker, which
// also needs no room.
type store struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	prefix string
}

func (b *Bus) storePrefix() string { return "$KV." + b.cfg.Name + "." }

// subject returns the subject of key: each segment between slashes is a token,
// so that List can leave the choice to the server.
func (s *store) subject(key string) string {
	b := append(make([]byte, 0, 128), s.prefix...)
	segments := strings.SplitN(key, "/", maxSegments)
	for i, seg := range segments {
		if i > 0 {
			b = append(b, '.')
		}
		start := len(b)
		if b = appendToken(b, seg); len(b)-start > maxSegment {
			b = append(append(b[:start], "=h"...), hash(seg)...)
		}
	}
	return string(b)
}

// filter returns a subject filter that takes all keys with the prefix, and
// perhaps others.
func (s *store) filter(prefix string) string {
	i := strings.LastIndexByte(prefix, '/')
	if i < 0 || strings.Count(prefix, "/") >= maxSegments {
		return s.prefix + ">"
	}
	return s.subject(prefix[:i]) + ".>"
}

// Get implements bus.Store.
func (s *store) Get(ctx context.Context, key string) ([]byte, error) {
	if key == "" {
		return nil, errNoKey
	}
	m, err := s.last(ctx, key)
	if m == nil || err != nil {
		return nil, err
	}
	return value(m.Data), nil
}

var errNoKey = errors.New("natsbus: store: the key is empty")

// value makes sure that an empty value is not nil.
func value(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

// last reads the entry of key, and asks again while the answer is missing.
func (s *store) last(ctx context.Context, key string) (*jetstream.RawStreamMsg, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, readTimeout)
		defer cancel()
	}
	subject := s.subject(key)
	for try := 0; ; try++ {
		m, err := s.lastOnce(ctx, subject, try)
		switch {
		case err == nil:
			return m, nil
		case errors.Is(err, jetstream.ErrMsgNotFound):
			return nil, nil //nolint:nilnil // as in the interface
		case ctx.Err() != nil || !isLost(err):
			return nil, fmt.Errorf("natsbus: store: %w", err)
		}
	}
}

func (s *store) lastOnce(ctx context.Context, subject string, try int) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := once(ctx, try)
	defer cancel()
	return s.stream.GetLastMsgForSubject(ctx, subject)
}

// once bounds one request. Its answer is lost when a connection breaks or a
// server dies, and would else be waited for until ctx ends. Each wait is twice
// the one before, for a server that is slow.
func once(ctx context.Context, try int) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, resendAfter<<min(try, 5))
}

// Update implements bus.Store.
func (s *store) Update(ctx context.Context, key string, f func(old []byte) ([]byte, error)) error {
	if key == "" {
		return errNoKey
	}
	write := strconv.FormatUint(rand.Uint64(), 36)
	for try := 0; ; try++ {
		m, err := s.last(ctx, key)
		if err != nil {
			return err
		}
		var old []byte
		var seq uint64
		if m != nil {
			if m.Header.Get(headerWrite) == write {
				return nil // the answer was lost, the value was not
			}
			old, seq = value(m.Data), m.Sequence
		}
		next, err := f(old)
		if err != nil {
			return err
		}
		done, err := s.swap(ctx, try, key, seq, next, write)
		if done || err != nil {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

// swap replaces the value that seq brought. It reports false when another update
// came between, or the answer was lost.
func (s *store) swap(ctx context.Context, try int, key string, seq uint64, next []byte, write string) (bool, error) {
	request, cancel := once(ctx, try)
	defer cancel()
	var err error
	switch {
	case next != nil:
		err = s.put(request, key, seq, next, write)
	case seq != 0:
		err = s.stream.DeleteMsg(request, seq)
	}
	switch {
	case err == nil:
		return true, nil
	case hasCode(err, codeWrongLastSequence, codeWrongLast), next == nil && isGone(err):
		return false, nil
	case errors.Is(err, nats.ErrMaxPayload), hasCode(err, codeTooLarge, codeHeaderTooLarge):
		return false, fmt.Errorf("%w: the value of %.64q: %w", bus.ErrRejected, key, err)
	case isFull(err):
		return false, fmt.Errorf("%w: store: %w", bus.ErrFull, err)
	case ctx.Err() == nil && isLost(err):
		return false, nil
	}
	return false, fmt.Errorf("natsbus: store: %w", err)
}

// isLost reports whether err may hide a success: no answer came.
func isLost(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, nats.ErrDisconnected) || errors.Is(err, jetstream.ErrInvalidJSAck)
}

func (s *store) put(ctx context.Context, key string, seq uint64, data []byte, write string) error {
	m := &nats.Msg{Subject: s.subject(key), Data: data, Header: nats.Header{
		headerKey: {escape(key)}, headerWrite: {write},
		jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(seq, 10)},
	}}
	size := headerSize(m.Header)
	if limit := int(s.js.Conn().MaxPayload()); size > maxHeaders || size+len(data) > limit {
		return fmt.Errorf("%w: %d bytes, the limit is %d", nats.ErrMaxPayload, size+len(data), limit)
	}
	if room := s.stream.CachedInfo().Config.MaxBytes; room > 0 && int64(size+len(data)) > room {
		return fmt.Errorf("%w: %d bytes, the store has %d", nats.ErrMaxPayload, size+len(data), room)
	}
	_, err := s.js.PublishMsg(ctx, m)
	return err
}

// pause waits a little, and randomly so, for others who update the same key.
func pause(ctx context.Context, try int) error {
	if try == 0 {
		return nil
	}
	limit := min(time.Millisecond<<min(try, 6), 50*time.Millisecond)
	select {
	case <-time.After(rand.N(limit)):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("natsbus: store: %w", ctx.Err())
	}
}

// List implements bus.Store. The server finds the entries by the part of prefix
// up to its last slash.
func (s *store) List(ctx context.Context, prefix string) iter.Seq2[bus.Entry, error] {
	return func(yield func(bus.Entry, error) bool) {
		if err := s.list(ctx, prefix, yield); err != nil {
			yield(bus.Entry{}, fmt.Errorf("natsbus: store: list: %w", err))
		}
	}
}

// list reads the last message of each subject through a consumer of its own.
// What was written after it began is left out, so no key comes twice.
func (s *store) list(ctx context.Context, prefix string, yield func(bus.Entry, error) bool) error {
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
	for {
		batch, err := c.FetchNoWait(listBatch)
		if err != nil {
			return err
		}
		n := 0
		for m := range batch.Messages() {
			n++
			e, err := entry(m, prefix, info.State.LastSeq)
			if err != nil {
				return err
			}
			if e.Key != "" && !yield(e, nil) {
				return nil
			}
		}
		if err := errors.Join(batch.Error(), ctx.Err()); err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		// No answer and no more look alike.
		rest, err := c.Info(ctx)
		if err != nil {
			return err
		}
		if rest.NumPending == 0 {
			return nil
		}
	}
}

// dropConsumer spares the server a consumer that would otherwise end by itself.
func (s *store) dropConsumer(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = s.stream.DeleteConsumer(ctx, name)
}

// entry returns m's entry, or none when it is not asked for.
func entry(m jetstream.Msg, prefix string, until uint64) (bus.Entry, error) {
	meta, err := m.Metadata()
	if err != nil {
		return bus.Entry{}, err
	}
	key, err := unescape(m.Headers().Get(headerKey))
	if err != nil {
		return bus.Entry{}, err
	}
	if meta.Sequence.Stream > until || !strings.HasPrefix(key, prefix) {
		return bus.Entry{}, nil
	}
	return bus.Entry{Key: key, Value: value(m.Data())}, nil
}
