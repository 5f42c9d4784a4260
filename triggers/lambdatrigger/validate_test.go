package lambdatrigger_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/stretchr/testify/assert"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/lambdatrigger"
	"github.com/hearken-go/hearken/triggers/params"
)

func TestValidate(t *testing.T) {
	type change = func(*lambdatrigger.Trigger)
	event := func(t *lambdatrigger.Trigger) { t.InvocationType = types.InvocationTypeEvent }
	for _, tt := range []struct {
		name   string
		change change
		want   string // empty: valid
	}{
		{"least", func(*lambdatrigger.Trigger) {}, ""},
		{"ARN", func(t *lambdatrigger.Trigger) {
			t.FunctionName = "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:my_fn-2"
		}, ""},
		{"ARN and qualifier", func(t *lambdatrigger.Trigger) {
			t.FunctionName, t.Qualifier = "arn:aws:lambda:us-east-1:123456789012:function:hello", "$LATEST"
		}, ""},
		{"partial ARN with a version", func(t *lambdatrigger.Trigger) { t.FunctionName = "123456789012:function:hello:7" }, ""},
		{"Event with a path", func(t *lambdatrigger.Trigger) { event(t); t.FiringPath = "meta.firing_id" }, ""},
		{"Event without a key", func(t *lambdatrigger.Trigger) { event(t); t.NoIdempotencyKey = true }, ""},
		{"a client with a region", func(t *lambdatrigger.Trigger) { t.Client = lambda.New(lambda.Options{Region: "eu-west-1"}) }, ""},
		{"status", func(t *lambdatrigger.Trigger) { t.AllowStatus = []int{200, 202} }, ""},

		{"no client", func(t *lambdatrigger.Trigger) { t.Client = nil }, "Client: is nil; pass lambda.NewFromConfig(cfg)"},
		{"nil client", func(t *lambdatrigger.Trigger) { t.Client = (*lambda.Client)(nil) }, "Client: is a nil *lambda.Client; pass lambda.NewFromConfig(cfg)"},
		{"no region", func(t *lambdatrigger.Trigger) { t.Client = lambda.New(lambda.Options{}) }, "Client: has no region; set AWS_REGION, or Region of its configuration"},
		{"no name", func(t *lambdatrigger.Trigger) { t.FunctionName = "" }, "FunctionName: is empty; set the function's name or ARN"},
		{"no such name", func(t *lambdatrigger.Trigger) { t.FunctionName = "a b" }, `FunctionName: "a b" is no name or ARN of a function`},
		{"URL", func(t *lambdatrigger.Trigger) { t.FunctionName = "https://x" }, `FunctionName: "https://x" is no name or ARN of a function`},
		{"another ARN", func(t *lambdatrigger.Trigger) { t.FunctionName = "arn:aws:sqs:us-east-1:123456789012:queue" }, `FunctionName: "arn:aws:sqs:us-east-1:123456789012:queue" is no ARN of a function, which is arn:aws:lambda:region:account:function:name`},
		{"ARN without a name", func(t *lambdatrigger.Trigger) { t.FunctionName = "arn:aws:lambda:us-east-1:123456789012:function:" }, `FunctionName: "arn:aws:lambda:us-east-1:123456789012:function:" is no ARN of a function, which is arn:aws:lambda:region:account:function:name`},
		{"too long an ARN", func(t *lambdatrigger.Trigger) {
			t.FunctionName = "arn:aws:lambda:us-east-1:123456789012:function:hello:1:2"
		}, `FunctionName: "arn:aws:lambda:us-east-1:123456789012:function:hello:1:2" is no ARN of a function, which is arn:aws:lambda:region:account:function:name`},
		{"no qualifier after the colon", func(t *lambdatrigger.Trigger) { t.FunctionName = "hello:" }, `FunctionName: "hello:" is no name or ARN of a function`},
		{"two qualifiers of an ARN", func(t *lambdatrigger.Trigger) {
			t.FunctionName, t.Qualifier = "arn:aws:lambda:us-east-1:123456789012:function:hello:live", "live"
		}, "Qualifier: is set beside a FunctionName that ends with one; remove one of them"},
		{"two qualifiers of a partial ARN", func(t *lambdatrigger.Trigger) {
			t.FunctionName, t.Qualifier = "123456789012:function:hello:live", "live"
		}, "Qualifier: is set beside a FunctionName that ends with one; remove one of them"},
		{"two qualifiers", func(t *lambdatrigger.Trigger) { t.FunctionName, t.Qualifier = "hello:live", "live" }, "Qualifier: is set beside a FunctionName that ends with one; remove one of them"},
		{"bad qualifier", func(t *lambdatrigger.Trigger) { t.Qualifier = "l ive" }, `Qualifier: "l ive" is no version or alias`},
		{"type", func(t *lambdatrigger.Trigger) { t.InvocationType = "event" }, `InvocationType: is "event"; it is RequestResponse, Event or DryRun`},
		{"type, and what depends on it", func(t *lambdatrigger.Trigger) {
			t.InvocationType, t.NoIdempotencyKey, t.LogTail, t.AllowStatus = "event", true, true, []int{202}
		}, `InvocationType: is "event"; it is RequestResponse, Event or DryRun`},
		{"no payload", func(t *lambdatrigger.Trigger) { t.Payload = nil }, "Payload: is nil; set it, to hearken.PayloadFunc or with triggers/params"},
		{"payload", func(t *lambdatrigger.Trigger) { t.Payload = params.Object{"name": params.Data(nil, "x")} }, `Payload["name"]: the dependency is nil`},
		{"Event with no word of a key", event, "FiringPath: is empty, and an Event has no other place for the firing's ID; set it, or NoIdempotencyKey"},
		{"both", func(t *lambdatrigger.Trigger) { event(t); t.NoIdempotencyKey, t.FiringPath = true, "x" }, "NoIdempotencyKey: is set beside FiringPath; remove one of them"},
		{"both, and no path", func(t *lambdatrigger.Trigger) { event(t); t.NoIdempotencyKey, t.FiringPath = true, "a b" }, `FiringPath: "a b" is no path of names (letters, digits, _ and -) with dots between them` +
			"\nNoIdempotencyKey: is set beside FiringPath; remove one of them"},
		{"no key needed", func(t *lambdatrigger.Trigger) { t.NoIdempotencyKey = true }, "NoIdempotencyKey: is for InvocationType Event; RequestResponse needs no leave to go without FiringPath"},
		{"path of nothing", func(t *lambdatrigger.Trigger) { t.FiringPath = "a..b" }, `FiringPath: "a..b" is no path of names (letters, digits, _ and -) with dots between them`},
		{"path with an index", func(t *lambdatrigger.Trigger) { t.FiringPath = "a.0" }, `FiringPath: "a.0" is no path of names (letters, digits, _ and -) with dots between them`},
		{"path that appends", func(t *lambdatrigger.Trigger) { t.FiringPath = "a.-1" }, `FiringPath: "a.-1" is no path of names (letters, digits, _ and -) with dots between them`},
		{"path with a query", func(t *lambdatrigger.Trigger) { t.FiringPath = "a.#(b==1)" }, `FiringPath: "a.#(b==1)" is no path of names (letters, digits, _ and -) with dots between them`},
		{"status of another type", func(t *lambdatrigger.Trigger) { t.AllowStatus = []int{202} }, "AllowStatus: lacks 200, which is how Lambda answers RequestResponse"},
		{"status of DryRun", func(t *lambdatrigger.Trigger) {
			t.InvocationType, t.AllowStatus = types.InvocationTypeDryRun, []int{200, 202}
		}, "AllowStatus: lacks 204, which is how Lambda answers DryRun"},
		{"what needs an answer", func(t *lambdatrigger.Trigger) {
			event(t)
			t.FiringPath, t.LogTail, t.RetryTimeouts = "x", true, true
			t.OnFunctionError = func(hearken.Firing, *lambdatrigger.FunctionError) error { return nil }
		}, "LogTail: is for InvocationType RequestResponse; Event does not wait for the function\n" +
			"OnFunctionError: is for InvocationType RequestResponse; Event does not wait for the function\n" +
			"RetryTimeouts: is for InvocationType RequestResponse; Event does not wait for the function"},
		{"all", func(t *lambdatrigger.Trigger) { *t = lambdatrigger.Trigger{InvocationType: types.InvocationTypeEvent} }, "Client: is nil; pass lambda.NewFromConfig(cfg)\n" +
			"FunctionName: is empty; set the function's name or ARN\n" +
			"Payload: is nil; set it, to hearken.PayloadFunc or with triggers/params\n" +
			"FiringPath: is empty, and an Event has no other place for the firing's ID; set it, or NoIdempotencyKey"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trigger := &lambdatrigger.Trigger{Client: new(recorder), FunctionName: "hello", Payload: text("1")}
			tt.change(trigger)
			err := trigger.Validate()
			if tt.want == "" {
				assert.NoError(t, err)
				return
			}
			assert.EqualError(t, err, tt.want)
			var mistake *hearken.ConfigError
			assert.ErrorAs(t, err, &mistake)
		})
	}
}

func TestReads(t *testing.T) {
	d := pod()
	trigger := &lambdatrigger.Trigger{Payload: params.Object{"name": params.Data(d, "body.metadata.name")}}
	reads := trigger.Reads()
	assert.Equal(t, []hearken.Read{{Dependency: d, Path: `Payload["name"]`}}, reads)
	trigger.Payload = params.Data(d, "x").Or(1)
	assert.Equal(t, []hearken.Read{{Dependency: d, Path: "Payload", Optional: true}}, trigger.Reads())
	trigger.Payload = text("1")
	assert.Empty(t, trigger.Reads())
}

// A payload's own Validator may return an error that is no ConfigError, or
// several.
func TestValidateOfAPayload(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errors.New("bad"), "Payload: bad"},
		{errors.Join(&hearken.ConfigError{Path: "A", Msg: "is bad"}, errors.New("worse")), "Payload.A: is bad\nPayload: worse"},
	} {
		trigger := &lambdatrigger.Trigger{Client: new(recorder), FunctionName: "hello", Payload: invalid{tt.err}}
		assert.EqualError(t, trigger.Validate(), tt.want)
	}
}

type invalid struct{ err error }

func (p invalid) Payload(hearken.Firing) ([]byte, error) { return nil, p.err }
func (p invalid) Validate() error                        { return p.err }
