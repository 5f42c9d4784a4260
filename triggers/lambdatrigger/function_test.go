package lambdatrigger_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/lambdatest"
	"github.com/hearken-go/hearken/triggers/lambdatrigger"
)

// The tests of this file run a real handler of aws-lambda-go on the emulator.

func TestFunctionAnswers(t *testing.T) {
	e := start(t, time.Minute)
	var got output
	trigger := &lambdatrigger.Trigger{
		Client: newClient(t, e.URL), FunctionName: "hello", Qualifier: "live", Payload: hearken.PayloadFunc(payload),
		Check: func(_ hearken.Firing, out *lambda.InvokeOutput) error {
			assert.Equal(t, "live", *out.ExecutedVersion)
			return json.Unmarshal(out.Payload, &got)
		},
	}
	require.NoError(t, trigger.Validate())
	f := firing(t, `{"name":"my-pod"}`)
	require.NoError(t, trigger.Fire(t.Context(), f))
	assert.Equal(t, output{"hello my-pod", map[string]string{"firing": f.ID}, "arn:aws:lambda:us-east-1:123456789012:function:hello:live"}, got)
}

func TestFunctionFails(t *testing.T) {
	patient, hurried := start(t, time.Minute), start(t, 5*time.Second)
	for _, tt := range []struct {
		do, typ, message, log string
	}{
		{"fail", "errorString", "no luck", "asked to fail"},
		{"be sad", "sadError", "I am sad", "asked to be sad"},
		{"panic", "string", "oh", "asked to panic"},
		{"die", "Runtime.ExitError", "Runtime exited with error: exit status 2", "asked to die"},
		{"hang", "Sandbox.Timedout", "Task timed out after 5.00 seconds", "asked to hang"},
	} {
		t.Run(tt.do, func(t *testing.T) {
			e := patient
			if tt.do == "hang" {
				e = hurried
			}
			trigger := &lambdatrigger.Trigger{
				Client: newClient(t, e.URL), FunctionName: "hello", Payload: hearken.PayloadFunc(payload), LogTail: true,
			}
			f := firing(t, `{"do":"`+tt.do+`"}`)
			err := trigger.Fire(t.Context(), f)
			assert.False(t, hearken.IsPermanent(err))
			var failure *lambdatrigger.FunctionError
			require.ErrorAs(t, err, &failure)
			assert.Equal(t, "hello", failure.Function)
			assert.Equal(t, "Unhandled", failure.Kind)
			assert.Equal(t, tt.typ, failure.Type)
			assert.Contains(t, failure.Message, tt.message)
			assert.Contains(t, failure.Log, tt.log)
			assert.ErrorContains(t, err, "lambda function hello failed (Unhandled): "+tt.typ+": ")
			assert.ErrorContains(t, err, tt.message)
		})
	}
}

func TestFunctionErrorIsRetriedTwice(t *testing.T) {
	e := start(t, time.Minute)
	trigger := &lambdatrigger.Trigger{Client: newClient(t, e.URL), FunctionName: "hello", Payload: hearken.PayloadFunc(payload)}
	f, other := firing(t, `{"do":"fail"}`), firing(t, `{"do":"be sad"}`)
	for n, want := range []bool{false, false, true, false, false, true} {
		if n == 1 {
			// What is no failure of the function does not count.
			e.Refuse(func(lambdatest.Invocation) *lambdatest.Error { return lambdatest.Throttled(0) })
			for range 5 {
				f.Attempt++
				assert.False(t, hearken.IsPermanent(trigger.Fire(t.Context(), f)))
			}
			e.Refuse(nil)
			assert.False(t, hearken.IsPermanent(trigger.Fire(t.Context(), other)), "another firing")
		}
		f.Attempt++
		err := trigger.Fire(t.Context(), f)
		require.Error(t, err)
		assert.Equal(t, want, hearken.IsPermanent(err), n)
	}
}

func TestOnFunctionError(t *testing.T) {
	e := start(t, time.Minute)
	errGiveUp := errors.New("no use")
	trigger := &lambdatrigger.Trigger{
		Client: newClient(t, e.URL), FunctionName: "hello", Payload: hearken.PayloadFunc(payload),
		OnFunctionError: func(_ hearken.Firing, e *lambdatrigger.FunctionError) error {
			switch e.Type {
			case "sadError":
				return hearken.Permanent(errGiveUp)
			case "string":
				return nil
			}
			return e
		},
	}
	err := trigger.Fire(t.Context(), firing(t, `{"do":"be sad"}`))
	assert.ErrorIs(t, err, errGiveUp)
	assert.True(t, hearken.IsPermanent(err))
	assert.NoError(t, trigger.Fire(t.Context(), firing(t, `{"do":"panic"}`)))
	for range 5 {
		err = trigger.Fire(t.Context(), firing(t, `{"do":"fail"}`))
		assert.ErrorContains(t, err, "no luck")
		assert.False(t, hearken.IsPermanent(err))
	}
}

func TestNoJSON(t *testing.T) {
	e := start(t, time.Minute)
	trigger := &lambdatrigger.Trigger{Client: newClient(t, e.URL), FunctionName: "hello", Payload: hearken.PayloadFunc(payload)}
	assert.NoError(t, trigger.Fire(t.Context(), firing(t, `{"do":"say no JSON"}`)), "an answer need not be JSON")

	trigger.Check = func(_ hearken.Firing, out *lambda.InvokeOutput) error {
		var answer any
		return json.Unmarshal(out.Payload, &answer)
	}
	err := trigger.Fire(t.Context(), firing(t, `{"do":"say no JSON"}`))
	assert.ErrorContains(t, err, "lambda function hello: invalid character")
	assert.False(t, hearken.IsPermanent(err))
}

func TestEventAndDryRun(t *testing.T) {
	e := start(t, time.Minute)
	f := firing(t, `{"do":"greet"}`)
	event := &lambdatrigger.Trigger{
		Client: newClient(t, e.URL), FunctionName: "hello", Payload: hearken.PayloadFunc(payload),
		InvocationType: types.InvocationTypeEvent, FiringPath: "meta.firing",
	}
	dry := &lambdatrigger.Trigger{
		Client: event.Client, FunctionName: "hello", Payload: event.Payload, InvocationType: types.InvocationTypeDryRun,
	}
	var statuses []int32
	check := func(_ hearken.Firing, out *lambda.InvokeOutput) error {
		statuses = append(statuses, out.StatusCode)
		return nil
	}
	for _, trigger := range []*lambdatrigger.Trigger{event, dry} {
		trigger.Check = check
		require.NoError(t, trigger.Validate())
		require.NoError(t, trigger.Fire(t.Context(), f))
		assert.Zero(t, trigger.AttemptTimeout())
	}
	assert.Equal(t, []int32{202, 204}, statuses)
	seen := e.Invocations()
	assert.JSONEq(t, `{"do":"greet","meta":{"firing":"`+f.ID+`"}}`, string(seen[0].Payload))
	assert.Equal(t, "DryRun", seen[1].Type)
}

func TestRefusedByTheEmulator(t *testing.T) {
	e := start(t, time.Minute)
	large := func(n int) hearken.Payload {
		return hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) {
			return append(append([]byte{'"'}, make([]byte, n)...), '"'), nil
		})
	}
	for _, tt := range []struct {
		name    string
		trigger *lambdatrigger.Trigger
		want    string
	}{
		{"no such function", &lambdatrigger.Trigger{FunctionName: "missing"}, "Function not found: arn:aws:lambda:us-east-1:123456789012:function:missing"},
		{"no JSON", &lambdatrigger.Trigger{Payload: hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return []byte("{"), nil })}, "InvalidRequestContentException: Could not parse request body into json"},
		{"too large for the service", &lambdatrigger.Trigger{Payload: large(6 << 20), MaxPayload: -1}, "RequestEntityTooLargeException: Request must be smaller than 6291456 bytes"},
		{"too large an Event for the service", &lambdatrigger.Trigger{Payload: large(1 << 20), MaxPayload: 2 << 20, InvocationType: types.InvocationTypeEvent, NoIdempotencyKey: true}, "RequestEntityTooLargeException: 1048578 byte payload is too large for the Event"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trigger := tt.trigger
			trigger.Client = newClient(t, e.URL)
			if trigger.FunctionName == "" {
				trigger.FunctionName = "hello"
			}
			if trigger.Payload == nil {
				trigger.Payload = hearken.PayloadFunc(payload)
			}
			err := trigger.Fire(t.Context(), firing(t, `{}`))
			assert.ErrorContains(t, err, tt.want)
			assert.True(t, hearken.IsPermanent(err))
		})
	}
}
