package lambdatrigger_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/triggers/lambdatrigger"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

// serve answers each request with one answer, and counts them.
func serve(t *testing.T, status int, typ, body string, headers ...string) (url string, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("X-Amzn-ErrorType", typ)
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

// The bodies are those that AWS documents for the errors of Invoke; that the
// SDK reads them is part of what is tested.
func TestErrorsOfTheService(t *testing.T) {
	for _, tt := range []struct {
		typ       string
		status    int
		body      string
		as        any // the SDK's type; nil: it has none
		permanent bool
	}{
		{"ResourceNotFoundException", 404, `{"Message":"Function not found: arn:aws:lambda:us-east-1:123456789012:function:hello","Type":"User"}`, new(*types.ResourceNotFoundException), true},
		{"InvalidRequestContentException", 400, `{"Type":"User","message":"Could not parse request body into json"}`, new(*types.InvalidRequestContentException), true},
		{"InvalidParameterValueException", 400, `{"Type":"User","message":"bad"}`, new(*types.InvalidParameterValueException), true},
		{"UnsupportedMediaTypeException", 415, `{"Type":"User","message":"not JSON"}`, new(*types.UnsupportedMediaTypeException), true},
		{"RequestTooLargeException", 413, `{"Type":"User","message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation"}`, new(*types.RequestTooLargeException), true},
		{"RequestEntityTooLargeException", 413, `{"Type":"User","message":"1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"}`, nil, true},
		{"InvalidRuntimeException", 502, `{"Type":"Server","Message":"no such runtime"}`, new(*types.InvalidRuntimeException), true},
		{"InvalidZipFileException", 502, `{"Type":"Server","Message":"no zip"}`, new(*types.InvalidZipFileException), true},
		{"RecursiveInvocationException", 400, `{"Type":"User","Message":"a loop"}`, new(*types.RecursiveInvocationException), true},
		{"ValidationException", 400, `{"message":"1 validation error detected"}`, nil, true},

		{"", 413, `<html>Request Entity Too Large</html>`, nil, true},

		{"TooManyRequestsException", 429, `{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}`, new(*types.TooManyRequestsException), false},
		{"TooManyRequestsException", 429, `{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}`, new(*types.TooManyRequestsException), false},
		{"TooManyRequestsException", 429, `{"Reason":"ReservedFunctionInvocationRateLimitExceeded","Type":"User","message":"Rate Exceeded."}`, new(*types.TooManyRequestsException), false},
		{"TooManyRequestsException", 429, `{"Reason":"FunctionInvocationRateLimitExceeded","Type":"User","message":"Rate Exceeded."}`, new(*types.TooManyRequestsException), false},
		{"TooManyRequestsException", 429, `{"Reason":"CallerRateLimitExceeded","Type":"User","message":"Rate Exceeded."}`, new(*types.TooManyRequestsException), false},
		{"TooManyRequestsException", 429, `{"Reason":"ConcurrentSnapshotCreateLimitExceeded","Type":"User","message":"Rate Exceeded."}`, new(*types.TooManyRequestsException), false},
		{"SubnetIPAddressLimitReachedException", 502, `{"Type":"Server","Message":"no address"}`, new(*types.SubnetIPAddressLimitReachedException), false},
		{"ENILimitReachedException", 502, `{"Type":"Server","Message":"no interface"}`, new(*types.ENILimitReachedException), false},
		{"EFSIOException", 410, `{"Type":"User","Message":"no disk"}`, new(*types.EFSIOException), false},
		{"ResourceNotReadyException", 502, `{"Type":"Server","message":"inactive"}`, new(*types.ResourceNotReadyException), false},
		{"ResourceConflictException", 409, `{"Type":"User","message":"The operation cannot be performed at this time. The function is currently in the following state: Pending"}`, new(*types.ResourceConflictException), false},
		{"SnapStartNotReadyException", 409, `{"Type":"Server","Message":"wait"}`, new(*types.SnapStartNotReadyException), false},
		{"EC2ThrottledException", 502, `{"Type":"Server","Message":"wait"}`, new(*types.EC2ThrottledException), false},
		{"KMSDisabledException", 502, `{"Type":"Server","Message":"enable it"}`, new(*types.KMSDisabledException), false},
		{"ServiceException", 500, `{"Type":"Service","Message":"our fault"}`, new(*types.ServiceException), false},
		{"ExpiredTokenException", 403, `{"message":"The security token included in the request is expired"}`, nil, false},
		{"UnrecognizedClientException", 403, `{"message":"The security token included in the request is invalid."}`, nil, false},
		{"InvalidSignatureException", 403, `{"message":"Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z"}`, nil, false},
		{"AccessDeniedException", 403, `{"Message":"User: arn:aws:iam::123456789012:user/x is not authorized to perform: lambda:InvokeFunction"}`, nil, false},
		{"", 503, `<html>Service Unavailable</html>`, nil, false},
	} {
		t.Run(fmt.Sprint(tt.status, tt.typ), func(t *testing.T) {
			url, requests := serve(t, tt.status, tt.typ, tt.body)
			trigger := &lambdatrigger.Trigger{Client: newClient(t, url), FunctionName: "hello", Payload: hearken.PayloadFunc(payload)}
			err := trigger.Fire(t.Context(), firing(t, `{}`))
			assert.Equal(t, tt.permanent, hearken.IsPermanent(err), err)
			assert.ErrorContains(t, err, "lambda function hello: operation error Lambda: Invoke")
			if tt.as != nil {
				assert.ErrorAs(t, err, tt.as)
			}
			if tt.typ != "" {
				var api smithy.APIError
				require.ErrorAs(t, err, &api)
				assert.Equal(t, tt.typ, api.ErrorCode())
			}
			assert.EqualValues(t, 1, requests.Load(), "the SDK must not retry")
		})
	}
}

func TestTheClientsRetriesAreNotUsed(t *testing.T) {
	for name, change := range map[string]func(*lambda.Options){
		"attempts": func(o *lambda.Options) { o.RetryMaxAttempts = 5 },
		"adaptive": func(o *lambda.Options) { o.RetryMode = aws.RetryModeAdaptive },
		"retryer":  func(o *lambda.Options) { o.Retryer = retry.AddWithMaxAttempts(retry.NewStandard(), 9) },
	} {
		t.Run(name, func(t *testing.T) {
			url, requests := serve(t, 500, "ServiceException", `{"Type":"Service","Message":"our fault"}`)
			o := options(url, new(http.Transport))
			change(&o)
			trigger := &lambdatrigger.Trigger{Client: lambda.New(o), FunctionName: "hello", Payload: hearken.PayloadFunc(payload)}
			for range 3 {
				assert.Error(t, trigger.Fire(t.Context(), firing(t, `{}`)))
			}
			assert.EqualValues(t, 3, requests.Load())
			o.HTTPClient.(*http.Client).CloseIdleConnections()
		})
	}
}

func TestRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		header string
		want   time.Duration
	}{{"7", 7 * time.Second}, {"0.5", 500 * time.Millisecond}, {"", 0}, {"-1", 0}, {"soon", 0}, {"NaN", 0}, {"1e300", 365 * 24 * time.Hour}} {
		t.Run(tt.header, func(t *testing.T) {
			url, _ := serve(t, 429, "TooManyRequestsException", `{"Type":"User","message":"Rate Exceeded."}`, "Retry-After", tt.header)
			trigger := &lambdatrigger.Trigger{Client: newClient(t, url), FunctionName: "hello", Payload: hearken.PayloadFunc(payload)}
			err := trigger.Fire(t.Context(), firing(t, `{}`))
			require.Error(t, err)
			assert.Equal(t, tt.want, lambdatrigger.RetryAfter(err))
			assert.Equal(t, tt.want > 0, asksForAWait(err))

			// The SDK's type alone, as a fake client may return it.
			trigger.Client = fake(func(*lambda.InvokeInput) (*lambda.InvokeOutput, error) {
				return nil, &types.TooManyRequestsException{RetryAfterSeconds: &tt.header}
			})
			err = trigger.Fire(t.Context(), firing(t, `{}`))
			assert.Equal(t, tt.want, lambdatrigger.RetryAfter(err))
			assert.Equal(t, tt.want > 0, asksForAWait(err))
		})
	}
}

// asksForAWait reports whether err was made by hearken.RetryAfter.
func asksForAWait(err error) bool {
	return fmt.Sprintf("%T", err) == fmt.Sprintf("%T", hearken.RetryAfter(err, 1))
}

// slow returns the URL of a server that takes requests and does not answer.
func slow(t *testing.T) (url string, arrived <-chan struct{}) {
	t.Helper()
	there := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		there <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	return server.URL, there
}

// expiring is a context whose deadline passes when its channel says so.
type expiring struct {
	context.Context //nolint:containedctx // it is one
	done            chan struct{}
}

func expiringAfter(t *testing.T, c <-chan struct{}) context.Context {
	ctx := expiring{t.Context(), make(chan struct{})}
	go func() {
		select {
		case <-c:
			close(ctx.done)
		case <-ctx.Context.Done():
		}
	}()
	return ctx
}

func (e expiring) Done() <-chan struct{} { return e.done }

func (e expiring) Err() error {
	select {
	case <-e.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestTimeout(t *testing.T) {
	blocked := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	end := make(chan struct{}) // net/http dials beyond a request's context
	t.Cleanup(func() { close(end) })
	for _, tt := range []struct {
		name      string
		change    func(o *lambda.Options, t *lambdatrigger.Trigger)
		permanent bool
	}{
		{"after the request was sent", func(*lambda.Options, *lambdatrigger.Trigger) {}, true},
		{"of the HTTP client", func(o *lambda.Options, _ *lambdatrigger.Trigger) {
			o.HTTPClient.(*http.Client).Timeout = 2 * time.Second // which must do for it to be sent
		}, true},
		{"with RetryTimeouts", func(_ *lambda.Options, t *lambdatrigger.Trigger) { t.RetryTimeouts = true }, false},
		{"of an Event", func(_ *lambda.Options, t *lambdatrigger.Trigger) {
			t.InvocationType, t.FiringPath = types.InvocationTypeEvent, "firing"
		}, false},
		{"before there was a connection", func(o *lambda.Options, _ *lambdatrigger.Trigger) {
			o.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				<-end
				return nil, net.ErrClosed
			}}}
		}, false},
		{"before there were credentials", func(o *lambda.Options, _ *lambdatrigger.Trigger) {
			o.Credentials = aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
				return aws.Credentials{}, blocked(ctx)
			})
		}, false},
		{"of a transport that does not tell", func(o *lambda.Options, _ *lambdatrigger.Trigger) {
			o.HTTPClient = doer(func(r *http.Request) (*http.Response, error) { return nil, blocked(r.Context()) })
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			transport := new(http.Transport)
			url, arrived := slow(t)
			o := options(url, transport)
			t.Cleanup(transport.CloseIdleConnections)
			trigger := &lambdatrigger.Trigger{FunctionName: "hello", Payload: hearken.PayloadFunc(payload)}
			tt.change(&o, trigger)
			trigger.Client = lambda.New(o)
			ctx := t.Context() // the HTTP client's own timeout
			switch {
			case strings.HasPrefix(tt.name, "before"), strings.HasPrefix(tt.name, "of a transport"):
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
				defer cancel()
			case tt.name != "of the HTTP client":
				ctx = expiringAfter(t, arrived)
			}
			err := trigger.Fire(ctx, firing(t, `{}`))
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, tt.permanent, hearken.IsPermanent(err), err)
			if tt.permanent {
				assert.ErrorContains(t, err, "the function may still run")
			}
		})
	}
}

// doer is an HTTP client that is not net/http's.
type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

func TestTimeoutOfAClientThatTakesNoOptions(t *testing.T) {
	trigger := &lambdatrigger.Trigger{FunctionName: "hello", Payload: hearken.PayloadFunc(payload)}
	trigger.Client = fake(func(*lambda.InvokeInput) (*lambda.InvokeOutput, error) { return nil, context.DeadlineExceeded })
	assert.True(t, hearken.IsPermanent(trigger.Fire(t.Context(), firing(t, `{}`))))
}

func TestShutdownIsNoTimeout(t *testing.T) {
	url, arrived := slow(t)
	trigger := &lambdatrigger.Trigger{Client: newClient(t, url), FunctionName: "hello", Payload: hearken.PayloadFunc(payload)}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	err := trigger.Fire(ctx, firing(t, `{}`))
	assert.ErrorIs(t, err, context.Canceled)
	assert.False(t, hearken.IsPermanent(err), err)
}

func TestNoCredentials(t *testing.T) {
	o := options("http://127.0.0.1:1", new(http.Transport))
	o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("no role is attached")
	})
	trigger := &lambdatrigger.Trigger{Client: lambda.New(o), FunctionName: "hello", Payload: hearken.PayloadFunc(payload)}
	err := trigger.Fire(t.Context(), firing(t, `{}`))
	assert.ErrorContains(t, err, "no role is attached")
	assert.False(t, hearken.IsPermanent(err), "they may come")
}

// In a pipeline each kind of outcome ends as stated: done, retried, or a dead
// letter.
func TestOutcomesInAPipeline(t *testing.T) {
	ok := &lambda.InvokeOutput{StatusCode: 200}
	failed := &lambda.InvokeOutput{StatusCode: 200, FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorType":"E","errorMessage":"m"}`)}
	throttle := &types.TooManyRequestsException{}
	for _, tt := range []struct {
		name     string
		outcomes []any
		letters  int
	}{
		{"success", []any{ok}, 0},
		{"throttled, then well", []any{throttle, throttle, throttle, throttle, ok}, 0},
		{"a function that fails twice", []any{failed, failed, ok}, 0},
		{"a function that fails", []any{failed, failed, failed}, 1},
		{"a function that fails between throttles", []any{throttle, throttle, throttle, failed, throttle, failed, failed}, 1},
		{"no such function", []any{&types.ResourceNotFoundException{}}, 1},
		{"timeout", []any{fmt.Errorf("sent: %w", context.DeadlineExceeded)}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			calls := make(chan any, len(tt.outcomes)+1)
			rest := tt.outcomes
			client := fake(func(*lambda.InvokeInput) (*lambda.InvokeOutput, error) {
				if len(rest) == 0 {
					return nil, errors.New("one call too many")
				}
				outcome := rest[0]
				rest = rest[1:]
				calls <- outcome
				if err, bad := outcome.(error); bad {
					return nil, err
				}
				return outcome.(*lambda.InvokeOutput), nil
			})
			source := &hearken.EventSource{Name: "cluster", Event: "pod"}
			letters := new(triggertest.Recorder)
			p := &hearken.Pipeline{
				Name: "test", Bus: &memory.Bus{}, EventSources: []*hearken.EventSource{source},
				Sensors: []hearken.Sensor{{Name: "call", Workers: 1, Actions: []hearken.Action{{
					When:    &hearken.Dependency{Name: "pod", EventSource: source},
					Trigger: &lambdatrigger.Trigger{Client: client, FunctionName: "hello", Payload: hearken.PayloadFunc(payload)},
					Retry:   hearken.Retry{Min: time.Microsecond, Max: time.Millisecond},
				}}}, {Name: "letters", Actions: []hearken.Action{{
					When: &hearken.Dependency{EventSource: hearken.DeadLetters("call")}, Trigger: letters,
				}}}},
			}
			triggertest.Start(t, p)
			e, err := hearken.NewEvent("resource", "1", map[string]string{"name": "x"})
			require.NoError(t, err)
			require.NoError(t, p.Emit(t.Context(), source, e))
			for range tt.outcomes {
				<-calls
			}
			if tt.letters > 0 {
				_, err := letters.Wait(t.Context(), tt.letters)
				require.NoError(t, err)
			}
			require.Eventually(t, func() bool { return p.Health().Sensors[0].InFlight == 0 }, time.Minute, time.Millisecond)
			assert.Empty(t, rest)
			assert.Len(t, letters.Firings(), tt.letters)
		})
	}
}

// Lambda's answer is one, however late it comes: nothing runs that it did not take.
func TestAnswerAtTheDeadline(t *testing.T) {
	for name, answer := range map[string]error{
		"throttled": &types.TooManyRequestsException{},
		"not ready": &types.ResourceNotReadyException{},
	} {
		t.Run(name, func(t *testing.T) {
			passed := make(chan struct{})
			ctx := expiringAfter(t, passed)
			trigger := &lambdatrigger.Trigger{FunctionName: "hello", Payload: hearken.PayloadFunc(payload)}
			trigger.Client = fake(func(*lambda.InvokeInput) (*lambda.InvokeOutput, error) {
				close(passed)
				<-ctx.Done()
				return nil, answer
			})
			err := trigger.Fire(ctx, firing(t, `{}`))
			require.ErrorIs(t, err, answer)
			assert.False(t, hearken.IsPermanent(err), err)
		})
	}
}
