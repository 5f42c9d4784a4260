package lambdatrigger_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/lambdatrigger"
)

// text is a payload that is always the same.
func text(s string) hearken.Payload {
	return hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return []byte(s), nil })
}

func TestRequest(t *testing.T) {
	f := firing(t, `{}`)
	custom := base64.StdEncoding.EncodeToString([]byte(`{"custom":{"firing":"` + f.ID + `"}}`))
	hello, live, tail := "hello", "live", types.LogTypeTail
	for _, tt := range []struct {
		name    string
		trigger *lambdatrigger.Trigger
		want    lambda.InvokeInput
	}{
		{"RequestResponse", &lambdatrigger.Trigger{}, lambda.InvokeInput{FunctionName: &hello, InvocationType: "RequestResponse", ClientContext: &custom, Payload: []byte(`{"a":1}`)}},
		{"all", &lambdatrigger.Trigger{Qualifier: "live", LogTail: true, FiringPath: "x.y"}, lambda.InvokeInput{
			FunctionName: &hello, Qualifier: &live, InvocationType: "RequestResponse", ClientContext: &custom, LogType: tail,
			Payload: []byte(`{"a":1,"x":{"y":"` + f.ID + `"}}`),
		}},
		{"Event", &lambdatrigger.Trigger{InvocationType: types.InvocationTypeEvent, FiringPath: "a"}, lambda.InvokeInput{FunctionName: &hello, InvocationType: "Event", Payload: []byte(`{"a":"` + f.ID + `"}`)}},
		{"DryRun", &lambdatrigger.Trigger{InvocationType: types.InvocationTypeDryRun}, lambda.InvokeInput{FunctionName: &hello, InvocationType: "DryRun", Payload: []byte(`{"a":1}`)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := new(recorder)
			trigger := tt.trigger
			trigger.Client, trigger.FunctionName, trigger.Payload = client, "hello", text(`{"a":1}`)
			require.NoError(t, trigger.Validate())
			require.NoError(t, trigger.Fire(t.Context(), f))
			require.Len(t, client.asked, 1)
			assert.Equal(t, &tt.want, client.asked[0])
		})
	}
}

func TestFiringPathHasNoPlace(t *testing.T) {
	for payload, path := range map[string]string{
		`[1]`: "firing", `"text"`: "firing", `{`: "firing", ``: "firing", `null`: "firing",
		`{"a":"text"}`: "a.firing", `{"a":{"b":[]}}`: "a.b.firing", `{"a":null}`: "a.firing",
	} {
		client := new(recorder)
		trigger := &lambdatrigger.Trigger{Client: client, FunctionName: "hello", Payload: text(payload), FiringPath: path}
		err := trigger.Fire(t.Context(), firing(t, `{}`))
		assert.ErrorContains(t, err, "object that the firing's ID could be put into", payload)
		assert.True(t, hearken.IsPermanent(err), payload)
		assert.Empty(t, client.asked, payload)
	}
}

func TestFiringPathTwice(t *testing.T) {
	for _, payload := range []string{
		`{"firing":"a","firing":"b"}`, `{"fir\u0069ng":"a","firing":"b"}`, `{"firing":"a","x":{},"fir\u0069ng":"b"}`, `{"fir\u0069ng":"a"}`,
	} {
		client := new(recorder)
		trigger := &lambdatrigger.Trigger{Client: client, FunctionName: "hello", Payload: text(payload), FiringPath: "firing"}
		err := trigger.Fire(t.Context(), firing(t, `{}`))
		if err != nil {
			assert.ErrorContains(t, err, "holds firing twice", payload)
			assert.True(t, hearken.IsPermanent(err), payload)
			continue
		}
		assertKey(t, client, firing(t, `{}`).ID)
	}
}

// assertKey checks that each kind of reader finds a key in what was sent last.
func assertKey(t *testing.T, client *recorder, id string) {
	t.Helper()
	sent := client.asked[len(client.asked)-1].Payload
	var last map[string]any
	assert.NoError(t, json.Unmarshal(sent, &last), "%s", sent)
	assert.Equal(t, id, last["firing"], "%s", sent)
	assert.Equal(t, id, gjson.GetBytes(sent, "firing").Str, "%s", sent)
}

// Whatever the payload is, the function finds the firing's ID in it, or nothing
// is sent.
func FuzzFiringPath(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1}`, `{"firing":{"firing":1}}`, `{"firing":1,"firing":2}`, `{"fir\u0069ng":"x"}`, ` { } `, `[]`, `{"":{}}`} {
		f.Add(seed)
	}
	fired := firing(f, `{}`)
	f.Fuzz(func(t *testing.T, payload string) {
		client := new(recorder)
		trigger := &lambdatrigger.Trigger{Client: client, FunctionName: "hello", Payload: text(payload), FiringPath: "firing"}
		if err := trigger.Fire(t.Context(), fired); err == nil {
			assertKey(t, client, fired.ID)
		}
	})
}

func TestSharedPayloadIsNotChanged(t *testing.T) {
	shared := []byte(`{"firing":"00000000000000000000000000000000"}`)
	before := string(shared)
	trigger := &lambdatrigger.Trigger{
		Client: new(recorder), FunctionName: "hello", FiringPath: "firing",
		Payload: hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return shared, nil }),
	}
	require.NoError(t, trigger.Fire(t.Context(), firing(t, `{}`)))
	assert.Equal(t, before, string(shared))
}

func TestMaxPayload(t *testing.T) {
	for _, tt := range []struct {
		name string
		size int
		max  int
		typ  types.InvocationType
		ok   bool
	}{
		{"6 MiB", 6 << 20, 0, "", true},
		{"more", 6<<20 + 1, 0, "", false},
		{"1 MiB in an Event", 1 << 20, 0, types.InvocationTypeEvent, true},
		{"more in an Event", 1<<20 + 1, 0, types.InvocationTypeEvent, false},
		{"raised", 7 << 20, 8 << 20, "", true},
		{"lowered", 101, 100, "", false},
		{"none", 7 << 20, -1, types.InvocationTypeEvent, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := new(recorder)
			trigger := &lambdatrigger.Trigger{
				Client: client, FunctionName: "hello", InvocationType: tt.typ, MaxPayload: tt.max,
				NoIdempotencyKey: tt.typ != "", Payload: text(strings.Repeat("1", tt.size)),
			}
			require.NoError(t, trigger.Validate())
			err := trigger.Fire(t.Context(), firing(t, `{}`))
			if tt.ok {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, "MaxPayload")
			assert.True(t, hearken.IsPermanent(err))
			assert.Empty(t, client.asked)
		})
	}
}

func TestErrorOfThePayload(t *testing.T) {
	errNone := errors.New("none")
	client := new(recorder)
	trigger := &lambdatrigger.Trigger{Client: client, FunctionName: "hello"}
	for _, want := range []error{errNone, hearken.Permanent(errNone)} {
		trigger.Payload = hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return nil, want })
		err := trigger.Fire(t.Context(), firing(t, `{}`))
		assert.ErrorIs(t, err, errNone)
		assert.Equal(t, hearken.IsPermanent(want), hearken.IsPermanent(err))
	}
	assert.Empty(t, client.asked)
}

func TestAllowStatus(t *testing.T) {
	trigger := &lambdatrigger.Trigger{Client: new(recorder), FunctionName: "hello", Payload: text("1"), AllowStatus: []int{200}}
	assert.NoError(t, trigger.Fire(t.Context(), firing(t, `{}`)))
	trigger.AllowStatus = []int{202}
	err := trigger.Fire(t.Context(), firing(t, `{}`))
	assert.ErrorContains(t, err, "status 200 is not allowed")
	assert.True(t, hearken.IsPermanent(err))
}

func TestAttemptTimeout(t *testing.T) {
	assert.Equal(t, 15*time.Minute+30*time.Second, new(lambdatrigger.Trigger).AttemptTimeout())
}

func TestFunctionErrorText(t *testing.T) {
	for _, tt := range []struct{ payload, log, want string }{
		{`{"errorType":"E","errorMessage":"m"}`, "", `lambda function hello failed (Handled): E: m`},
		{`{"errorMessage":"m"}`, "", `lambda function hello failed (Handled): m`},
		{`{"errorType":7}`, "", `lambda function hello failed (Handled): {"errorType":7}`},
		{`plain`, "", `lambda function hello failed (Handled): plain`},
		{`{"errorType":"` + strings.Repeat("T", 5000) + `","errorMessage":"m"}`, "", `lambda function hello failed (Handled): ` + strings.Repeat("T", 512) + `: m`},
		{``, "a\n\xffb\n", `lambda function hello failed (Handled): ; log: "a\nb"`},
		{strings.Repeat("é", 600), strings.Repeat("x", 4096), `lambda function hello failed (Handled): ` + strings.Repeat("é", 256) + `; log: "` + strings.Repeat("x", 512) + `"`},
	} {
		kind, log := "Handled", base64.StdEncoding.EncodeToString([]byte(tt.log))
		trigger := &lambdatrigger.Trigger{FunctionName: "hello", Payload: text("1"), LogTail: true, Client: fake(func(*lambda.InvokeInput) (*lambda.InvokeOutput, error) {
			return &lambda.InvokeOutput{StatusCode: 200, FunctionError: &kind, LogResult: &log, Payload: []byte(tt.payload)}, nil
		})}
		assert.EqualError(t, trigger.Fire(t.Context(), firing(t, `{}`)), tt.want)
	}
}

// What answers otherwise than Lambda documents fails no worse.
func TestOddAnswers(t *testing.T) {
	unhandled := "Unhandled"
	for _, tt := range []struct {
		name string
		out  lambda.InvokeOutput
		want string
	}{
		{"a log that is not base64", lambda.InvokeOutput{StatusCode: 200, FunctionError: &unhandled, LogResult: aws.String("START \u00e9"), Payload: []byte(`{"errorMessage":"m"}`)}, "lambda function hello failed (Unhandled): m"},
		{"a failure that says nothing", lambda.InvokeOutput{StatusCode: 200, FunctionError: &unhandled}, "lambda function hello failed (Unhandled): "},
		{"a failure of no kind", lambda.InvokeOutput{StatusCode: 200, FunctionError: aws.String(""), Payload: []byte(`null`)}, "lambda function hello failed (Unhandled): null"},
		{"a failure with another status", lambda.InvokeOutput{StatusCode: 500, FunctionError: &unhandled, Payload: []byte(`[]`)}, "lambda function hello failed (Unhandled): []"},
		{"no status", lambda.InvokeOutput{}, "lambda function hello: status 0 is not allowed"},
		{"the status of a redirect", lambda.InvokeOutput{StatusCode: 302}, "lambda function hello: status 302 is not allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trigger := &lambdatrigger.Trigger{FunctionName: "hello", Payload: text("1"), LogTail: true, Client: fake(func(*lambda.InvokeInput) (*lambda.InvokeOutput, error) {
				return &tt.out, nil
			})}
			assert.EqualError(t, trigger.Fire(t.Context(), firing(t, `{}`)), tt.want)
		})
	}
}

func TestNoPayload(t *testing.T) {
	client := new(recorder)
	trigger := &lambdatrigger.Trigger{Client: client, FunctionName: "hello", Payload: hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return nil, nil })}
	require.NoError(t, trigger.Fire(t.Context(), firing(t, `{}`)), "Lambda gives the function an empty object")
	assert.Empty(t, client.asked[0].Payload)
	trigger.FiringPath = "firing"
	err := trigger.Fire(t.Context(), firing(t, `{}`))
	assert.True(t, hearken.IsPermanent(err), err)
	assert.Len(t, client.asked, 1)
}

func TestFailuresBeforeASuccessDoNotCount(t *testing.T) {
	kind := "Unhandled"
	out := &lambda.InvokeOutput{StatusCode: 200}
	trigger := &lambdatrigger.Trigger{FunctionName: "hello", Payload: text("1"), Client: fake(func(*lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		return out, nil
	})}
	f := firing(t, `{}`)
	for _, failure := range []*string{&kind, &kind, nil, &kind, &kind} {
		out.FunctionError = failure
		err := trigger.Fire(t.Context(), f)
		assert.Equal(t, failure != nil, err != nil)
		assert.False(t, hearken.IsPermanent(err))
	}
}
