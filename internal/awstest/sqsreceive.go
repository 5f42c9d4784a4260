package awstest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"
)

type receiveInput struct {
	QueueUrl                                                           string
	AttributeNames, MessageSystemAttributeNames, MessageAttributeNames []string
	MaxNumberOfMessages, VisibilityTimeout, WaitTimeSeconds            *int
	ReceiveRequestAttemptId                                            string
}

type receiveOutput struct {
	Messages []receivedMessage `json:",omitempty"`
}

type receivedMessage struct {
	MessageId, ReceiptHandle, Body, MD5OfBody string
	Attributes                                map[string]string          `json:",omitempty"`
	MessageAttributes                         map[string]json.RawMessage `json:",omitempty"`
}

func (s *SQS) receiveMessage(ctx context.Context, in receiveInput) (any, error) {
	most, err := within("MaxNumberOfMessages", in.MaxNumberOfMessages, 1, 1, maxBatch)
	if err != nil {
		return nil, err
	}
	if _, err := within("WaitTimeSeconds", in.WaitTimeSeconds, 0, 0, 20); err != nil {
		return nil, err
	}
	if _, err := within("VisibilityTimeout", in.VisibilityTimeout, 0, 0, int(maxVisibility/time.Second)); err != nil {
		return nil, err
	}
	for end := (time.Time{}); ; {
		out, again, err := s.receive(in, most, &end)
		if err != nil || len(out.Messages) > 0 || again == nil {
			return out, err
		}
		if err := again(ctx); err != nil {
			return nil, err
		}
	}
}

// receive takes what is there. With nothing, again waits for what may change
// that; it is nil when the poll is over. end, when not zero, is when that is.
func (s *SQS) receive(in receiveInput, most int, end *time.Time) (out receiveOutput, again func(context.Context) error, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queueAt(in.QueueUrl)
	if err != nil {
		return out, nil, err
	}
	visibility, wait := q.seconds("VisibilityTimeout"), q.seconds("ReceiveMessageWaitTimeSeconds")
	if in.VisibilityTimeout != nil {
		visibility = time.Duration(*in.VisibilityTimeout) * time.Second
	}
	if in.WaitTimeSeconds != nil {
		wait = time.Duration(*in.WaitTimeSeconds) * time.Second
	}
	now := time.Now()
	if end.IsZero() {
		*end = now.Add(wait)
	}
	taken, next := s.taken(q, in.ReceiveRequestAttemptId, most, visibility)
	for _, m := range taken {
		out.Messages = append(out.Messages, receivedMessage{
			MessageId: m.id, ReceiptHandle: m.handle, Body: m.body, MD5OfBody: md5Of(m.body),
			Attributes:        picked(m.system, append(in.AttributeNames, in.MessageSystemAttributeNames...)),
			MessageAttributes: maps.Clone(picked(m.attributes, in.MessageAttributeNames)),
		})
	}
	if len(taken) > 0 || !now.Before(*end) {
		return out, nil, nil
	}
	if next.IsZero() || next.After(*end) {
		next = *end
	}
	changed := q.changed
	return out, func(ctx context.Context) error {
		timer := time.NewTimer(time.Until(next))
		defer timer.Stop()
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		return nil
	}, nil
}

// taken takes up to most messages of q, or those of the attempt before. s.mu is
// held.
func (s *SQS) taken(q *queue, attempt string, most int, visibility time.Duration) (taken []*message, next time.Time) {
	named := q.fifo() && attempt != ""
	if named {
		if taken = q.again(attempt, visibility); taken != nil {
			return taken, next
		}
	}
	taken, next = q.take(most, visibility, func(m *message) { s.bury(q, m) })
	if named && len(taken) > 0 {
		q.remember(attempt, taken)
	}
	return taken, next
}

// bury moves a message of q to its dead-letter queue. s.mu is held.
func (s *SQS) bury(q *queue, m *message) {
	name, _ := q.redrive()
	target := s.queues[q.account+"/"+name]
	if target == nil {
		return // SQS loses nothing, but a test that looks finds nothing
	}
	system := maps.Clone(m.system)
	system["DeadLetterQueueSourceArn"] = q.arn()
	target.put(&message{id: m.id, body: m.body, attributes: m.attributes, system: system, group: m.group, receives: m.receives}, m.id, 0)
}

// within returns *n, or absent, or the error that it is out of range.
func within(name string, n *int, absent, least, most int) (int, error) {
	if n == nil {
		return absent, nil
	}
	if *n < least || *n > most {
		return 0, failure("InvalidParameterValue", fmt.Sprintf("Value %d for parameter %s is invalid. Reason: Must be >= %d and <= %d, if provided.", *n, name, least, most))
	}
	return *n, nil
}

type handleInput struct {
	Id, QueueUrl, ReceiptHandle string
	VisibilityTimeout           *int
}

type handleBatch struct {
	QueueUrl string
	Entries  []handleInput
}

func (s *SQS) deleteMessage(_ context.Context, in handleInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queueAt(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return empty{}, q.settle(in.ReceiptHandle)
}

// settle deletes the message of a handle.
func (q *queue) settle(handle string) error {
	m, err := q.held(handle)
	switch {
	case err != nil:
		return err
	case m == nil:
		return nil // gone, or received again since and kept: said to have succeeded both times
	case q.fifo() && !m.visible.After(time.Now()):
		return failure("InvalidParameterValue", "Value "+handle+" for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.")
	}
	q.remove(m)
	return nil
}

func (s *SQS) deleteMessageBatch(_ context.Context, in handleBatch) (any, error) {
	return s.handles("DeleteMessageBatch", in, func(q *queue, e handleInput) error { return q.settle(e.ReceiptHandle) })
}

// handles does each entry of a batch.
func (s *SQS) handles(operation string, in handleBatch, do func(q *queue, e handleInput) error) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queueAt(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return batch(in.Entries, func(e handleInput) string { return e.Id }, func(e handleInput) (done, error) {
		m, err := q.held(e.ReceiptHandle)
		if err == nil && m != nil {
			err = s.fails(operation, m.id)
		}
		if err != nil {
			return done{}, err
		}
		return done{e.Id}, do(q, e)
	})
}

func (s *SQS) changeMessageVisibility(_ context.Context, in handleInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queueAt(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return empty{}, q.hide(in)
}

func (s *SQS) changeMessageVisibilityBatch(_ context.Context, in handleBatch) (any, error) {
	return s.handles("ChangeMessageVisibilityBatch", in, func(q *queue, e handleInput) error { return q.hide(e) })
}

// hide sets when a message that is held becomes visible.
func (q *queue) hide(in handleInput) error {
	if in.VisibilityTimeout == nil {
		return failure("MissingParameter", "The request must contain the parameter VisibilityTimeout.")
	}
	seconds, err := within("VisibilityTimeout", in.VisibilityTimeout, 0, 0, int(maxVisibility/time.Second))
	if err != nil {
		return err
	}
	m, err := q.held(in.ReceiptHandle)
	now := time.Now()
	until := now.Add(time.Duration(seconds) * time.Second)
	switch {
	case err != nil:
		return err
	case m == nil:
		return failure("InvalidParameterValue", "Value "+in.ReceiptHandle+" for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.")
	case !m.visible.After(now):
		return failure("MessageNotInflight", "The message referred to isn't in flight.")
	case until.After(m.received.Add(maxVisibility)):
		return failure("InvalidParameterValue", fmt.Sprintf("Value %d for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds].", seconds))
	}
	m.visible = until
	q.wake()
	return nil
}
