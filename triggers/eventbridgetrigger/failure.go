package eventbridgetrigger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/hearken-go/hearken"
)

// EntryError is why EventBridge did not take an event of a request that it took.
type EntryError struct {
	// Code is such as ThrottlingException or MalformedDetail.
	Code string
	// Message is for readers.
	Message string
}

// Error holds both.
func (e *EntryError) Error() string {
	return fmt.Sprintf("the event was not taken: %s: %s", cmp.Or(e.Code, "no code"), e.Message)
}

// failure is the error of an event that EventBridge did not take, or of a
// request that it did not answer.
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

// isMistake reports whether the event is one that EventBridge will never take.
func isMistake(err error) bool {
	var params smithy.InvalidParamsError
	var unsent *smithy.SerializationError
	if errors.As(err, &params) || errors.As(err, &unsent) {
		return true
	}
	switch strings.TrimSuffix(code(err), "Exception") {
	case "Validation", "InvalidParameter", "InvalidParameterValue", "InvalidArgument", "MalformedDetail",
		"ResourceNotFound", "InvalidAccountId", "NotAuthorizedForSource", "NotAuthorizedForDetailType", "RedactionFailure",
		"UnsupportedOperation", "RequestEntityTooLarge":
		return true
	}
	return false
}

// code returns what EventBridge calls err, of the event or of the request.
func code(err error) string {
	var entry *EntryError
	if errors.As(err, &entry) {
		return entry.Code
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}
