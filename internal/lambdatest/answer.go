package lambdatest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Error is an error of the Invoke API.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Type is the exception's name, such as TooManyRequestsException.
	Type string
	// Message is what it says.
	Message string
	// Reason is the Reason of a TooManyRequestsException. Empty: none.
	Reason string
	// RetryAfter is sent in seconds. Zero: not sent.
	RetryAfter time.Duration
}

// Throttled is the error of too many invocations.
func Throttled(retryAfter time.Duration) *Error {
	return &Error{
		Status: http.StatusTooManyRequests, Type: "TooManyRequestsException", Message: "Rate Exceeded.",
		Reason: "ReservedFunctionConcurrentInvocationLimitExceeded", RetryAfter: retryAfter,
	}
}

// UnknownKey is the error of a request that was signed with a key that AWS does
// not know.
func UnknownKey() *Error {
	return &Error{
		Status: http.StatusForbidden, Type: "UnrecognizedClientException",
		Message: "The security token included in the request is invalid.",
	}
}

func notFound(name, qualifier string) *Error {
	return &Error{
		Status: http.StatusNotFound, Type: "ResourceNotFoundException",
		Message: "Function not found: " + arn(name, qualifier),
	}
}

func badContent(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Type: "InvalidRequestContentException", Message: fmt.Sprintf(format, args...)}
}

// tooLarge bears the name that Lambda answers with, not the one that its API's
// reference and the SDK have.
func tooLarge(format string, args ...any) *Error {
	return &Error{Status: http.StatusRequestEntityTooLarge, Type: "RequestEntityTooLargeException", Message: fmt.Sprintf(format, args...)}
}

func unsigned() *Error {
	return &Error{Status: http.StatusForbidden, Type: "MissingAuthenticationTokenException", Message: "Missing Authentication Token"}
}

// write answers with e. The message's name is in lower case for most and in
// upper case for some of Lambda's exceptions.
func (e *Error) write(w http.ResponseWriter) {
	body := map[string]string{"Type": "User"}
	if e.Status >= 500 {
		body["Type"] = "Service"
	}
	key := "message"
	switch e.Type {
	case "ResourceNotFoundException", "ServiceException", "ResourceNotReadyException":
		key = "Message"
	}
	body[key] = e.Message
	if e.Reason != "" {
		body["Reason"] = e.Reason
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Amzn-ErrorType", e.Type)
	if e.RetryAfter > 0 {
		h.Set("Retry-After", fmt.Sprint(int(e.RetryAfter.Seconds())))
	}
	w.WriteHeader(e.Status)
	// A client that went away needs no answer.
	_ = json.NewEncoder(w).Encode(body)
}

// outcome is how a function ended.
type outcome struct {
	payload []byte
	failed  bool
	log     []byte
}

// failure is the outcome of a function that its runtime did not end.
func failure(id, typ, format string, args ...any) outcome {
	text, err := json.Marshal(map[string]string{
		"errorType":    typ,
		"errorMessage": fmt.Sprintf("RequestId: %s Error: %s", id, fmt.Sprintf(format, args...)),
	})
	if err != nil {
		text = []byte(`{"errorType":"Runtime.Unknown"}`)
	}
	return outcome{payload: text, failed: true}
}
