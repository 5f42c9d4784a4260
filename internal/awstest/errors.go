package awstest

import (
	"encoding/json"
	"errors"
	"net/http"
)

// Error is an error as AWS's JSON protocols say it.
type Error struct {
	// Status is the HTTP status. Zero: 400.
	Status int
	// Code is the error's shape, such as QueueDoesNotExist.
	Code string
	// QueryCode is what older protocols called it, for services that are
	// compatible with them: the SDK's ErrorCode of it. Empty: what SQS says, and
	// for a Code that SQS does not know, the Code.
	QueryCode string
	// Message is for readers.
	Message string
	// Header is added to the answer: a Retry-After.
	Header http.Header
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// ErrLost cuts the connection instead of answering.
var ErrLost = errors.New("awstest: the answer was lost")

// failure returns an error of the sender's making.
func failure(code, message string) *Error { return &Error{Code: code, Message: message} }

// queryCode is what x-amzn-query-error says of e.
func (e *Error) queryCode() string {
	switch {
	case e.QueryCode != "":
		return e.QueryCode
	case e.Code == "QueueDoesNotExist":
		return "AWS.SimpleQueueService.NonExistentQueue"
	case e.Code == "QueueNameExists":
		return "QueueAlreadyExists"
	case sqsErrors[e.Code]:
		return "AWS.SimpleQueueService." + e.Code
	}
	return e.Code
}

// sqsErrors are those of the errors of SQS that were once said with a prefix.
var sqsErrors = map[string]bool{ //nolint:gochecknoglobals // a table
	"BatchEntryIdsNotDistinct": true, "BatchRequestTooLong": true, "EmptyBatchRequest": true,
	"InvalidBatchEntryId": true, "MessageNotInflight": true, "PurgeQueueInProgress": true,
	"QueueDeletedRecently": true, "TooManyEntriesInBatchRequest": true, "UnsupportedOperation": true,
}

// write answers with e.
func (e *Error) write(w http.ResponseWriter) {
	status, fault := e.Status, "Sender"
	if status == 0 {
		status = http.StatusBadRequest
	}
	if status >= http.StatusInternalServerError {
		fault = "Receiver"
	}
	for name, values := range e.Header {
		w.Header()[name] = values
	}
	w.Header().Set("X-Amzn-Query-Error", e.queryCode()+";"+fault)
	writeJSON(w, status, map[string]string{"__type": "com.amazonaws.sqs#" + e.Code, "message": e.Message})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that went away needs no answer
}

// asError makes of err an answer.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Status: http.StatusInternalServerError, Code: "InternalFailure", Message: err.Error()}
}
