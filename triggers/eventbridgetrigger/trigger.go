package eventbridgetrigger

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/params"
)

const defaultFiringPath = "firing"

// Client puts events, concurrently. *eventbridge.Client is one.
type Client interface {
	PutEvents(ctx context.Context, in *eventbridge.PutEventsInput, opts ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error)
}

// Trigger puts an event on a bus for each firing. Its fields must not be changed
// once it fires. Client, Source, Payload, and DetailType or DetailTypeFunc are
// required.
type Trigger struct {
	// Client puts the events. Its retries are not used.
	Client Client

	// EventBus is the bus's name or ARN. Empty: the account's default bus.
	EventBus string

	// EndpointID is the global endpoint that the event goes to. Empty: none.
	EndpointID string

	// Source says who the event is from, as rules match it. It does not begin
	// with "aws.".
	Source string

	// DetailType says what kind of event it is, and DetailTypeFunc computes that
	// from the firing; one of them is set. A DetailTypeFunc's error fails the
	// attempt.
	DetailType     string
	DetailTypeFunc func(hearken.Firing) (string, error)

	// Resources are the ARNs of what the event concerns.
	Resources []string

	// Payload makes the event's detail, which is a JSON object; anything else is
	// a Permanent error.
	Payload hearken.Payload

	// FiringPath is where in the detail the firing's ID is put: names with dots
	// between them, such as "meta.firing". What stands there is replaced. Empty:
	// "firing".
	FiringPath string
}

// Fire puts the event. Its error is an *EntryError when EventBridge answered and
// did not take it, and otherwise wraps the SDK's.
func (t *Trigger) Fire(ctx context.Context, f hearken.Firing) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	in, err := t.input(ctx, f)
	if err != nil {
		return err
	}
	out, err := t.Client.PutEvents(ctx, in, noRetries)
	if err == nil {
		err = judge(out)
	}
	if err != nil {
		return failure(ctx, fmt.Errorf("event bus %s: %w", cmp.Or(t.EventBus, "default"), err))
	}
	return nil
}

// noRetries turns the SDK's own retries off: the engine retries.
func noRetries(o *eventbridge.Options) { o.Retryer = aws.NopRetryer{} }

// input makes the request of a firing.
func (t *Trigger) input(ctx context.Context, f hearken.Firing) (*eventbridge.PutEventsInput, error) {
	detail, err := t.Payload.Payload(f)
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	if detail, err = params.PutFiring(detail, t.firingPath(), f.ID); err != nil {
		return nil, hearken.Permanent(fmt.Errorf("payload: %w", err))
	}
	typ := t.DetailType
	if t.DetailTypeFunc != nil {
		if typ, err = t.DetailTypeFunc(f); err != nil {
			return nil, fmt.Errorf("detail type: %w", err)
		}
	}
	return &eventbridge.PutEventsInput{
		EndpointId: optional(t.EndpointID),
		Entries: []types.PutEventsRequestEntry{{
			EventBusName: optional(t.EventBus),
			Source:       &t.Source,
			DetailType:   &typ,
			Resources:    t.Resources,
			Detail:       aws.String(string(detail)),
			TraceHeader:  traceHeader(ctx),
		}},
	}, nil
}

func (t *Trigger) firingPath() string { return cmp.Or(t.FiringPath, defaultFiringPath) }

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

var errNoResult = errors.New("the answer says nothing of the event")

// judge returns the error of an answer. An event that was taken has an id, and
// what an answer leaves out was not.
func judge(out *eventbridge.PutEventsOutput) error {
	if len(out.Entries) != 1 {
		return errNoResult
	}
	entry := out.Entries[0]
	if out.FailedEntryCount != 0 || entry.ErrorCode != nil {
		return &EntryError{Code: aws.ToString(entry.ErrorCode), Message: aws.ToString(entry.ErrorMessage)}
	}
	if aws.ToString(entry.EventId) == "" {
		return errNoResult
	}
	return nil
}
