package snstrigger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/hearken-go/hearken"
)

// failure is the error of a message that SNS did not take, or did not answer.
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

// isMistake reports whether the message is one that SNS will never take.
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
	switch strings.TrimSuffix(api.ErrorCode(), "Exception") {
	case "NotFound", "InvalidParameter", "ParameterValueInvalid", "InvalidParameterValue", "MissingParameter", "Validation",
		"RequestEntityTooLarge", "InvalidSecurity", "EndpointDisabled", "PlatformApplicationDisabled":
		return true
	}
	return false
}
