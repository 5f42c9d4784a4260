package lambdatrigger

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/hearken-go/hearken"
)

// maxRetryAfter is far beyond any action's Retry.
const maxRetryAfter = 365 * 24 * time.Hour

// failure is the error of an invocation that Lambda did not take, or did not
// answer.
func (t *Trigger) failure(ctx context.Context, err error, sent bool) error {
	err = ended(ctx, fmt.Errorf("lambda function %s: %w", t.FunctionName, err))
	switch {
	case isMistake(err):
		return hearken.Permanent(err)
	case t.waits() && sent && !t.RetryTimeouts && isTimeout(err):
		return hearken.Permanent(fmt.Errorf("%w; the function may still run (RetryTimeouts)", err))
	}
	if wait := retryAfter(err); wait > 0 {
		return hearken.RetryAfter(err, wait)
	}
	return err
}

// isMistake reports whether the request is one that Lambda will never take.
func isMistake(err error) bool {
	var params smithy.InvalidParamsError
	var unsent *smithy.SerializationError
	var answer *smithyhttp.ResponseError
	var api smithy.APIError
	switch {
	case errors.As(err, &params), errors.As(err, &unsent):
		return true
	// Lambda has two names for it, of which the SDK knows one, and what stands
	// before Lambda may give none.
	case errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusRequestEntityTooLarge:
		return true
	case !errors.As(err, &api):
		return false
	}
	switch api.ErrorCode() {
	case "ResourceNotFoundException",
		"InvalidRequestContentException", "InvalidParameterValueException", "UnsupportedMediaTypeException", "ValidationException",
		"RequestTooLargeException",
		"InvalidRuntimeException", "InvalidZipFileException", "InvalidSecurityGroupIDException", "InvalidSubnetIDException",
		"RecursiveInvocationException":
		return true
	}
	return false
}

// isTimeout reports whether the wait for the answer has ended: by the attempt's
// deadline, or the HTTP client's. An end by shutdown is none, and an answer that
// has come, in the last moment too, is what it says.
func isTimeout(err error) bool {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		return false
	}
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}

// retryAfter returns the wait that Lambda asks for, or zero.
func retryAfter(err error) time.Duration {
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.Response != nil {
		if wait := seconds(answer.Response.Header.Get("Retry-After")); wait > 0 {
			return wait
		}
	}
	var throttle *types.TooManyRequestsException
	if errors.As(err, &throttle) && throttle.RetryAfterSeconds != nil {
		return seconds(*throttle.RetryAfterSeconds)
	}
	return 0
}

func seconds(s string) time.Duration {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n > 0) {
		return 0
	}
	return time.Duration(min(n, maxRetryAfter.Seconds()) * float64(time.Second))
}
