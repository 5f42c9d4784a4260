package awstest

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

// The limits of SQS.
const (
	maxBatch      = 10
	maxVisibility = 12 * time.Hour
	dedupeWindow  = 5 * time.Minute
)

// queue is one queue. All of it is guarded by SQS.mu.
type queue struct {
	account, name string
	attributes    map[string]string
	messages      []*message // in the order sent; some are gone
	gone          int
	handles       map[string]*message
	deduped       map[string]sent
	attempts      map[string]attempt
	last          int           // number of the last message
	changed       chan struct{} // closed when a message may have become visible
}

type message struct {
	number     int
	id, body   string
	attributes map[string]json.RawMessage
	system     map[string]string
	group      string
	visible    time.Time // from when
	received   time.Time // last
	receives   int
	handle     string // of the last receive
	gone       bool
}

// sent is what a FIFO queue remembers of a deduplication id.
type sent struct {
	id, sequence string
	at           time.Time
}

// attempt is what a FIFO queue remembers of a ReceiveRequestAttemptId.
type attempt struct {
	messages []*message
	handles  []string
	until    []time.Time // when each becomes visible
	at       time.Time
}

func newQueue(account, name string, attributes map[string]string) *queue {
	q := &queue{
		account: account, name: name, attributes: map[string]string{
			"VisibilityTimeout": "30", "ReceiveMessageWaitTimeSeconds": "0", "DelaySeconds": "0",
			"MaximumMessageSize": strconv.Itoa(1 << 20), "MessageRetentionPeriod": "345600",
		},
		handles: map[string]*message{}, deduped: map[string]sent{}, attempts: map[string]attempt{}, changed: make(chan struct{}),
	}
	maps.Copy(q.attributes, attributes)
	q.attributes["QueueArn"] = q.arn()
	return q
}

func (q *queue) arn() string { return "arn:aws:sqs:" + Region + ":" + q.account + ":" + q.name }

func (q *queue) fifo() bool { return strings.HasSuffix(q.name, ".fifo") }

// seconds returns an attribute that is a number of seconds.
func (q *queue) seconds(attribute string) time.Duration {
	n, err := strconv.Atoi(q.attributes[attribute])
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// wake has those who wait look again.
func (q *queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// put adds a message, unless it is a duplicate, and returns its id and sequence
// number.
func (q *queue) put(m *message, dedupe string, delay time.Duration) (id, sequence string) {
	now := time.Now()
	if q.fifo() {
		if before, ok := q.deduped[dedupe]; ok && now.Sub(before.at) < dedupeWindow {
			return before.id, before.sequence
		}
	}
	q.last++
	m.number = q.last
	m.visible = now.Add(delay)
	if q.fifo() {
		sequence = fmt.Sprintf("%020d", q.last)
		m.system["SequenceNumber"] = sequence
		q.deduped[dedupe] = sent{m.id, sequence, now}
	}
	q.messages = append(q.messages, m)
	q.wake()
	return m.id, sequence
}

// remove takes a message out.
func (q *queue) remove(m *message) {
	m.gone = true
	delete(q.handles, m.handle)
	for q.gone++; len(q.messages) > 0 && q.messages[0].gone; q.gone-- {
		q.messages = q.messages[1:]
	}
	if q.gone > len(q.messages)/2 {
		var kept []*message
		for _, m := range q.messages {
			if !m.gone {
				kept = append(kept, m)
			}
		}
		q.messages, q.gone = kept, 0
	}
	q.wake() // the group may go on
}

// redrive returns the dead-letter queue's name and the most receives, or 0.
func (q *queue) redrive() (target string, most int) {
	var policy struct {
		DeadLetterTargetArn string      `json:"deadLetterTargetArn"`
		MaxReceiveCount     json.Number `json:"maxReceiveCount"`
	}
	if json.Unmarshal([]byte(q.attributes["RedrivePolicy"]), &policy) != nil {
		return "", 0
	}
	n, err := policy.MaxReceiveCount.Int64()
	if err != nil {
		return "", 0
	}
	arn := strings.Split(policy.DeadLetterTargetArn, ":")
	return arn[len(arn)-1], int(n)
}

// take receives up to n messages that are visible, and says when the next
// becomes so (zero: none is hidden). Those received too often go to bury.
func (q *queue) take(n int, visibility time.Duration, bury func(*message)) (taken []*message, next time.Time) {
	now := time.Now()
	_, most := q.redrive()
	held := map[string]bool{} // groups
	var dead []*message
	for _, m := range q.messages {
		if len(taken) == n {
			break
		}
		switch {
		case m.gone, q.fifo() && held[m.group]:
		case m.visible.After(now):
			held[m.group] = true
			if next.IsZero() || m.visible.Before(next) {
				next = m.visible
			}
		case most > 0 && m.receives >= most:
			dead = append(dead, m)
		default:
			q.receive(m, now, visibility)
			taken = append(taken, m)
		}
	}
	for _, m := range dead {
		q.remove(m)
		bury(m)
	}
	return taken, next
}

func (q *queue) receive(m *message, now time.Time, visibility time.Duration) {
	delete(q.handles, m.handle)
	m.receives++
	m.received, m.visible = now, now.Add(visibility)
	m.handle = fmt.Sprintf("%s#%d#%d", q.name, m.number, m.receives)
	q.handles[m.handle] = m
	if m.receives == 1 {
		m.system["ApproximateFirstReceiveTimestamp"] = millis(now)
	}
	m.system["ApproximateReceiveCount"] = strconv.Itoa(m.receives)
}

// again returns the messages of a receive that is made again, or nil when it is
// not, or one of them has been changed since.
func (q *queue) again(id string, visibility time.Duration) []*message {
	a, ok := q.attempts[id]
	now := time.Now()
	if !ok || now.Sub(a.at) >= dedupeWindow {
		return nil
	}
	for i, m := range a.messages {
		if m.gone || m.handle != a.handles[i] || !m.visible.Equal(a.until[i]) || !m.visible.After(now) {
			return nil
		}
	}
	for i, m := range a.messages {
		m.visible = now.Add(visibility)
		a.until[i] = m.visible
	}
	return a.messages
}

func (q *queue) remember(id string, taken []*message) {
	a := attempt{messages: taken, at: time.Now()}
	for _, m := range taken {
		a.handles = append(a.handles, m.handle)
		a.until = append(a.until, m.visible)
	}
	q.attempts[id] = a
}

// held returns the message of a receipt handle: nil when it is gone, or was
// received again since.
func (q *queue) held(handle string) (*message, error) {
	if m := q.handles[handle]; m != nil {
		return m, nil
	}
	if !strings.HasPrefix(handle, q.name+"#") {
		return nil, failure("ReceiptHandleIsInvalid", `The input receipt handle "`+handle+`" is not a valid receipt handle.`)
	}
	return nil, nil //nolint:nilnil // as documented
}

func (q *queue) all() []Message {
	var all []Message
	for _, m := range q.messages {
		if !m.gone {
			all = append(all, Message{ID: m.id, Body: m.body, Group: m.group, Receives: m.receives, Visible: !m.visible.After(time.Now())})
		}
	}
	return all
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
