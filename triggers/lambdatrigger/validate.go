package lambdatrigger

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/hearken-go/hearken"
)

// Validate finds all mistakes in the fields, and those of the Payload.
func (t *Trigger) Validate() error {
	var m mistakes
	t.validateClient(&m)
	t.validateFunction(&m)
	if !slices.Contains(t.InvocationType.Values(), t.invocationType()) {
		m.add("InvocationType", "is %q; it is RequestResponse, Event or DryRun", t.InvocationType)
	}
	if t.Payload == nil {
		m.add("Payload", "is nil; set it, to hearken.PayloadFunc or with triggers/params")
	}
	if v, ok := t.Payload.(hearken.Validator); ok {
		m.below("Payload", v.Validate())
	}
	t.validateKey(&m)
	t.validateAnswer(&m)
	return errors.Join(m...)
}

// Reads returns what the Payload reads, where it says so.
func (t *Trigger) Reads() []hearken.Read {
	r, ok := t.Payload.(hearken.Reader)
	if !ok {
		return nil
	}
	reads := slices.Clone(r.Reads())
	for i := range reads {
		reads[i].Path = below("Payload", reads[i].Path)
	}
	return reads
}

func (t *Trigger) validateClient(m *mistakes) {
	if t.Client == nil {
		m.add("Client", "is nil; pass lambda.NewFromConfig(cfg)")
		return
	}
	// An application's own Client may not know.
	c, ok := t.Client.(*lambda.Client)
	if !ok {
		return
	}
	if c == nil {
		m.add("Client", "is a nil *lambda.Client; pass lambda.NewFromConfig(cfg)")
		return
	}
	if c.Options().Region == "" {
		m.add("Client", "has no region; set AWS_REGION, or Region of its configuration")
	}
}

func (t *Trigger) validateFunction(m *mistakes) {
	name := t.FunctionName
	parts := strings.Split(name, ":")
	switch {
	case name == "":
		m.add("FunctionName", "is empty; set the function's name or ARN")
	case strings.ContainsFunc(name, func(c rune) bool { return !isName(c) && !strings.ContainsRune(":$.", c) }):
		m.add("FunctionName", "%q is no name or ARN of a function", name)
	case parts[0] == "arn" && (len(parts) < 7 || parts[2] != "lambda" || parts[5] != "function"):
		m.add("FunctionName", "%q is no ARN of a function, which is arn:aws:lambda:region:account:function:name", name)
	case t.Qualifier != "" && isQualified(parts):
		m.add("Qualifier", "is set beside a FunctionName that ends with one; remove one of them")
	}
	if t.Qualifier != "$LATEST" && strings.ContainsFunc(t.Qualifier, func(c rune) bool { return !isName(c) }) {
		m.add("Qualifier", "%q is no version or alias", t.Qualifier)
	}
}

// isQualified reports whether a function's name, split at its colons, ends with
// a version or an alias: name, account:function:name, or an ARN of seven parts.
func isQualified(parts []string) bool {
	switch len(parts) {
	case 2, 4, 8:
		return true
	}
	return false
}

func (t *Trigger) validateKey(m *mistakes) {
	event := t.invocationType() == types.InvocationTypeEvent
	switch {
	case t.FiringPath != "" && !isPath(t.FiringPath):
		m.add("FiringPath", "%q is no path of names (letters, digits, _ and -) with dots between them", t.FiringPath)
	case t.FiringPath != "" && t.NoIdempotencyKey:
		m.add("NoIdempotencyKey", "is set beside FiringPath; remove one of them")
	case !event && t.NoIdempotencyKey:
		m.add("NoIdempotencyKey", "is for InvocationType Event; %s needs no leave to go without FiringPath", t.invocationType())
	case event && t.FiringPath == "" && !t.NoIdempotencyKey:
		m.add("FiringPath", "is empty, and an Event has no other place for the firing's ID; set it, or NoIdempotencyKey")
	}
}

func (t *Trigger) validateAnswer(m *mistakes) {
	if n := len(t.AllowStatus); n > 0 {
		if status := t.status(); !slices.Contains(t.AllowStatus, status) {
			m.add("AllowStatus", "lacks %d, which is how Lambda answers %s", status, t.invocationType())
		}
	}
	if t.waits() {
		return
	}
	for _, f := range []struct {
		name string
		set  bool
	}{{"LogTail", t.LogTail}, {"OnFunctionError", t.OnFunctionError != nil}, {"RetryTimeouts", t.RetryTimeouts}} {
		if f.set {
			m.add(f.name, "is for InvocationType RequestResponse; %s does not wait for the function", t.invocationType())
		}
	}
}

// status is how Lambda answers an invocation that it took.
func (t *Trigger) status() int {
	switch t.invocationType() {
	case types.InvocationTypeEvent:
		return 202
	case types.InvocationTypeDryRun:
		return 204
	}
	return 200
}

type mistakes []error

func (m *mistakes) add(path, format string, args ...any) {
	*m = append(*m, &hearken.ConfigError{Path: path, Msg: fmt.Sprintf(format, args...)})
}

// below adds the errors that err joins, each with its place below path.
func (m *mistakes) below(path string, err error) {
	var config *hearken.ConfigError
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
	case ok:
		for _, e := range joined.Unwrap() {
			m.below(path, e)
		}
	case errors.As(err, &config):
		m.add(below(path, config.Path), "%s", config.Msg)
	default:
		m.add(path, "%v", err)
	}
}

func below(path, sub string) string {
	if sub == "" || strings.HasPrefix(sub, "[") {
		return path + sub
	}
	return path + "." + sub
}
