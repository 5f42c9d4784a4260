package natsbus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Bus is a bus on NATS JetStream. It implements [bus.Bus], [bus.Groups],
// [bus.DeadLetterCounter], [bus.Deduper] and [bus.Storer]. Open makes one; its methods may be
// called concurrently.
type Bus struct {
	cfg      Config
	js       jetstream.JetStream
	subjects subjects
	pub      *publisher
	fullness fullness
	store    *store

	events, letters, groups jetstream.Stream

	mu     sync.Mutex
	closed bool
	subs   map[*subscription]struct{}
}

var (
	_ bus.Bus               = (*Bus)(nil)
	_ bus.Groups            = (*Bus)(nil)
	_ bus.DeadLetterCounter = (*Bus)(nil)
	_ bus.Storer            = (*Bus)(nil)
	_ bus.Deduper           = (*Bus)(nil)
)

// Open returns the bus that c describes on nc's account, whose streams it
// creates or, where they differ from c, changes; what cannot be changed is a
// [MismatchError]. The server is a nats-server 2.11 or later with JetStream.
//
// The connection stays the caller's: its URLs, TLS, credentials and reconnect
// settings. It should reconnect without end (nats.MaxReconnects(-1)), and must
// stay open longer than the bus. Open does not wait for one that has not reached
// a server yet (nats.RetryOnFailedConnect). ctx governs the call only.
func Open(ctx context.Context, nc *nats.Conn, c Config) (*Bus, error) {
	if nc == nil {
		return nil, errors.New("natsbus: Open: the connection is nil")
	}
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	js, err := newJetStream(nc, c.Domain)
	if err != nil {
		return nil, fmt.Errorf("natsbus: %w", err)
	}
	b := &Bus{cfg: c, js: js, subjects: newSubjects(c.Name), subs: map[*subscription]struct{}{}}
	if err := b.openStreams(ctx); err != nil {
		return nil, err
	}
	if b.pub, err = newPublisher(nc, c); err != nil {
		return nil, err
	}
	return b, nil
}

func newJetStream(nc *nats.Conn, domain string) (jetstream.JetStream, error) {
	if domain != "" {
		return jetstream.NewWithDomain(nc, domain)
	}
	return jetstream.New(nc)
}

// apiPrefix begins the subjects of JetStream's requests.
func (b *Bus) apiPrefix() string {
	if b.cfg.Domain != "" {
		return "$JS." + b.cfg.Domain + ".API."
	}
	return jetstream.DefaultAPIPrefix
}

func (b *Bus) openStreams(ctx context.Context) error {
	err := checkServer(b.js.Conn())
	if err != nil {
		return err
	}
	if b.events, err = b.ensureStream(ctx, b.eventsConfig()); err != nil {
		return err
	}
	if b.letters, err = b.ensureStream(ctx, b.deadLettersConfig()); err != nil {
		return err
	}
	if b.groups, err = b.ensureStream(ctx, b.groupsConfig()); err != nil {
		return err
	}
	if !b.groups.CachedInfo().Config.AllowMsgTTL { // then a lock would stay for ever
		return fmt.Errorf("natsbus: the server, version %q, does not let single messages expire; nats-server 2.11 or later is needed",
			b.js.Conn().ConnectedServerVersion())
	}
	values, err := b.ensureStream(ctx, b.storeConfig())
	if err != nil {
		return err
	}
	b.store = &store{js: b.js, stream: values, prefix: b.storePrefix(), replicated: b.cfg.Replicas > 1}
	return nil
}

// checkServer says that the connection's server takes too little. A connection
// that may have to wait for its first server knows nothing of one yet.
func checkServer(nc *nats.Conn) error {
	switch limit := nc.MaxPayload(); {
	case limit >= 2*letterReserve:
		return nil
	case limit > 0:
		return fmt.Errorf("natsbus: the server's max_payload of %d bytes is too small, at least %d are needed", limit, 2*letterReserve)
	}
	return fmt.Errorf("natsbus: the connection has not reached a server yet, of %s: %w",
		strings.Join(nc.Servers(), ", "), cmp.Or(nc.LastError(), nats.ErrNoServers))
}

// Close closes the bus's subscriptions, which hands back what they hold, and
// ends what still publishes with bus.ErrClosed. The connection stays open.
// Closing again does nothing.
func (b *Bus) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	subs := make([]*subscription, 0, len(b.subs))
	for s := range b.subs {
		subs = append(subs, s)
	}
	b.mu.Unlock()

	errs := make([]error, len(subs)+1)
	var wg sync.WaitGroup
	for i, s := range subs {
		wg.Go(func() { errs[i] = s.Close(ctx) })
	}
	wg.Wait()
	errs[len(subs)] = b.pub.close()
	return errors.Join(errs...)
}

// Store returns the bus's store: a key-value bucket with the storage and the
// replicas of the bus. A key is its subject there, its slashes dots and its odd
// characters escaped; long ones are hashed, with the key itself in a header.
// Deleting a key removes its message and leaves no marker, so a watcher of the
// bucket is not told. What other clients put there or delete counts too.
func (b *Bus) Store(context.Context) (bus.Store, error) { return b.store, nil }

// DedupeWindow implements bus.Deduper: it is Config.DedupeWindow.
func (b *Bus) DedupeWindow() time.Duration { return b.cfg.DedupeWindow }

// DeadLetters counts the dead letters.
func (b *Bus) DeadLetters(ctx context.Context) (bus.DeadLetterInfo, error) {
	info, err := b.letters.Info(ctx)
	if err != nil {
		return bus.DeadLetterInfo{}, fmt.Errorf("natsbus: dead letters: %w", err)
	}
	// Nothing but age and size removes a letter, so each sequence number that
	// is no longer there was dropped.
	return bus.DeadLetterInfo{Kept: info.State.Msgs, Dropped: info.State.LastSeq - info.State.Msgs}, nil
}

// streamOf returns the stream that keeps ordinary topics or dead letters.
func (b *Bus) streamOf(deadLetters bool) jetstream.Stream {
	if deadLetters {
		return b.letters
	}
	return b.events
}

// logName names a stream in a Pos: one that is deleted and made anew is another.
func logName(info *jetstream.StreamInfo) string {
	return info.Config.Name + "@" + info.Created.UTC().Format(time.RFC3339Nano)
}
