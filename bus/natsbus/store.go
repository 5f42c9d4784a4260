package natsbus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	// headerOperation is what other clients of a bucket mark a deleted key with.
	headerOperation = "KV-Operation"

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
	js         jetstream.JetStream
	stream     jetstream.Stream
	prefix     string
	replicated bool
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

// key returns the key that is stored under subject, for an entry that another
// client of the bucket made; "" when only a hash of it is there.
func (s *store) key(subject string) string {
	tokens := strings.Split(strings.TrimPrefix(subject, s.prefix), ".")
	for i, t := range tokens {
		var err error
		if tokens[i], err = untoken(t); err != nil {
			return ""
		}
	}
	return strings.Join(tokens, "/")
}

// Get implements bus.Store.
func (s *store) Get(ctx context.Context, key string) ([]byte, error) {
	if key == "" {
		return nil, errNoKey
	}
	_, value, err := s.last(ctx, key)
	return value, err
}

var errNoKey = errors.New("natsbus: store: the key is empty")

// value returns what a message sets its key to: nil if it is a marker, such as
// other clients of a bucket leave when they delete.
func value(h nats.Header, data []byte) []byte {
	switch {
	case h.Get(headerOperation) != "" || h.Get(jetstream.MarkerReasonHeader) != "":
		return nil
	case data == nil:
		return []byte{}
	}
	return data
}

// last returns the message under key, nil when there is none, and the value. It
// asks again while the answer is missing.
func (s *store) last(ctx context.Context, key string) (*jetstream.RawStreamMsg, []byte, error) {
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
			return m, value(m.Header, m.Data), nil
		case errors.Is(err, jetstream.ErrMsgNotFound):
			return nil, nil, nil
		case ctx.Err() != nil || !isLost(err):
			return nil, nil, fmt.Errorf("natsbus: store: %w", err)
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

// Update implements bus.Store. It costs a read and a write, and the read alone
// when f returns the value as it is.
func (s *store) Update(ctx context.Context, key string, f func(old []byte) ([]byte, error)) error {
	if key == "" {
		return errNoKey
	}
	write := strconv.FormatUint(rand.Uint64(), 36)
	for try := 0; ; try++ {
		m, old, err := s.last(ctx, key)
		if err != nil {
			return err
		}
		var seq uint64
		if m != nil {
			if m.Header.Get(headerWrite) == write {
				return nil // the answer was lost, the value was not
			}
			seq = m.Sequence
		}
		next, err := f(bytes.Clone(old))
		if err != nil {
			return err
		}
		if (next == nil) == (old == nil) && bytes.Equal(next, old) {
			return nil
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
	if next != nil {
		err = s.put(request, key, seq, next, write)
	} else {
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
