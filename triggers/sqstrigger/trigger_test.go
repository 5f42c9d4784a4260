package sqstrigger_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/hearken-go/hearken/triggers/sqstrigger"
)

// start returns an SQS with the queue name, and a trigger that sends to it.
func start(t *testing.T, name string) (*awstest.SQS, *recorder, *sqstrigger.Trigger) {
	t.Helper()
	service, seen := new(awstest.SQS), new(recorder)
	service.Intercept(func(_ context.Context, c awstest.Call, next func() error) error {
		if err := seen.add(c.Input); err != nil {
			return err
		}
		return next()
	})
	return service, seen, &sqstrigger.Trigger{
		Client:   newClient("http://sqs.test", service.Client()),
		QueueURL: service.CreateQueue(name, nil),
		Payload:  hearken.PayloadFunc(payload),
	}
}

func str(s string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &s}
}

func TestMessage(t *testing.T) {
	_, seen, trigger := start(t, "builds")
	trigger.Group = group
	trigger.Delay = 90 * time.Second
	trigger.FiringAttribute = "hearken.firing"
	trigger.Attributes = func(f hearken.Firing) (map[string]types.MessageAttributeValue, error) {
		return map[string]types.MessageAttributeValue{"sensor": str(f.Sensor)}, nil
	}
	require.NoError(t, trigger.Validate())
	f := firing(t, `{"branch":"main"}`)
	require.NoError(t, trigger.Fire(t.Context(), f))
	got := seen.all()
	require.Len(t, got, 1)
	assert.Equal(t, trigger.QueueURL, got[0].QueueUrl)
	assert.JSONEq(t, `{"branch":"main"}`, got[0].MessageBody)
	assert.Equal(t, "g", got[0].MessageGroupId)
	assert.Equal(t, 90, got[0].DelaySeconds)
	assert.Empty(t, got[0].MessageDeduplicationId, "a standard queue takes none")
	require.Len(t, got[0].MessageAttributes, 2)
	assert.Equal(t, f.ID, got[0].MessageAttributes["hearken.firing"].StringValue)
	assert.Equal(t, "String", got[0].MessageAttributes["hearken.firing"].DataType)
	assert.Equal(t, f.Sensor, got[0].MessageAttributes["sensor"].StringValue)
}

func TestAnApplicationsAttributesAreNotChanged(t *testing.T) {
	_, _, trigger := start(t, "builds")
	shared := map[string]types.MessageAttributeValue{"a": str("b")}
	trigger.Attributes = func(hearken.Firing) (map[string]types.MessageAttributeValue, error) { return shared, nil }
	require.NoError(t, trigger.Fire(t.Context(), firing(t, `{}`)))
	assert.Len(t, shared, 1)
}

func TestFIFO(t *testing.T) {
	service, seen, trigger := start(t, "builds.fifo")
	trigger.Group = func(f hearken.Firing) (string, error) {
		e, err := f.Event(push())
		return e.Source(), err
	}
	require.NoError(t, trigger.Validate())
	f, other := firing(t, `{"n":1}`), firing(t, `{"n":2}`)
	for _, f := range []hearken.Firing{f, f, other, f} {
		require.NoError(t, trigger.Fire(t.Context(), f))
	}
	assert.Len(t, service.Messages("builds.fifo"), 2, "what is fired again is dropped")
	got := seen.all()
	assert.Equal(t, "git", got[0].MessageGroupId)
	sum := sha256.Sum256([]byte("hearken firing " + f.ID))
	assert.Equal(t, hex.EncodeToString(sum[:]), got[0].MessageDeduplicationId)
	assert.Equal(t, got[0].MessageDeduplicationId, got[1].MessageDeduplicationId)
	assert.NotEqual(t, got[0].MessageDeduplicationId, got[2].MessageDeduplicationId)
	assert.Equal(t, f.ID, got[0].MessageAttributes["firing"].StringValue, "for what comes after five minutes")
}

func TestErrorsOfFunctions(t *testing.T) {
	service, _, trigger := start(t, "builds")
	errNone := errors.New("none")
	for name, change := range map[string]func(){
		"payload: none": func() {
			trigger.Payload = hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return nil, hearken.Permanent(errNone) })
		},
		"group: none": func() {
			trigger.Group = func(hearken.Firing) (string, error) { return "", hearken.Permanent(errNone) }
		},
		"attributes: none": func() {
			trigger.Attributes = func(hearken.Firing) (map[string]types.MessageAttributeValue, error) {
				return nil, hearken.Permanent(errNone)
			}
		},
	} {
		trigger.Payload, trigger.Group, trigger.Attributes = text("x"), nil, nil
		change()
		err := trigger.Fire(t.Context(), firing(t, `{}`))
		assert.EqualError(t, err, name)
		assert.True(t, hearken.IsPermanent(err))
	}
	assert.Zero(t, service.Calls("SendMessage"))
}

func TestText(t *testing.T) {
	service, _, trigger := start(t, "builds")
	for _, body := range []string{"{\"a\":\"é\"}\n", "\t\r\n ", "𝄞", "\ufffd", " "} {
		trigger.Payload = text(body)
		assert.NoError(t, trigger.Fire(t.Context(), firing(t, `{}`)), "%q", body)
	}
	got := service.Messages("builds")
	require.Len(t, got, 5)
	assert.Equal(t, "\ufffd", got[3].Body)
	for _, body := range []string{"\xff", "a\x00", "\x1b[1m", "\ufffe", "\uffff", "\xed\xa0\x80"} {
		trigger.Payload = text(body)
		err := trigger.Fire(t.Context(), firing(t, `{}`))
		assert.ErrorContains(t, err, "is no text", "%q", body)
		assert.True(t, hearken.IsPermanent(err), "%q", body)
	}
	assert.Len(t, service.Messages("builds"), 5)
}

func TestServicesRefusals(t *testing.T) {
	service, _, trigger := start(t, "builds")
	for _, tt := range []struct {
		name, url, body, want string
	}{
		{"no such queue", "http://sqs.test/000000000000/missing", "x", "The specified queue does not exist"},
		{"too large", trigger.QueueURL, strings.Repeat("x", 2<<20), "Message must be shorter than"},
		{"empty", trigger.QueueURL, "", "must contain the parameter MessageBody"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trigger.QueueURL, trigger.Payload = tt.url, text(tt.body)
			err := trigger.Fire(t.Context(), firing(t, `{}`))
			assert.ErrorContains(t, err, "sqs queue "+tt.url+": ")
			assert.ErrorContains(t, err, tt.want)
			assert.True(t, hearken.IsPermanent(err))
		})
	}
	assert.Empty(t, service.Messages("builds"))
}

// Each error is said as the JSON protocol says it, with the name that the query
// protocol had for it beside.
func TestErrorsOfTheService(t *testing.T) {
	for _, tt := range []struct {
		code, query string
		status      int
		as          any // the SDK's type; nil: it has none
		permanent   bool
	}{
		{"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400, new(*types.QueueDoesNotExist), true},
		{"InvalidMessageContents", "", 400, new(*types.InvalidMessageContents), true},
		{"InvalidParameterValueException", "InvalidParameterValue", 400, nil, true},
		{"InvalidAddress", "", 404, new(*types.InvalidAddress), true},
		{"InvalidSecurity", "", 403, new(*types.InvalidSecurity), true},
		{"UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", 400, new(*types.UnsupportedOperation), true},
		{"ValidationException", "", 400, nil, true},
		{"RequestEntityTooLargeException", "RequestEntityTooLarge", 413, nil, true},

		{"RequestThrottled", "", 400, new(*types.RequestThrottled), false},
		{"ThrottlingException", "", 400, nil, false},
		{"KmsThrottled", "KMS.ThrottlingException", 400, new(*types.KmsThrottled), false},
		{"KmsDisabled", "KMS.DisabledException", 400, new(*types.KmsDisabled), false},
		{"ExpiredTokenException", "", 403, nil, false},
		{"UnrecognizedClientException", "", 403, nil, false},
		{"InvalidClientTokenId", "", 403, nil, false},
		{"RequestExpired", "", 400, nil, false},
		{"AccessDeniedException", "AccessDenied", 403, nil, false},
		{"InternalFailure", "", 500, nil, false},
		{"ServiceUnavailable", "", 503, nil, false},
	} {
		t.Run(tt.code, func(t *testing.T) {
			service, _, trigger := start(t, "builds")
			service.Intercept(func(context.Context, awstest.Call, func() error) error {
				return &awstest.Error{Status: tt.status, Code: tt.code, QueryCode: tt.query, Message: "because"}
			})
			err := trigger.Fire(t.Context(), firing(t, `{}`))
			assert.ErrorContains(t, err, "because")
			assert.Equal(t, tt.permanent, hearken.IsPermanent(err), err)
			var api smithy.APIError
			require.ErrorAs(t, err, &api)
			if tt.as != nil {
				assert.ErrorAs(t, err, tt.as)
			}
			assert.Equal(t, 1, service.Calls("SendMessage"), "the SDK must not retry")
		})
	}
}

func TestTheClientsRetriesAreNotUsed(t *testing.T) {
	service, _, trigger := start(t, "builds")
	service.Intercept(func(context.Context, awstest.Call, func() error) error { return awstest.ErrLost })
	o := options("http://sqs.test", service.Client())
	o.Retryer = retry.AddWithMaxAttempts(retry.NewStandard(), 9)
	trigger.Client = sqs.New(o)
	err := trigger.Fire(t.Context(), firing(t, `{}`))
	assert.Error(t, err)
	assert.False(t, hearken.IsPermanent(err), err)
	assert.Equal(t, 1, service.Calls("SendMessage"))
}

// An answer that is lost leads to the same message again, which a FIFO queue
// drops.
func TestLostAnswer(t *testing.T) {
	service, _, trigger := start(t, "builds.fifo")
	trigger.Group = group
	service.Intercept(func(_ context.Context, c awstest.Call, next func() error) error {
		if err := next(); err != nil || c.Number > 1 {
			return err
		}
		return awstest.ErrLost
	})
	f := firing(t, `{}`)
	assert.Error(t, trigger.Fire(t.Context(), f))
	f.Attempt++
	assert.NoError(t, trigger.Fire(t.Context(), f))
	assert.Len(t, service.Messages("builds.fifo"), 1)
}

func TestNoCredentials(t *testing.T) {
	service, _, trigger := start(t, "builds")
	o := options("http://sqs.test", service.Client())
	o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("no role is attached")
	})
	trigger.Client = sqs.New(o)
	err := trigger.Fire(t.Context(), firing(t, `{}`))
	assert.ErrorContains(t, err, "no role is attached")
	assert.False(t, hearken.IsPermanent(err), "they may come")
}

var _ sqstrigger.Client = (*sqs.Client)(nil)

// broken is a client that says of an attempt that was cut short what it saw.
type broken struct{}

func (broken) SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	return nil, errors.New("broken pipe")
}

func TestAnAttemptThatWasCutShortSaysSo(t *testing.T) {
	_, _, trigger := start(t, "builds")
	trigger.Client = broken{}
	ctx, cancel := context.WithCancel(t.Context())
	trigger.Payload = hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) {
		cancel()
		return []byte("x"), nil
	})
	err := trigger.Fire(ctx, firing(t, `{}`))
	assert.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "broken pipe")
	assert.False(t, hearken.IsPermanent(err))
}
