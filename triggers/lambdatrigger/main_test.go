package lambdatrigger_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"go.uber.org/goleak"
)

// TestMain makes of the test binary a Lambda function, when the emulator starts
// it as one.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		awslambda.Start(handle) // does not return
	}
	goleak.VerifyTestMain(m)
}

// input tells the function what to do.
type input struct {
	Name string            `json:"name,omitempty"`
	Do   string            `json:"do,omitempty"`
	Meta map[string]string `json:"meta,omitempty"`
}

// output is what the function got.
type output struct {
	Greeting string            `json:"greeting"`
	Custom   map[string]string `json:"custom"`
	ARN      string            `json:"arn"`
}

type sadError struct{}

func (sadError) Error() string { return "I am sad" }

// handle is the function.
func handle(ctx context.Context, in input) (any, error) {
	fmt.Fprintln(os.Stderr, "asked to", in.Do)
	switch in.Do {
	case "fail":
		return nil, errors.New("no luck")
	case "be sad":
		return nil, sadError{}
	case "panic":
		panic("oh")
	case "die":
		os.Exit(2)
	case "hang":
		select {}
	case "say no JSON":
		return strings.NewReader("no JSON"), nil // goes out as it is
	}
	lc, ok := lambdacontext.FromContext(ctx)
	if deadline, bounded := ctx.Deadline(); !ok || !bounded || time.Until(deadline) <= 0 {
		return nil, errors.New("no context of Lambda")
	}
	return output{"hello " + in.Name, lc.ClientContext.Custom, lc.InvokedFunctionArn}, nil
}
