package sqstrigger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/hearken-go/hearken"
)

// failure is the error of a message that SQS did not take, or did not answer.
func failure(ctx context.Context, err error) error {
	if isMistake(err) {
		return hearken.Permanent(err)
	}
	// The SDK may report a broken connection when the context has ended.
	if end := ctx.Err(); end != nil && !errors.Is(err, end) {
		return fmt.Errorf("%w: %w", end, err)
	}
	return err
}

// isMistake reports whether the message is one that SQS will never take.
func isMistake(err error) bool {
	var params smithy.InvalidParamsError
	var unsent *smithy.SerializationError
	var api smithy.APIError
	switch {
	case errors.As(err, &params), errors.As(err, &unsent):
		return true
	case !errors.As(err, &api):
		return false
	}
	// Either name of an error: that of the JSON protocol, or of the query
	// protocol before it.
	code := strings.TrimPrefix(api.ErrorCode(), "AWS.SimpleQueueService.")
	switch strings.TrimSuffix(code, "Exception") {
	case "QueueDoesNotExist", "NonExistentQueue", "InvalidAddress",
		"InvalidMessageContents", "InvalidParameterValue", "MissingParameter", "InvalidAttributeName", "InvalidAttributeValue",
		"RequestEntityTooLarge", "InvalidSecurity", "UnsupportedOperation", "Validation":
		return true
	}
	return false
}
