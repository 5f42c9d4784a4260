package eventbridgetrigger_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/hearken-go/hearken/triggers/eventbridgetrigger"
)

// start returns a bus and a trigger that puts events on it, in this process.
func start() (*bus, *eventbridgetrigger.Trigger) {
	service := new(bus)
	return service, &eventbridgetrigger.Trigger{
		Client:     newClient("http://events.test", &http.Client{Transport: awstest.InProcess(service)}),
		Source:     "com.example.ci",
		DetailType: "push",
		Payload:    hearken.PayloadFunc(payload),
	}
}

func TestEvent(t *testing.T) {
	service, trigger := start()
	require.NoError(t, trigger.Validate())
	f := firing(t, `{"branch":"main"}`)
	require.NoError(t, trigger.Fire(t.Context(), f))

	trigger.EventBus = "arn:aws:events:us-east-1:123456789012:event-bus/builds"
	trigger.DetailType = ""
	trigger.DetailTypeFunc = func(f hearken.Firing) (string, error) {
		e, err := f.Event(push())
		return e.Type(), err
	}
	trigger.Resources = []string{"arn:aws:s3:::code"}
	trigger.FiringPath = "meta.firing"
	require.NoError(t, trigger.Validate())
	require.NoError(t, trigger.Fire(t.Context(), f))

	got := service.all()
	require.Len(t, got, 2)
	assert.JSONEq(t, `{"branch":"main","firing":"`+f.ID+`"}`, got[0].Detail)
	assert.JSONEq(t, `{"branch":"main","meta":{"firing":"`+f.ID+`"}}`, got[1].Detail)
	got[0].Detail, got[1].Detail = "", ""
	assert.Equal(t, []entry{
		{Source: "com.example.ci", DetailType: "push"},
		{EventBusName: "arn:aws:events:us-east-1:123456789012:event-bus/builds", Source: "com.example.ci", DetailType: "commit", Resources: []string{"arn:aws:s3:::code"}},
	}, got)
}

func TestEndpoint(t *testing.T) {
	_, trigger := start()
	trigger.EndpointID = "abcde.veo"
	client := new(recorder)
	trigger.Client = client
	require.NoError(t, trigger.Fire(t.Context(), firing(t, `{}`)))
	assert.Equal(t, "abcde.veo", *client.put[0].EndpointId)
}

// recorder is a Client that keeps what it is given and takes it.
type recorder struct{ put []*eventbridge.PutEventsInput }

func (r *recorder) PutEvents(_ context.Context, in *eventbridge.PutEventsInput, _ ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	r.put = append(r.put, in)
	return &eventbridge.PutEventsOutput{Entries: []types.PutEventsResultEntry{{EventId: aws.String("1")}}}, nil
}

func TestWhatIsNoDetail(t *testing.T) {
	service, trigger := start()
	for _, tt := range []struct{ detail, path, want string }{
		{`[1]`, "", "is no JSON object"},
		{`"x"`, "", "is no JSON object"},
		{`{`, "", "is no JSON object"},
		{``, "", "is no JSON object"},
		{`{"meta":"x"}`, "meta.firing", "meta is no object"},
		{`{"a":{"b":[]}}`, "a.b.firing", "a.b is no object"},
		{`{"firing":"a","firing":"b"}`, "", "holds firing twice"},
	} {
		trigger.Payload, trigger.FiringPath = text(tt.detail), tt.path
		err := trigger.Fire(t.Context(), firing(t, `{}`))
		assert.ErrorContains(t, err, "payload: "+tt.want)
		assert.True(t, hearken.IsPermanent(err), tt.detail)
	}
	assert.Empty(t, service.all())
}

func TestErrorsOfFunctions(t *testing.T) {
	service, trigger := start()
	errNone := hearken.Permanent(errors.New("none"))
	trigger.DetailTypeFunc = func(hearken.Firing) (string, error) { return "", errNone }
	err := trigger.Fire(t.Context(), firing(t, `{}`))
	assert.EqualError(t, err, "detail type: none")
	assert.True(t, hearken.IsPermanent(err))
	trigger.Payload = hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return nil, errNone })
	err = trigger.Fire(t.Context(), firing(t, `{}`))
	assert.EqualError(t, err, "payload: none")
	assert.True(t, hearken.IsPermanent(err))
	assert.Empty(t, service.all())
}

// An answer with status 200 is none of success when it says that the event was
// not taken.
func TestEntriesThatFailed(t *testing.T) {
	for _, tt := range []struct {
		code      string
		permanent bool
	}{
		{"InternalFailure", false},
		{"InternalException", false},
		{"ThrottlingException", false},
		{"AccessDeniedException", false},
		{"SomethingNew", false},
		{"InvalidArgument", true},
		{"MalformedDetail", true},
		{"InvalidAccountIdException", true},
		{"NotAuthorizedForSourceException", true},
		{"NotAuthorizedForDetailTypeException", true},
		{"RedactionFailure", true},
		{"ResourceNotFoundException", true},
	} {
		t.Run(tt.code, func(t *testing.T) {
			service, trigger := start()
			trigger.EventBus = "builds"
			service.set(failed(tt.code, "because"), nil)
			err := trigger.Fire(t.Context(), firing(t, `{}`))
			assert.EqualError(t, err, "event bus builds: the event was not taken: "+tt.code+": because")
			assert.Equal(t, tt.permanent, hearken.IsPermanent(err))
			var failure *eventbridgetrigger.EntryError
			require.ErrorAs(t, err, &failure)
			assert.Equal(t, &eventbridgetrigger.EntryError{Code: tt.code, Message: "because"}, failure)
			assert.Len(t, service.all(), 1)
		})
	}
}

func TestAnswersThatSayLittle(t *testing.T) {
	for body, want := range map[string]string{
		`{}`:                                       "event bus default: the answer says nothing of the event",
		`{"FailedEntryCount":1}`:                   "event bus default: the answer says nothing of the event",
		`{"FailedEntryCount":1,"Entries":[{}]}`:    "event bus default: the event was not taken: no code: ",
		`{"Entries":[{"ErrorCode":"X"}]}`:          "event bus default: the event was not taken: X: ",
		`{"FailedEntryCount":0,"Entries":[{}]}`:    "event bus default: the answer says nothing of the event",
		`{"FailedEntryCount":0,"Entries":[{},{}]}`: "event bus default: the answer says nothing of the event",
	} {
		service, trigger := start()
		service.set(&answer{200, body}, nil)
		err := trigger.Fire(t.Context(), firing(t, `{}`))
		assert.EqualError(t, err, want, body)
		assert.False(t, hearken.IsPermanent(err), body)
	}
}

func TestErrorsOfTheService(t *testing.T) {
	for _, tt := range []struct {
		code, message string
		status        int
		permanent     bool
	}{
		{"ValidationException", "Total size of the entries in the request is over the limit.", 400, true},
		{"ResourceNotFoundException", "Event bus builds does not exist.", 400, true},
		{"InvalidParameterValue", "bad", 400, true},
		{"RequestEntityTooLargeException", "too large", 413, true},

		{"ThrottlingException", "Rate exceeded", 400, false},
		{"InternalException", "ours", 500, false},
		{"ServiceUnavailable", "later", 503, false},
		{"ExpiredTokenException", "The security token included in the request is expired", 400, false},
		{"UnrecognizedClientException", "The security token included in the request is invalid.", 400, false},
		{"AccessDeniedException", "is not authorized to perform: events:PutEvents", 400, false},
	} {
		t.Run(tt.code, func(t *testing.T) {
			service, trigger := start()
			service.set(refused(tt.status, tt.code, tt.message), nil)
			err := trigger.Fire(t.Context(), firing(t, `{}`))
			assert.ErrorContains(t, err, "event bus default: ")
			assert.ErrorContains(t, err, tt.message)
			assert.Equal(t, tt.permanent, hearken.IsPermanent(err), err)
			var api smithy.APIError
			require.ErrorAs(t, err, &api)
			assert.Equal(t, tt.code, api.ErrorCode())
			assert.Len(t, service.all(), 1, "the SDK must not retry")
		})
	}
}

func TestTheClientsRetriesAreNotUsed(t *testing.T) {
	service, trigger := start()
	service.set(nil, func(*http.Request) { panic(http.ErrAbortHandler) })
	o := options("http://events.test", &http.Client{Transport: awstest.InProcess(service)})
	o.Retryer = retry.AddWithMaxAttempts(retry.NewStandard(), 9)
	trigger.Client = eventbridge.New(o)
	err := trigger.Fire(t.Context(), firing(t, `{}`))
	assert.Error(t, err)
	assert.False(t, hearken.IsPermanent(err), err)
	assert.Len(t, service.all(), 1)
}

func TestNoCredentials(t *testing.T) {
	_, trigger := start()
	o := options("http://events.test", http.DefaultClient)
	o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("no role is attached")
	})
	trigger.Client = eventbridge.New(o)
	err := trigger.Fire(t.Context(), firing(t, `{}`))
	assert.ErrorContains(t, err, "no role is attached")
	assert.False(t, hearken.IsPermanent(err), "they may come")
}

var _ eventbridgetrigger.Client = (*eventbridge.Client)(nil)
