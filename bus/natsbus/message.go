package natsbus

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
	"github.com/nats-io/nats.go"
)

// What a delivery is answered with.
var (
	ack = []byte("+ACK") //nolint:gochecknoglobals // a constant
	// handBack is a nak that the server remembers over a restart, which it does
	// only of those with a delay: one of a nanosecond. Without it, what is handed
	// back while an embedded server stops would come AckWait after its next start,
	// and not at all while it is started again and again.
	handBack = []byte(`-NAK {"delay":1}`) //nolint:gochecknoglobals // a constant
	progress = []byte("+WPI")             //nolint:gochecknoglobals // a constant
)

// message is a delivery that this member holds, buffered or with the engine. It
// is the bus.Settler of its bus.Delivery. What it is for is in held of its
// puller; once it is not there it is settled.
type message struct {
	p       *puller
	msg     *nats.Msg
	topic   bus.Topic
	seq     uint64
	attempt int
	stored  time.Time
	arrived time.Time
	decoded decoded // what its event points to

	// Guarded by the subscription's mu.
	reply string    // of the newest delivery of this position
	beat  time.Time // when the server last heard that we have it
}

// newMessage reads a delivery's place from its reply subject,
// $JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<consumer sequence>.<time>.<pending>,
// which newer servers write with domain and account before the stream and may
// end with more.
func newMessage(p *puller, nm *nats.Msg) (*message, error) {
	rest, ok := strings.CutPrefix(nm.Reply, "$JS.ACK.")
	if !ok {
		return nil, fmt.Errorf("%w: %q", errReply, nm.Reply)
	}
	skip := 2
	if strings.Count(rest, ".") > 6 {
		skip = 4
	}
	for range skip {
		_, rest, _ = strings.Cut(rest, ".")
	}
	var n [4]uint64
	for i := range n {
		var field string
		var err error
		field, rest, _ = strings.Cut(rest, ".")
		if n[i], err = strconv.ParseUint(field, 10, 63); err != nil {
			return nil, fmt.Errorf("%w: %q", errReply, nm.Reply)
		}
	}
	now := time.Now()
	return &message{
		p: p, msg: nm, reply: nm.Reply, attempt: int(n[0]), seq: n[1], stored: time.Unix(0, int64(n[3])),
		arrived: now, beat: now,
	}, nil
}

// delivery decodes m.
func (m *message) delivery() bus.Delivery {
	e, err := m.decoded.event(m.msg.Header, m.msg.Data)
	if err != nil {
		e = m.undecodable()
	}
	return bus.Delivery{
		Topic: m.topic, Event: e, Err: err, Pos: bus.Pos{Log: m.p.log, Seq: m.seq},
		Stored: m.stored, Attempt: m.attempt, Settler: m,
	}
}

// undecodable returns the event that stands in for a message that is none. Its
// id is the position, so that it is one event however often it is delivered.
func (m *message) undecodable() event.Event {
	e := event.New()
	e.SetType(bus.UndecodableType)
	e.SetSource("/" + m.p.s.b.cfg.Name)
	e.SetID(m.p.log + "/" + strconv.FormatUint(m.seq, 10))
	e.SetTime(m.stored)
	e.DataEncoded = m.msg.Data
	e.DataBase64 = true
	return e
}

// Ack implements bus.Settler. It returns once the answer is on its way: no
// correctness rests on its arrival, and Close waits until the server has it.
func (m *message) Ack(context.Context) error { return m.settle(ack) }

// Retry implements bus.Settler. The server keeps the time.
func (m *message) Retry(_ context.Context, after time.Duration) error {
	if after <= 0 {
		return m.settle(handBack)
	}
	return m.settle(fmt.Appendf(nil, `-NAK {"delay":%d}`, after.Nanoseconds()))
}

func (m *message) settle(answer []byte) error {
	s := m.p.s
	s.mu.Lock()
	if s.end != nil {
		defer s.mu.Unlock()
		return s.end
	}
	if m.p.held[m.seq] != m {
		s.mu.Unlock()
		return nil
	}
	delete(m.p.held, m.seq)
	reply := m.reply
	requests := s.requests()
	s.mu.Unlock()
	err := s.nc.Publish(reply, answer)
	s.send(requests)
	if err != nil {
		return fmt.Errorf("natsbus: settle: %w", err)
	}
	return nil
}
