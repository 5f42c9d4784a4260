package lambdatrigger

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
	"go.opentelemetry.io/otel/propagation"

	"github.com/hearken-go/hearken"
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
		if payload, err = withFiring(payload, t.FiringPath, f.ID); err != nil {
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

// withFiring puts a firing's ID into a payload, and nothing in the place of
// what is no object.
func withFiring(payload []byte, path, id string) ([]byte, error) {
	if !gjson.ValidBytes(payload) || !gjson.ParseBytes(payload).IsObject() {
		return nil, fmt.Errorf("is no JSON object that the firing's ID could be put into at %s (FiringPath)", path)
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if to := gjson.GetBytes(payload, path[:i]); to.Exists() && !to.IsObject() {
			return nil, fmt.Errorf("%s is no object that the firing's ID could be put into (FiringPath)", path[:i])
		}
	}
	with, err := sjson.SetBytes(payload, path, id)
	if err == nil && !holds(with, path, id) {
		err = fmt.Errorf("holds %s twice (FiringPath)", path)
	}
	return with, err
}

// holds reports whether id is found at path by readers that take the first of
// two equal names, and by those that take the last.
func holds(object []byte, path, id string) bool {
	if gjson.GetBytes(object, path).Str != id {
		return false
	}
	for name := range strings.SplitSeq(path, ".") {
		var members map[string]json.RawMessage
		if json.Unmarshal(object, &members) != nil {
			return false
		}
		object = members[name]
	}
	return string(object) == `"`+id+`"`
}

// isPath reports whether s is a path of FiringPath: names that mean the same to
// gjson and sjson, and no indices.
func isPath(s string) bool {
	for name := range strings.SplitSeq(s, ".") {
		if strings.Trim(name, "-0123456789") == "" || strings.ContainsFunc(name, func(c rune) bool { return !isName(c) }) {
			return false
		}
	}
	return true
}

func isName(c rune) bool {
	return c == '-' || c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
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
