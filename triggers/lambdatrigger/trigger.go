package lambdatrigger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/hearken-go/hearken"
)

// answerTime is Lambda's longest function, and some time for the way.
const answerTime = 15*time.Minute + 30*time.Second

// Client invokes functions, concurrently. *lambda.Client is one.
type Client interface {
	Invoke(ctx context.Context, in *lambda.InvokeInput, opts ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// Trigger invokes a function for each firing. It is used by pointer, and its
// fields must not be changed once it fires. Client, FunctionName and Payload
// are required; all else has a useful zero value.
type Trigger struct {
	// Client invokes the function. Its retries are not used.
	Client Client

	// FunctionName is the function's name, its ARN, or that without what comes
	// before the account. Qualifier is a version or an alias; empty: what
	// FunctionName ends with, or $LATEST.
	FunctionName string
	Qualifier    string

	// InvocationType says what is waited for. Empty: RequestResponse.
	InvocationType types.InvocationType

	// Payload makes the function's input, which is JSON.
	Payload hearken.Payload

	// FiringPath is where in the payload, which must be an object then, the
	// firing's ID is put: names with dots between them, such as "meta.firing".
	// What stands there is replaced. Empty: nowhere, which for Event wants
	// NoIdempotencyKey. RequestResponse carries the ID in the client context
	// too.
	FiringPath string

	// NoIdempotencyKey says that the function of an Event needs no key to
	// recognise what it is given twice.
	NoIdempotencyKey bool

	// AllowStatus are the statuses that mean success. Empty: 200 to 299. Lambda
	// answers RequestResponse with 200, Event with 202 and DryRun with 204, and
	// a status that is not allowed is Permanent: it would come again.
	AllowStatus []int

	// Check, if set, sees each answer that is no failure, and its error fails
	// the attempt: for a function that answers and means no. It is called
	// concurrently.
	Check func(f hearken.Firing, out *lambda.InvokeOutput) error

	// OnFunctionError, if set, judges a function's failure, by its type perhaps:
	// what it returns is the attempt's outcome, nil for success. It is called
	// concurrently. Nil: e, which is Permanent the third time that the firing
	// meets one in this process.
	OnFunctionError func(f hearken.Firing, e *FunctionError) error

	// LogTail asks for the last 4 KB of the function's log, for FunctionError.
	LogTail bool

	// RetryTimeouts says that the function may run again when an attempt at
	// RequestResponse timed out after it was sent, while the function may still
	// run. False: such a timeout is Permanent.
	RetryTimeouts bool

	// MaxPayload is how long a payload may be, in bytes; a longer one is a
	// Permanent error before it is sent. Zero: Lambda's limit, 6 MiB, and 1 MiB
	// for Event. Negative: whatever the service takes.
	MaxPayload int

	failures tally
}

// Fire invokes the function and judges the answer. The failure of a function is
// a *FunctionError; other errors wrap the SDK's.
func (t *Trigger) Fire(ctx context.Context, f hearken.Firing) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	in, err := t.input(ctx, f)
	if err != nil {
		return err
	}
	var s sending
	out, err := t.Client.Invoke(s.watch(ctx), in, s.options)
	if err != nil {
		return t.failure(ctx, err, s.mayHaveArrived())
	}
	trace(ctx, t.FunctionName, out)
	return t.judge(f, out)
}

// AttemptTimeout is 15 minutes and 30 seconds for RequestResponse, and zero, for
// the pipeline's own, otherwise.
func (t *Trigger) AttemptTimeout() time.Duration {
	if t.waits() {
		return answerTime
	}
	return 0
}

func (t *Trigger) invocationType() types.InvocationType {
	return cmp.Or(t.InvocationType, types.InvocationTypeRequestResponse)
}

// waits reports whether the function's end is waited for.
func (t *Trigger) waits() bool {
	return t.invocationType() == types.InvocationTypeRequestResponse
}

// ended makes sure that the error of an attempt whose context has ended says
// so.
func ended(ctx context.Context, err error) error {
	if end := ctx.Err(); end != nil && !errors.Is(err, end) {
		return fmt.Errorf("%w: %w", end, err)
	}
	return err
}
