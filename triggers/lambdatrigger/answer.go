package lambdatrigger

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/hearken-go/hearken"
)

// maxFailures is how often a firing may meet the failure of its function.
const maxFailures = 3

// maxQuoted is how much of a function's text an error text or a trace shows.
const maxQuoted = 512

// FunctionError is the failure of a function that ran, or of its runtime.
type FunctionError struct {
	// Function is the trigger's FunctionName.
	Function string
	// Kind is what Lambda calls it: Unhandled, or Handled.
	Kind string
	// Type is the errorType of the answer, such as errorString,
	// Sandbox.Timedout, Runtime.ExitError or an exception's name. Empty: the
	// answer has none.
	Type string
	// Message is the errorMessage of the answer, or the answer itself when it
	// has none.
	Message string
	// Log is the end of the function's log, where LogTail asked for it.
	Log string
}

// Error holds type and message, and the last of the log.
func (e *FunctionError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "lambda function %s failed (%s): ", e.Function, e.Kind)
	if e.Type != "" {
		b.WriteString(beginning(e.Type) + ": ")
	}
	b.WriteString(beginning(e.Message))
	if log := strings.TrimSpace(e.Log); log != "" {
		fmt.Fprintf(&b, "; log: %q", end(log))
	}
	return b.String()
}

// judge decides about an answer with a status of success.
func (t *Trigger) judge(f hearken.Firing, out *lambda.InvokeOutput) error {
	if out.FunctionError != nil {
		return t.failed(f, functionError(t.FunctionName, out))
	}
	t.failures.forget(f.ID)
	if !t.allows(int(out.StatusCode)) {
		return hearken.Permanent(fmt.Errorf("lambda function %s: status %d is not allowed", t.FunctionName, out.StatusCode))
	}
	if t.Check == nil {
		return nil
	}
	if err := t.Check(f, out); err != nil {
		return fmt.Errorf("lambda function %s: %w", t.FunctionName, err)
	}
	return nil
}

func (t *Trigger) allows(status int) bool {
	if len(t.AllowStatus) == 0 {
		return status/100 == 2
	}
	return slices.Contains(t.AllowStatus, status)
}

func (t *Trigger) failed(f hearken.Firing, e *FunctionError) error {
	if t.OnFunctionError != nil {
		return t.OnFunctionError(f, e)
	}
	if t.failures.add(f.ID) >= maxFailures {
		t.failures.forget(f.ID)
		return hearken.Permanent(e)
	}
	return e
}

func functionError(function string, out *lambda.InvokeOutput) *FunctionError {
	e := &FunctionError{Function: function, Kind: cmp.Or(aws.ToString(out.FunctionError), "Unhandled")}
	// Runtimes mean these names; an answer that has them of another type, or is
	// no JSON, is shown as it is.
	var said struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}
	if json.Unmarshal(out.Payload, &said) == nil {
		e.Type, e.Message = said.ErrorType, said.ErrorMessage
	}
	e.Message = cmp.Or(e.Message, string(out.Payload))
	if log, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult)); err == nil {
		e.Log = string(log)
	}
	return e
}

// beginning and end return what a text of bounded length shows of s.
func beginning(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), maxQuoted)], "")
}

func end(s string) string {
	return strings.ToValidUTF8(s[max(len(s)-maxQuoted, 0):], "")
}
