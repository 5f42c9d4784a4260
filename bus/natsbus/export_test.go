package natsbus

import (
	"context"
	"time"
	"unsafe"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What the tests of package natsbus_test see of its insides.

const (
	MaxFilters = maxFilters
	MemberTTL  = memberTTL

	MessageSize = unsafe.Sizeof(message{})
)

var (
	Decode       = decode
	HeaderSize   = headerSize
	DecodeTopics = decodeTopics
	Token        = token
	Untoken      = untoken
	GroupID      = groupID
	Merge        = merge
	ParseAck     = parseAck
)

type TopicSet = topicSet

func Encode(e event.Event) (nats.Header, error) {
	w, err := encode(&e)
	return w.header, err
}

// EncodedSize is how many bytes e's header is taken to have.
func EncodedSize(e event.Event) (int, error) {
	w, err := encode(&e)
	return w.size, err
}

func (s topicSet) Encode(prefix string) (string, error)  { return s.encode(prefix) }
func (s topicSet) Filters(prefix string) []string        { return s.filters(prefix) }
func (s topicSet) Missing(subjects []string) []string    { return s.missing(subjects) }
func (c Config) WithDefaults() (Config, error)           { return c.withDefaults() }
func SubjectOf(name string, t bus.Topic) (string, error) { return newSubjects(name).of(t) }
func TopicOf(name, subject string) (bus.Topic, error)    { return newSubjects(name).topic(subject) }
func KeySubject(key string) string                       { return (&store{prefix: "kv."}).subject(key) }

func KeyFilter(prefix string) string { return (&store{prefix: "kv."}).filter(prefix) }

func EventsConfig(c Config) jetstream.StreamConfig {
	c, _ = c.withDefaults()
	return (&Bus{cfg: c, subjects: newSubjects(c.Name)}).eventsConfig()
}

// Place is what a reply subject says of a delivery.
type Place struct {
	Seq     uint64
	Attempt int
	Stored  time.Time
}

func PlaceOf(reply string) (Place, error) {
	m, err := newMessage(nil, &nats.Msg{Reply: reply})
	if err != nil {
		return Place{}, err
	}
	return Place{m.seq, m.attempt, m.stored}, nil
}

// LeftOver returns a member's judgement on a topic that it does not list.
func LeftOver() func(unwanted bool) bool {
	p := &puller{}
	return func(unwanted bool) bool {
		if !unwanted {
			return p.leftOver(topicSet{})
		}
		return p.leftOver(topicSet{"old": 0})
	}
}

// ReceiveOnce has a member told once that there is something to receive, and
// reports whether it still is when the Receive with ctx has ended.
func ReceiveOnce(ctx context.Context) (told bool, err error) {
	s := &subscription{ready: make(chan struct{}, 1), ended: make(chan struct{})}
	signal(s.ready)
	_, err = s.Receive(ctx)
	return len(s.ready) > 0, err
}

// Queue is a queue of numbers.
type Queue struct{ q queue }

func (q *Queue) Push(n uint64) { q.q.push(&message{seq: n}) }
func (q *Queue) Len() int      { return q.q.len() }
func (q *Queue) Cap() int      { return cap(q.q.items) }
func (q *Queue) Pop() (uint64, bool) {
	m := q.q.pop()
	if m == nil {
		return 0, false
	}
	return m.seq, true
}

// Outbox is an outbox of numbers.
type Outbox struct{ o outbox[int] }

func NewOutbox(send func(int)) *Outbox      { return &Outbox{outbox[int]{send: send}} }
func (o *Outbox) Put(n int) bool            { return o.o.put(n) }
func (o *Outbox) Empty(hasTime func() bool) { o.o.empty(hasTime) }
func (o *Outbox) Remove(n int)              { o.o.remove(n) }
func (o *Outbox) Close()                    { o.o.close() }
func (o *Outbox) Wait()                     { o.o.rest.Wait() }
