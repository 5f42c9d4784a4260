package snstrigger

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/hearken-go/hearken"
)

const (
	defaultFiringAttribute = "firing"
	fifoSuffix             = ".fifo"
)

// Client publishes messages, concurrently. *sns.Client is one.
type Client interface {
	Publish(ctx context.Context, in *sns.PublishInput, opts ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// Trigger publishes a message for each firing. Its fields must not be changed
// once it fires. Client, TopicARN and Payload are required, and Group for a FIFO
// topic.
type Trigger struct {
	// Client publishes the messages. Its retries are not used.
	Client Client

	// TopicARN is the topic. One that ends in ".fifo" is a FIFO topic.
	TopicARN string

	// Payload makes the message, which is UTF-8; another is a Permanent error.
	Payload hearken.Payload

	// JSON says that the Payload is an object with a message for each protocol,
	// and one under "default" (SNS's MessageStructure).
	JSON bool

	// Subject computes the subject that subscribers by email see. Nil: none. Its
	// error fails the attempt.
	Subject func(hearken.Firing) (string, error)

	// Group computes the message's group: messages of one group are delivered in
	// the order they are published, and firings run several at a time, so order
	// is only kept where the sensor has one worker and nothing is retried. Nil:
	// no group, on a topic that is no FIFO topic. Its error fails the attempt.
	Group func(hearken.Firing) (string, error)

	// Attributes computes the message's attributes, by which subscriptions
	// filter. A subscription to SQS with raw delivery takes ten with the
	// firing's. Its error fails the attempt. Those of the trace are added where
	// they fit in. Nil: none.
	Attributes func(hearken.Firing) (map[string]types.MessageAttributeValue, error)

	// FiringAttribute is the attribute that bears the firing's ID. Empty:
	// "firing".
	FiringAttribute string
}

// Fire publishes the message. Its errors wrap the SDK's.
func (t *Trigger) Fire(ctx context.Context, f hearken.Firing) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	in, err := t.input(ctx, f)
	if err != nil {
		return err
	}
	if _, err := t.Client.Publish(ctx, in, noRetries); err != nil {
		return failure(ctx, fmt.Errorf("sns topic %s: %w", t.TopicARN, err))
	}
	return nil
}

// noRetries turns the SDK's own retries off: the engine retries.
func noRetries(o *sns.Options) { o.Retryer = aws.NopRetryer{} }

// input makes the request of a firing.
func (t *Trigger) input(ctx context.Context, f hearken.Firing) (*sns.PublishInput, error) {
	message, err := t.Payload.Payload(f)
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	if !utf8.Valid(message) {
		return nil, hearken.Permanent(errors.New("payload: is no UTF-8, which is all that SNS takes"))
	}
	attributes, err := t.attributes(f)
	if err != nil {
		return nil, err
	}
	addTrace(ctx, attributes)
	in := &sns.PublishInput{
		TopicArn:          &t.TopicARN,
		Message:           aws.String(string(message)),
		MessageAttributes: attributes,
	}
	if t.JSON {
		in.MessageStructure = aws.String("json")
	}
	if in.Subject, err = text("subject", t.Subject, f); err != nil {
		return nil, err
	}
	if in.MessageGroupId, err = text("group", t.Group, f); err != nil {
		return nil, err
	}
	if t.isFIFO() {
		in.MessageDeduplicationId = aws.String(deduplicationID(f.ID))
	}
	return in, nil
}

// text returns what compute, if there is one, makes of f.
func text(name string, compute func(hearken.Firing) (string, error), f hearken.Firing) (*string, error) {
	if compute == nil {
		return nil, nil //nolint:nilnil // it is a field that is not sent
	}
	s, err := compute(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &s, nil
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

func (t *Trigger) isFIFO() bool { return strings.HasSuffix(t.TopicARN, fifoSuffix) }

// deduplicationID hashes a firing's ID, so that it is none of the ids that other
// publishers to the topic make.
func deduplicationID(firing string) string {
	sum := sha256.Sum256([]byte("hearken firing " + firing))
	return hex.EncodeToString(sum[:])
}
