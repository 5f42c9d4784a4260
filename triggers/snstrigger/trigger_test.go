package snstrigger_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/hearken-go/hearken/triggers/snstrigger"
)

// start returns a topic and a trigger that publishes to it, in this process.
func start() (*topic, *snstrigger.Trigger) {
	service := new(topic)
	return service, &snstrigger.Trigger{
		Client:   newClient("http://sns.test", &http.Client{Transport: awstest.InProcess(service)}),
		TopicARN: topicARN,
		Payload:  hearken.PayloadFunc(payload),
	}
}

func str(s string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &s}
}

func TestMessage(t *testing.T) {
	service, trigger := start()
	require.NoError(t, trigger.Validate())
	f := firing(t, `{"branch":"main"}`)
	require.NoError(t, trigger.Fire(t.Context(), f))
	trigger.JSON = true
	trigger.Payload = text(`{"default":"é"}`)
	trigger.Subject = func(f hearken.Firing) (string, error) { return "about " + f.Sensor, nil }
	trigger.Group = group
	trigger.FiringAttribute = "hearken.firing"
	trigger.Attributes = func(f hearken.Firing) (map[string]types.MessageAttributeValue, error) {
		return map[string]types.MessageAttributeValue{"sensor": str(f.Sensor)}, nil
	}
	require.NoError(t, trigger.Validate())
	require.NoError(t, trigger.Fire(t.Context(), f))

	got := service.all()
	require.Len(t, got, 2)
	assert.Equal(t, "Publish", got[0].Get("Action"))
	assert.Equal(t, topicARN, got[0].Get("TopicArn"))
	assert.JSONEq(t, `{"branch":"main"}`, got[0].Get("Message"))
	assert.Equal(t, "String:"+f.ID, attribute(got[0], "firing"))
	for _, name := range []string{"Subject", "MessageStructure", "MessageGroupId", "MessageDeduplicationId"} {
		assert.NotContains(t, got[0], name)
	}
	assert.Equal(t, `{"default":"é"}`, got[1].Get("Message"))
	assert.Equal(t, "json", got[1].Get("MessageStructure"))
	assert.Equal(t, "about sensor", got[1].Get("Subject"))
	assert.Equal(t, "g", got[1].Get("MessageGroupId"))
	assert.Equal(t, "String:"+f.ID, attribute(got[1], "hearken.firing"))
	assert.Equal(t, "String:sensor", attribute(got[1], "sensor"))
	assert.Empty(t, attribute(got[1], "firing"))
}

func TestFIFO(t *testing.T) {
	service, trigger := start()
	trigger.TopicARN += ".fifo"
	trigger.Group = group
	require.NoError(t, trigger.Validate())
	f, other := firing(t, `{"n":1}`), firing(t, `{"n":2}`)
	for _, f := range []hearken.Firing{f, f, other} {
		require.NoError(t, trigger.Fire(t.Context(), f))
	}
	got := service.all()
	sum := sha256.Sum256([]byte("hearken firing " + f.ID))
	assert.Equal(t, hex.EncodeToString(sum[:]), got[0].Get("MessageDeduplicationId"))
	assert.Equal(t, got[0].Get("MessageDeduplicationId"), got[1].Get("MessageDeduplicationId"))
	assert.NotEqual(t, got[0].Get("MessageDeduplicationId"), got[2].Get("MessageDeduplicationId"))
	assert.Equal(t, "String:"+f.ID, attribute(got[0], "firing"), "for what comes after five minutes")
}

func TestErrorsOfFunctions(t *testing.T) {
	service, trigger := start()
	errNone := hearken.Permanent(errors.New("none"))
	fails := func(hearken.Firing) (string, error) { return "", errNone }
	for want, change := range map[string]func(){
		"payload: none": func() {
			trigger.Payload = hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return nil, errNone })
		},
		"subject: none": func() { trigger.Subject = fails },
		"group: none":   func() { trigger.Group = fails },
		"attributes: none": func() {
			trigger.Attributes = func(hearken.Firing) (map[string]types.MessageAttributeValue, error) { return nil, errNone }
		},
		"payload: is no UTF-8, which is all that SNS takes": func() { trigger.Payload = text("\xff") },
	} {
		trigger.Payload, trigger.Subject, trigger.Group, trigger.Attributes = text("x"), nil, nil, nil
		change()
		err := trigger.Fire(t.Context(), firing(t, `{}`))
		assert.EqualError(t, err, want)
		assert.True(t, hearken.IsPermanent(err))
	}
	assert.Empty(t, service.all())
}

func TestErrorsOfTheService(t *testing.T) {
	for _, tt := range []struct {
		code, message string
		status        int
		as            any // the SDK's type; nil: it has none
		permanent     bool
	}{
		{"NotFound", "Topic does not exist", 404, new(*types.NotFoundException), true},
		{"InvalidParameter", "Invalid parameter: Message too long", 400, new(*types.InvalidParameterException), true},
		{"ParameterValueInvalid", "Invalid parameter", 400, new(*types.InvalidParameterValueException), true},
		{"InvalidParameterValue", "bad", 400, nil, true},
		{"ValidationException", "bad", 400, new(*types.ValidationException), true},
		{"RequestEntityTooLarge", "too large", 413, nil, true},
		{"InvalidSecurity", "no TLS", 403, new(*types.InvalidSecurityException), true},
		{"EndpointDisabled", "off", 400, new(*types.EndpointDisabledException), true},
		{"PlatformApplicationDisabled", "off", 400, new(*types.PlatformApplicationDisabledException), true},

		{"Throttling", "Rate exceeded", 400, nil, false},
		{"Throttled", "Rate exceeded", 429, nil, false},
		{"KMSThrottling", "slow", 400, new(*types.KMSThrottlingException), false},
		{"KMSDisabled", "off", 400, new(*types.KMSDisabledException), false},
		{"ExpiredToken", "The security token included in the request is expired", 403, nil, false},
		{"InvalidClientTokenId", "The security token included in the request is invalid.", 403, nil, false},
		{"SignatureDoesNotMatch", "Signature expired", 403, nil, false},
		{"AuthorizationError", "is not authorized to perform: SNS:Publish", 403, new(*types.AuthorizationErrorException), false},
		{"InternalError", "ours", 500, new(*types.InternalErrorException), false},
		{"ServiceUnavailable", "later", 503, nil, false},
	} {
		t.Run(tt.code, func(t *testing.T) {
			service, trigger := start()
			service.set(func() *refusal { return &refusal{tt.status, tt.code, tt.message} }, nil)
			err := trigger.Fire(t.Context(), firing(t, `{}`))
			assert.ErrorContains(t, err, "sns topic "+topicARN+": ")
			assert.ErrorContains(t, err, tt.message)
			assert.Equal(t, tt.permanent, hearken.IsPermanent(err), err)
			var api smithy.APIError
			require.ErrorAs(t, err, &api)
			assert.Equal(t, tt.code, api.ErrorCode())
			if tt.as != nil {
				assert.ErrorAs(t, err, tt.as)
			}
			assert.Len(t, service.all(), 1, "the SDK must not retry")
		})
	}
}

func TestTheClientsRetriesAreNotUsed(t *testing.T) {
	service, trigger := start()
	service.set(nil, func(*http.Request) { panic(http.ErrAbortHandler) })
	o := options("http://sns.test", &http.Client{Transport: awstest.InProcess(service)})
	o.Retryer = retry.AddWithMaxAttempts(retry.NewStandard(), 9)
	trigger.Client = sns.New(o)
	err := trigger.Fire(t.Context(), firing(t, `{}`))
	assert.Error(t, err)
	assert.False(t, hearken.IsPermanent(err), err)
	assert.Len(t, service.all(), 1)
}

func TestNoCredentials(t *testing.T) {
	_, trigger := start()
	o := options("http://sns.test", http.DefaultClient)
	o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("no role is attached")
	})
	trigger.Client = sns.New(o)
	err := trigger.Fire(t.Context(), firing(t, `{}`))
	assert.ErrorContains(t, err, "no role is attached")
	assert.False(t, hearken.IsPermanent(err), "they may come")
}

var _ snstrigger.Client = (*sns.Client)(nil)
