package natsbus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/nats-io/nats.go"
)

const (
	// pullExpires ends a request for deliveries that is not filled. It is short
	// since a request of a member that vanished without a word keeps drawing
	// deliveries until it ends.
	pullExpires = 5 * time.Second
	// turnExpires is used when one place in flight serves two streams.
	turnExpires = 250 * time.Millisecond
	// pullPause is waited after the server refused a request.
	pullPause = 250 * time.Millisecond
)

// puller draws deliveries from one consumer by JetStream's pull protocol. It
// does what jetstream's Consumer.Consume does, but asks for just as many as may
// be in flight: Consume counts a message as gone once its handler returns, and
// would buffer as many again. From topics on,
// its fields are guarded by the subscription's mu.
type puller struct {
	s        *subscription
	place    place
	log      string // Pos.Log
	request  string // subject of requests
	inbox    string
	sub      *nats.Subscription
	drained  chan struct{}
	limit    int
	unwanted time.Time // since when there are topics that this member does not list; attend's

	topics      map[string]wanted // by subject
	unknown     []*message        // of subjects that are not in topics
	held        map[uint64]*message
	buffered    int
	outstanding int       // asked for and not come
	asked       time.Time // the last request
	heard       time.Time // the last word from the server
	pause       time.Time // no request before
	gone        bool      // the place was given up; written by attend
}

// wanted is a topic of the group; events up to since are not its.
type wanted struct {
	topic bus.Topic
	since uint64
}

func newPuller(s *subscription, pl place, topics topicSet, log string) (*puller, error) {
	p := &puller{
		s: s, place: pl, log: log, inbox: s.nc.NewInbox(), drained: make(chan struct{}),
		request: s.b.apiPrefix() + "CONSUMER.MSG.NEXT." + pl.stream().CachedInfo().Config.Name + "." + pl.id,
		held:    map[uint64]*message{},
	}
	if err := p.setTopics(topics); err != nil {
		return nil, err
	}
	var err error
	if p.sub, err = s.nc.Subscribe(p.inbox, p.arrived); err != nil {
		return nil, fmt.Errorf("natsbus: subscribe: %w", err)
	}
	p.sub.SetClosedHandler(func(string) { close(p.drained) })
	if err := p.sub.SetPendingLimits(-1, -1); err != nil {
		return nil, fmt.Errorf("natsbus: subscribe: %w", err)
	}
	return p, nil
}

func (p *puller) setTopics(topics topicSet) error {
	m := make(map[string]wanted, len(topics))
	for subject, since := range topics {
		t, err := p.s.b.subjects.topic(subject)
		if err != nil {
			return err
		}
		m[subject] = wanted{t, since}
	}
	p.topics = m
	return nil
}

// pull asks for deliveries where there is room.
func (s *subscription) pull() {
	s.mu.Lock()
	requests := s.requests()
	s.mu.Unlock()
	s.send(requests)
}

// request is one to send: so many deliveries of a puller's.
type request struct {
	p       *puller
	batch   int
	expires time.Duration
}

// requests returns what to ask for now and counts it as asked. The caller holds
// mu, and sends them without it.
func (s *subscription) requests() []request {
	if s.end != nil {
		return nil
	}
	if len(s.pullers) == 2 && s.inFlight == 1 {
		return s.takeTurns()
	}
	var rs []request
	for _, p := range s.pullers {
		room := p.limit - len(p.held) - p.outstanding
		idle := p.outstanding == 0 && p.buffered == 0
		if room > 0 && (idle || room >= max(1, p.limit/2)) && p.mayAsk() {
			rs = append(rs, p.ask(room, pullExpires))
		}
	}
	return rs
}

// takeTurns asks one stream after the other when there is room for one delivery
// only.
func (s *subscription) takeTurns() []request {
	for _, p := range s.pullers {
		if len(p.held)+p.outstanding > 0 {
			return nil
		}
	}
	for range s.pullers {
		p := s.pullers[s.turn]
		s.turn = 1 - s.turn
		if p.mayAsk() {
			return []request{p.ask(1, turnExpires)}
		}
	}
	return nil
}

// mayAsk is false while there is no connection: requests would wait in the
// client, and come on top of those that a new connection begins with.
func (p *puller) mayAsk() bool {
	return !p.gone && (p.pause.IsZero() || time.Now().After(p.pause)) && p.s.nc.IsConnected()
}

func (p *puller) ask(batch int, expires time.Duration) request {
	p.outstanding += batch
	p.asked = time.Now()
	return request{p, batch, expires}
}

func (s *subscription) send(rs []request) {
	for _, r := range rs {
		body := make([]byte, 0, 48)
		body = strconv.AppendInt(append(body, `{"batch":`...), int64(r.batch), 10)
		body = strconv.AppendInt(append(body, `,"expires":`...), int64(r.expires), 10)
		// When it cannot be sent, the connection breaks and all begins anew.
		if err := s.nc.PublishRequest(r.p.request, r.p.inbox, append(body, '}')); err != nil {
			s.mu.Lock()
			r.p.outstanding = max(0, r.p.outstanding-r.batch)
			s.mu.Unlock()
		}
	}
}

// arrived takes a message of the server's: a delivery, or a word on a request.
func (p *puller) arrived(nm *nats.Msg) {
	if len(nm.Data) == 0 && nm.Reply == "" {
		p.status(nm)
		return
	}
	m, err := newMessage(p, nm)
	if err != nil {
		p.s.b.cfg.Logger.Warn("a message that is no delivery", "group", p.s.group, "error", err)
		return
	}
	if reply := p.take(m); reply != nil {
		// When it cannot be sent, the server hands the message on after AckWait.
		_ = p.s.nc.Publish(m.reply, reply)
	}
}

// take puts a delivery into the buffer, or returns the answer to it: it is
// handed back when there is no room or no subscription any more, and settled
// when it is older than the group's interest in its topic.
func (p *puller) take(m *message) []byte {
	s := p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	p.outstanding = max(0, p.outstanding-1)
	p.heard = m.beat
	if s.end != nil {
		return handBack
	}
	if old := p.held[m.seq]; old != nil {
		// The server gave up waiting; who settles the delivery that is held
		// settles this one.
		old.reply, old.beat = m.reply, m.beat
		return nil
	}
	w, known := p.topics[m.msg.Subject]
	switch {
	case known && m.seq <= w.since:
		return ack
	case len(p.held) >= p.limit:
		return handBack
	}
	p.held[m.seq] = m
	if !known {
		p.unknown = append(p.unknown, m)
		s.look()
		return nil
	}
	m.topic = w.topic
	p.buffer(m)
	return nil
}

func (p *puller) buffer(m *message) {
	p.buffered++
	p.s.queue.push(m)
	signal(p.s.ready)
}

// status takes what the server says of a request: that it expired, or why it
// cannot be served.
func (p *puller) status(nm *nats.Msg) {
	s := p.s
	code, text := nm.Header.Get("Status"), strings.ToLower(nm.Header.Get("Description"))
	left, err := strconv.Atoi(nm.Header.Get("Nats-Pending-Messages"))
	s.mu.Lock()
	p.heard = time.Now()
	switch {
	case code == "100":
	case err == nil && code == "408":
		p.outstanding = max(0, p.outstanding-left)
	default:
		// No leader, a new one, no consumer: what is outstanding is lost.
		p.outstanding = 0
		p.pause = p.heard.Add(pullPause)
		s.look()
	}
	s.mu.Unlock()
	if strings.Contains(text, "consumer deleted") {
		s.look()
	}
	s.pull()
}

// reset forgets what was asked for: the connection is another one, or the
// server kept silent longer than a request lives.
func (p *puller) reset() {
	p.outstanding = 0
	p.pause = time.Time{}
}

// resolve looks again at deliveries of unknown topics that arrived before the
// topics were read. The others wait for the next reading. It returns those to
// settle: what a wildcard brought and the group does not want.
func (p *puller) resolve(read time.Time) (unwanted []*message) {
	rest := p.unknown[:0]
	for _, m := range p.unknown {
		w, known := p.topics[m.msg.Subject]
		switch {
		case p.held[m.seq] != m: // handed back
		case known && m.seq > w.since:
			m.topic = w.topic
			p.buffer(m)
		case known || m.arrived.Before(read):
			delete(p.held, m.seq)
			unwanted = append(unwanted, m)
		default:
			rest = append(rest, m)
		}
	}
	clear(p.unknown[len(rest):])
	p.unknown = rest
	if len(rest) > 0 {
		p.s.look()
	}
	return unwanted
}

// drain ends the server's sending and waits until what was under way has
// arrived.
func (p *puller) drain(ctx context.Context) error {
	if err := p.sub.Drain(); err != nil {
		return ignoreClosed(err)
	}
	select {
	case <-p.drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *puller) unsubscribe() error {
	if !p.sub.IsValid() {
		return nil
	}
	return ignoreClosed(p.sub.Unsubscribe())
}

var errReply = errors.New("natsbus: the message's reply subject is not one of JetStream's")
