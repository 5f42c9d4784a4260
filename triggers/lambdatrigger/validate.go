package lambdatrigger

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/params"
)

// Validate finds all mistakes in the fields, and those of the Payload.
func (t *Trigger) Validate() error {
	var m hearken.Mistakes
	t.validateClient(&m)
	t.validateFunction(&m)
	known := slices.Contains(t.InvocationType.Values(), t.invocationType())
	if !known {
		m.Add("InvocationType", "is %q; it is RequestResponse, Event or DryRun", t.InvocationType)
	}
	if t.Payload == nil {
		m.Add("Payload", "is nil; set it, to hearken.PayloadFunc or with triggers/params")
	}
	m.Ask("Payload", t.Payload)
	if t.FiringPath != "" && !params.IsFiringPath(t.FiringPath) {
		m.Add("FiringPath", "%q is no path of names (letters, digits, _ and -) with dots between them", t.FiringPath)
	}
	if known { // what the other fields mean
		t.validateKey(&m)
		t.validateAnswer(&m)
	}
	return m.Err()
}

// Reads returns what the Payload reads, where it says so.
func (t *Trigger) Reads() []hearken.Read {
	return hearken.ReadsAt("Payload", t.Payload)
}

func (t *Trigger) validateClient(m *hearken.Mistakes) {
	if t.Client == nil {
		m.Add("Client", "is nil; pass lambda.NewFromConfig(cfg)")
		return
	}
	// An application's own Client may not know.
	c, ok := t.Client.(*lambda.Client)
	if !ok {
		return
	}
	if c == nil {
		m.Add("Client", "is a nil *lambda.Client; pass lambda.NewFromConfig(cfg)")
		return
	}
	if c.Options().Region == "" {
		m.Add("Client", "has no region; set AWS_REGION, or Region of its configuration")
	}
}

func (t *Trigger) validateFunction(m *hearken.Mistakes) {
	name := t.FunctionName
	parts := strings.Split(name, ":")
	switch {
	case name == "":
		m.Add("FunctionName", "is empty; set the function's name or ARN")
	case strings.ContainsFunc(name, func(c rune) bool { return !isName(c) && !strings.ContainsRune(":$.", c) }),
		parts[0] != "arn" && slices.Contains(parts, ""):
		m.Add("FunctionName", "%q is no name or ARN of a function", name)
	case parts[0] == "arn" && (len(parts) < 7 || len(parts) > 8 || parts[6] == "" || parts[2] != "lambda" || parts[5] != "function"):
		m.Add("FunctionName", "%q is no ARN of a function, which is arn:aws:lambda:region:account:function:name", name)
	case t.Qualifier != "" && isQualified(parts):
		m.Add("Qualifier", "is set beside a FunctionName that ends with one; remove one of them")
	}
	if t.Qualifier != "$LATEST" && strings.ContainsFunc(t.Qualifier, func(c rune) bool { return !isName(c) }) {
		m.Add("Qualifier", "%q is no version or alias", t.Qualifier)
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

func (t *Trigger) validateKey(m *hearken.Mistakes) {
	event := t.invocationType() == types.InvocationTypeEvent
	switch {
	case t.FiringPath != "" && t.NoIdempotencyKey:
		m.Add("NoIdempotencyKey", "is set beside FiringPath; remove one of them")
	case !event && t.NoIdempotencyKey:
		m.Add("NoIdempotencyKey", "is for InvocationType Event; %s needs no leave to go without FiringPath", t.invocationType())
	case event && t.FiringPath == "" && !t.NoIdempotencyKey:
		m.Add("FiringPath", "is empty, and an Event has no other place for the firing's ID; set it, or NoIdempotencyKey")
	}
}

func (t *Trigger) validateAnswer(m *hearken.Mistakes) {
	if n := len(t.AllowStatus); n > 0 {
		if status := t.status(); !slices.Contains(t.AllowStatus, status) {
			m.Add("AllowStatus", "lacks %d, which is how Lambda answers %s", status, t.invocationType())
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
			m.Add(f.name, "is for InvocationType RequestResponse; %s does not wait for the function", t.invocationType())
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

func isName(c rune) bool {
	return c == '-' || c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
