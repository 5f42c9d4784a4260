package lambdatrigger

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"go.opentelemetry.io/otel/propagation"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/params"
)

// Lambda's limits of a payload, in bytes.
const (
	maxPayload      = 6 << 20
	maxEventPayload = 1 << 20
)

// keyFiring is the entry of the client context that bears the firing's ID.
const keyFiring = "firing"

// input makes the request of a firing.
func (t *Trigger) input(ctx context.Context, f hearken.Firing) (*lambda.InvokeInput, error) {
	payload, err := t.payload(f)
	if err != nil {
		return nil, err
	}
	in := &lambda.InvokeInput{
		FunctionName:   &t.FunctionName,
		InvocationType: t.invocationType(),
		Payload:        payload,
	}
	if t.Qualifier != "" {
		in.Qualifier = &t.Qualifier
	}
	if !t.waits() {
		return in, nil
	}
	if t.LogTail {
		in.LogType = types.LogTypeTail
	}
	in.ClientContext, err = clientContext(ctx, f)
	return in, err
}

func (t *Trigger) payload(f hearken.Firing) ([]byte, error) {
	payload, err := t.Payload.Payload(f)
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	if t.FiringPath != "" {
		if payload, err = params.PutFiring(payload, t.FiringPath, f.ID); err != nil {
			return nil, hearken.Permanent(fmt.Errorf("payload: %w", err))
		}
	}
	if limit := t.maxPayload(); limit >= 0 && len(payload) > limit {
		return nil, hearken.Permanent(fmt.Errorf("payload: has %d bytes; the most is %d (MaxPayload)", len(payload), limit))
	}
	return payload, nil
}

func (t *Trigger) maxPayload() int {
	switch {
	case t.MaxPayload != 0:
		return t.MaxPayload
	case t.invocationType() == types.InvocationTypeEvent:
		return maxEventPayload
	}
	return maxPayload
}

// clientContext returns what the function finds beside its input: the firing's
// ID, and the trace of ctx.
func clientContext(ctx context.Context, f hearken.Firing) (*string, error) {
	custom := propagation.MapCarrier{keyFiring: f.ID}
	propagation.TraceContext{}.Inject(ctx, custom)
	text, err := json.Marshal(map[string]any{"custom": custom})
	if err != nil {
		return nil, hearken.Permanent(fmt.Errorf("client context: %w", err))
	}
	return aws.String(base64.StdEncoding.EncodeToString(text)), nil
}
