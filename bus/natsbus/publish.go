package natsbus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// letterReserve is kept free below max_payload for ordinary events, so that
	// the dead letter of the largest one fits: percent-encoding can make three
	// bytes of one, and there are header names.
	letterReserve = 3*bus.DeadLetterRoom + 1<<10
	// maxHeaders is the server's limit for a message's headers.
	maxHeaders = 1<<16 - 1
	// recordSize is what the server's files take for a message beside its
	// subject, headers and data.
	recordSize = 40

	// resendAfter is how long an answer is waited for before the message is
	// sent again. An answer is lost when a connection breaks or a server dies.
	resendAfter = time.Second
	sweepEvery  = 100 * time.Millisecond
)

var errUnanswered = errors.New("natsbus: the server did not answer in time")

// Publish implements bus.Bus. It returns when the server has stored the event,
// in all its replicas. While the answer is missing the event is sent again, with
// the same identity, until ctx's deadline or, without one, for
// Config.PublishTimeout, but no longer than half of Config.DedupeWindow, after
// which it might be stored twice; a server that is away longer is an error.
func (b *Bus) Publish(ctx context.Context, t bus.Topic, e event.Event) error {
	pub, err := b.publication(t, &e)
	if err != nil {
		return err
	}
	err = b.pub.publish(ctx, pub)
	if err == nil {
		return nil
	}
	return b.publishError(ctx, t, err)
}

// publication encodes e for t and checks its size.
func (b *Bus) publication(t bus.Topic, e *event.Event) (*publication, error) {
	subject, err := b.subjects.of(t)
	if err != nil {
		return nil, err
	}
	w, err := encode(e)
	if err != nil {
		return nil, err
	}
	w.set(jetstream.MsgIDHeader, bus.IdentityOf(t, *e).Hash())
	room, headerRoom := b.pub.maxPayload.Load(), maxHeaders
	limit := b.cfg.DeadLetterMaxBytes
	if !t.IsDeadLetters() {
		room, headerRoom = room-letterReserve, headerRoom-letterReserve
		limit = b.cfg.MaxBytes
	}
	if limit > 0 {
		room = min(room, limit-int64(len(subject))-recordSize)
	}
	if w.size > headerRoom || int64(w.size+len(e.DataEncoded)) > room {
		return nil, fmt.Errorf("%w: the event has %d bytes of attributes and %d of data, the limits are %d and, together, %d",
			bus.ErrRejected, w.size, len(e.DataEncoded), headerRoom, room)
	}
	return &publication{msg: nats.Msg{Subject: subject, Header: w.header, Data: e.DataEncoded}}, nil
}

// publishError turns what the server or the client said into the bus's errors.
func (b *Bus) publishError(ctx context.Context, t bus.Topic, err error) error {
	switch {
	case errors.Is(err, nats.ErrMaxPayload), hasCode(err, codeTooLarge, codeHeaderTooLarge):
		return fmt.Errorf("%w: %w", bus.ErrRejected, err)
	case isFull(err) && !t.IsDeadLetters():
		return b.full(ctx, err)
	case errors.Is(err, nats.ErrConnectionClosed):
		return fmt.Errorf("%w: %w", bus.ErrClosed, err)
	}
	return fmt.Errorf("natsbus: publish to %s: %w", t, err)
}

// Error codes of the server that the jetstream package does not name.
const (
	codeInsufficientResources jetstream.ErrorCode = 10023
	codeInsufficientMemory    jetstream.ErrorCode = 10028
	codeInsufficientStorage   jetstream.ErrorCode = 10047
	codeTooLarge              jetstream.ErrorCode = 10054
	codeWrongLastSequence     jetstream.ErrorCode = 10071
	codeStoreFailed           jetstream.ErrorCode = 10077
	codeHeaderTooLarge        jetstream.ErrorCode = 10097
	codeDuplicateInProcess    jetstream.ErrorCode = 10158
	codeWrongLast             jetstream.ErrorCode = 10164
)

func hasCode(err error, codes ...jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, c := range codes {
		if api.ErrorCode == c {
			return true
		}
	}
	return false
}

// isFull tells a stream at its limits, or a server at its own, from other
// failures to store, which share a code.
func isFull(err error) bool {
	if hasCode(err, codeInsufficientResources, codeInsufficientMemory, codeInsufficientStorage) {
		return true
	}
	return hasCode(err, codeStoreFailed) &&
		(strings.Contains(err.Error(), "exceeded") || strings.Contains(err.Error(), "no space left"))
}

// publisher sends messages to streams, many at a time, and hands each caller the
// answer to its own. One subscription takes all answers. It does what
// jetstream's PublishMsgAsync does and sends again when a connection broke or an
// answer was lost, without a timer for each message.
type publisher struct {
	nc      *nats.Conn
	inbox   string // ends in "."
	sub     *nats.Subscription
	timeout time.Duration // of a publication without a deadline
	window  time.Duration // no repetition is recognised after it
	// maxPayload is the connection's: to ask it for each publication is to wait
	// for its lock, which it holds while it writes to the network.
	maxPayload atomic.Int64
	outbox     outbox[*publication]

	mu      sync.Mutex
	next    uint64
	pending map[uint64]*publication
	closed  bool
	stop    chan struct{}
	done    sync.WaitGroup
}

// publication is one message on its way.
type publication struct {
	id       uint64
	msg      nats.Msg
	sent     time.Time
	deadline time.Time
	answer   chan error // buffered
	last     error      // why it was sent again
}

func newPublisher(nc *nats.Conn, c Config) (*publisher, error) {
	p := &publisher{
		nc: nc, inbox: nc.NewInbox() + ".", timeout: c.PublishTimeout, window: c.DedupeWindow / 2,
		pending: map[uint64]*publication{}, stop: make(chan struct{}),
	}
	p.outbox.send = p.send
	p.maxPayload.Store(nc.MaxPayload())
	var err error
	if p.sub, err = nc.Subscribe(p.inbox+"*", p.answered); err != nil {
		return nil, fmt.Errorf("natsbus: %w", err)
	}
	if err := p.sub.SetPendingLimits(-1, -1); err != nil {
		return nil, fmt.Errorf("natsbus: %w", err)
	}
	p.done.Go(p.sweep)
	return p, nil
}

// publish sends pub until it is answered. It owns pub.
func (p *publisher) publish(ctx context.Context, pub *publication) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now := time.Now()
	pub.sent, pub.deadline, pub.answer = now, now.Add(p.timeout), make(chan error, 1)
	if d, ok := ctx.Deadline(); ok {
		pub.deadline = d.Add(sweepEvery) // the context speaks first
	}
	pub.deadline = earlier(pub.deadline, now.Add(p.window))
	if err := p.register(pub); err != nil {
		return err
	}
	if p.outbox.put(pub) {
		p.outbox.empty(func() bool { return len(pub.answer) == 0 && ctx.Err() == nil })
	}
	select {
	case err := <-pub.answer:
		return err
	case <-ctx.Done():
		p.forget(pub)
		return ctx.Err()
	}
}

func (p *publisher) register(pub *publication) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return bus.ErrClosed
	}
	p.next++
	pub.id = p.next
	p.pending[pub.id] = pub
	reply := append(make([]byte, 0, 64), p.inbox...)
	pub.msg.Reply = string(strconv.AppendUint(reply, pub.id, 36))
	return nil
}

// send sends pub for the first time.
func (p *publisher) send(pub *publication) {
	if err := p.nc.PublishMsg(&pub.msg); err != nil {
		p.refused(pub, err)
	}
}

// refused takes that the client did not send a publication. If the connection
// may come back, the sweep tries again.
func (p *publisher) refused(pub *publication, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending[pub.id] != pub {
		return
	}
	pub.last = err
	if errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrConnectionClosed) {
		delete(p.pending, pub.id)
		pub.answer <- err
	}
}

func (p *publisher) forget(pub *publication) {
	p.outbox.remove(pub)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pending, pub.id)
}

// answered takes the server's answer to a publication.
func (p *publisher) answered(m *nats.Msg) {
	id, err := strconv.ParseUint(m.Subject[len(p.inbox):], 36, 64)
	if err != nil {
		return // not ours
	}
	err = parseAck(m)
	p.mu.Lock()
	pub := p.pending[id]
	if pub == nil {
		p.mu.Unlock()
		return
	}
	if errors.Is(err, nats.ErrNoResponders) || hasCode(err, codeDuplicateInProcess) {
		// No leader at the moment, or the same event is on its way into the
		// replicas and may yet fail: the sweep sends it again.
		pub.sent, pub.last = time.Now().Add(2*sweepEvery-resendAfter), err
		p.mu.Unlock()
		return
	}
	delete(p.pending, id)
	p.mu.Unlock()
	pub.answer <- err
}

var ackPrefix = []byte(`{"stream":"`) //nolint:gochecknoglobals // a constant

// parseAck returns nil for a server's PubAck, or the error in it.
func parseAck(m *nats.Msg) error {
	// An error comes first in an answer that has one.
	if bytes.HasPrefix(m.Data, ackPrefix) {
		return nil
	}
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		return nats.ErrNoResponders
	}
	var ack struct {
		Error  *jetstream.APIError `json:"error"`
		Stream string              `json:"stream"`
	}
	if err := json.Unmarshal(m.Data, &ack); err != nil {
		return fmt.Errorf("natsbus: the server's answer: %w", err)
	}
	if ack.Error != nil {
		return ack.Error
	}
	if ack.Stream == "" {
		return jetstream.ErrInvalidJSAck
	}
	return nil
}

// sweep sends again what is unanswered for too long, until close.
func (p *publisher) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	status := p.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer p.nc.RemoveStatusListener(status)
	for {
		select {
		case <-p.stop:
			return
		case now := <-tick.C:
			p.resend(now, resendAfter)
		case st := <-status:
			if st == nats.CLOSED {
				p.fail(nats.ErrConnectionClosed)
				return
			}
			p.maxPayload.Store(p.nc.MaxPayload()) // another server may have another
			p.resend(time.Now(), 0)               // answers under way were lost
		}
	}
}

func (p *publisher) resend(now time.Time, after time.Duration) {
	var again []*nats.Msg
	p.mu.Lock()
	for id, pub := range p.pending {
		switch {
		case now.After(pub.deadline):
			delete(p.pending, id)
			pub.answer <- errors.Join(errUnanswered, pub.last)
		case now.Sub(pub.sent) >= after && p.nc.IsConnected():
			pub.sent = now
			again = append(again, &pub.msg)
		}
	}
	p.mu.Unlock()
	for _, m := range again {
		if err := p.nc.PublishMsg(m); err != nil {
			return // not connected any more: the next sweep tries again
		}
	}
}

// fail answers all that is pending with err.
func (p *publisher) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, pub := range p.pending {
		delete(p.pending, id)
		pub.answer <- err
	}
}

func (p *publisher) close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	p.fail(bus.ErrClosed)
	p.outbox.close()
	close(p.stop)
	p.done.Wait()
	if err := p.sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("natsbus: close: %w", err)
	}
	return nil
}
