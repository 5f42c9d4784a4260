package sqstrigger

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/hearken-go/hearken"
)

const (
	defaultFiringAttribute = "firing"
	fifoSuffix             = ".fifo"
)

// Client sends messages, concurrently. *sqs.Client is one.
type Client interface {
	SendMessage(ctx context.Context, in *sqs.SendMessageInput, opts ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// Trigger sends a message for each firing. Its fields must not be changed once
// it fires. Client, QueueURL and Payload are required, and Group for a FIFO
// queue.
type Trigger struct {
	// Client sends the messages. Its retries are not used.
	Client Client

	// QueueURL is the queue, as GetQueueUrl returns it. One that ends in ".fifo"
	// is a FIFO queue.
	QueueURL string

	// Payload makes the message's body, which is text. A body that is not, or
	// that holds characters that SQS would replace, is a Permanent error.
	Payload hearken.Payload

	// Group computes the message's group: messages of one group are delivered in
	// the order they are sent, and firings run several at a time, so order is
	// only kept where the sensor has one worker and nothing is retried. Nil: no
	// group, on a queue that is no FIFO queue. Its error fails the attempt.
	Group func(hearken.Firing) (string, error)

	// Attributes computes the message's attributes, of which SQS takes ten with
	// the firing's. Its error fails the attempt. Those of the trace are added
	// where they fit in. Nil: none.
	Attributes func(hearken.Firing) (map[string]types.MessageAttributeValue, error)

	// FiringAttribute is the attribute that bears the firing's ID. Empty:
	// "firing".
	FiringAttribute string

	// Delay is for how long the message cannot be received, in whole seconds, up
	// to 15 minutes. Zero: as the queue says, which is all that a FIFO queue
	// takes.
	Delay time.Duration
}

// Fire sends the message. Its errors wrap the SDK's.
func (t *Trigger) Fire(ctx context.Context, f hearken.Firing) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	in, err := t.input(ctx, f)
	if err != nil {
		return err
	}
	if _, err := t.Client.SendMessage(ctx, in, noRetries); err != nil {
		return failure(ctx, fmt.Errorf("sqs queue %s: %w", t.QueueURL, err))
	}
	return nil
}

// noRetries turns the SDK's own retries off: the engine retries.
func noRetries(o *sqs.Options) { o.Retryer = aws.NopRetryer{} }

// input makes the request of a firing.
func (t *Trigger) input(ctx context.Context, f hearken.Firing) (*sqs.SendMessageInput, error) {
	body, err := t.Payload.Payload(f)
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	if !isText(body) {
		return nil, hearken.Permanent(errors.New("payload: is no text that SQS would keep as it is"))
	}
	attributes, err := t.attributes(f)
	if err != nil {
		return nil, err
	}
	addTrace(ctx, attributes)
	in := &sqs.SendMessageInput{
		QueueUrl:          &t.QueueURL,
		MessageBody:       aws.String(string(body)),
		MessageAttributes: attributes,
		DelaySeconds:      int32(min(t.Delay, maxDelay) / time.Second),
	}
	if t.Group != nil {
		group, err := t.Group(f)
		if err != nil {
			return nil, fmt.Errorf("group: %w", err)
		}
		in.MessageGroupId = &group
	}
	if t.isFIFO() {
		in.MessageDeduplicationId = aws.String(deduplicationID(f.ID))
	}
	return in, nil
}

func (t *Trigger) attributes(f hearken.Firing) (map[string]types.MessageAttributeValue, error) {
	all := make(map[string]types.MessageAttributeValue)
	if t.Attributes != nil {
		own, err := t.Attributes(f)
		if err != nil {
			return nil, fmt.Errorf("attributes: %w", err)
		}
		maps.Copy(all, own)
	}
	all[t.firingAttribute()] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(f.ID)}
	return all, nil
}

func (t *Trigger) firingAttribute() string { return cmp.Or(t.FiringAttribute, defaultFiringAttribute) }

func (t *Trigger) isFIFO() bool { return strings.HasSuffix(t.QueueURL, fifoSuffix) }

// deduplicationID hashes a firing's ID, so that it is none of the ids that other
// producers of the queue make.
func deduplicationID(firing string) string {
	sum := sha256.Sum256([]byte("hearken firing " + firing))
	return hex.EncodeToString(sum[:])
}

// isText reports whether SQS takes body as it is: it replaces characters that
// XML 1.0 does not have.
func isText(body []byte) bool {
	for len(body) > 0 {
		r, n := utf8.DecodeRune(body)
		if r == utf8.RuneError && n == 1 || r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return false
		}
		body = body[n:]
	}
	return true
}
