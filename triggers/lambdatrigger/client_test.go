package lambdatrigger_test

import (
	"context"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/lambdatest"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

func pod() *hearken.Dependency {
	return &hearken.Dependency{Name: "pod", EventSource: &hearken.EventSource{Name: "cluster", Event: "pod"}}
}

func firing(tb testing.TB, data string) hearken.Firing {
	tb.Helper()
	e, err := hearken.NewEvent("resource", "1", []byte(data))
	require.NoError(tb, err)
	return triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{pod(): e})
}

// payload sends the event's data.
func payload(f hearken.Firing) ([]byte, error) {
	e, err := f.Event(pod())
	if err != nil {
		return nil, err
	}
	return e.Data(), nil
}

// newClient returns the SDK's client for an endpoint, and ends its connections
// with the test.
func newClient(tb testing.TB, url string) *lambda.Client {
	tb.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	tb.Cleanup(transport.CloseIdleConnections)
	return lambda.New(options(url, transport))
}

func options(url string, transport http.RoundTripper) lambda.Options {
	return lambda.Options{
		BaseEndpoint: &url,
		Region:       "us-east-1",
		HTTPClient:   &http.Client{Transport: transport},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}, nil
		}),
	}
}

// start starts the function "hello", which is this binary.
func start(tb testing.TB, timeout time.Duration) *lambdatest.Emulator {
	tb.Helper()
	self, err := os.Executable()
	require.NoError(tb, err)
	e, err := lambdatest.Start(lambdatest.Function{Name: "hello", Command: []string{self}, Timeout: timeout, Qualifiers: []string{"live"}})
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, e.Close()) })
	return e
}

// fake is a Client that answers by a function, and takes no options.
type fake func(in *lambda.InvokeInput) (*lambda.InvokeOutput, error)

func (c fake) Invoke(ctx context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return c(in)
}

// recorder is a Client that keeps what it is asked and answers well.
type recorder struct{ asked []*lambda.InvokeInput }

func (r *recorder) Invoke(_ context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	r.asked = append(r.asked, in)
	return &lambda.InvokeOutput{StatusCode: 200}, nil
}
