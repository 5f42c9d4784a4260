package sqstrigger_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/assert"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/hearken-go/hearken/triggers/sqstrigger"
)

func TestValidate(t *testing.T) {
	const attribute = " is no name of an attribute: letters, digits, _, - and dots within, and no prefix of AWS or Amazon"
	for _, tt := range []struct {
		name   string
		change func(*sqstrigger.Trigger)
		want   string // empty: valid
	}{
		{"least", func(*sqstrigger.Trigger) {}, ""},
		{"FIFO", func(t *sqstrigger.Trigger) { t.QueueURL += ".fifo"; t.Group = group }, ""},
		{"a local server", func(t *sqstrigger.Trigger) { t.QueueURL = "http://127.0.0.1:9324/000000000000/q" }, ""},
		{"delay", func(t *sqstrigger.Trigger) { t.Delay = 15 * time.Minute }, ""},
		{"attribute", func(t *sqstrigger.Trigger) { t.FiringAttribute = "my.firing-Id_2" }, ""},

		{"no client", func(t *sqstrigger.Trigger) { t.Client = nil }, "Client: is nil; pass sqs.NewFromConfig(cfg)"},
		{"nil client", func(t *sqstrigger.Trigger) { t.Client = (*sqs.Client)(nil) }, "Client: is a nil *sqs.Client; pass sqs.NewFromConfig(cfg)"},
		{"no region", func(t *sqstrigger.Trigger) { t.Client = sqs.New(sqs.Options{}) }, "Client: has no region; set AWS_REGION, or Region of its configuration"},
		{"no queue", func(t *sqstrigger.Trigger) { t.QueueURL = "" }, "QueueURL: is empty; set what GetQueueUrl returns for the queue"},
		{"a name", func(t *sqstrigger.Trigger) { t.QueueURL = "builds" }, `QueueURL: "builds" is no URL of a queue, which is https://sqs.region.amazonaws.com/account/name`},
		{"an ARN", func(t *sqstrigger.Trigger) { t.QueueURL = "arn:aws:sqs:us-east-1:1:builds" }, `QueueURL: "arn:aws:sqs:us-east-1:1:builds" is no URL of a queue, which is https://sqs.region.amazonaws.com/account/name`},
		{"no path", func(t *sqstrigger.Trigger) { t.QueueURL = "https://sqs.eu-west-1.amazonaws.com/" }, `QueueURL: "https://sqs.eu-west-1.amazonaws.com/" is no URL of a queue, which is https://sqs.region.amazonaws.com/account/name`},
		{"FIFO without a group", func(t *sqstrigger.Trigger) { t.QueueURL += ".fifo" }, "Group: is nil, and a FIFO queue takes no message without a group; set it"},
		{"a FIFO queue's name without a group", func(t *sqstrigger.Trigger) { t.QueueURL = "builds.fifo" }, `QueueURL: "builds.fifo" is no URL of a queue, which is https://sqs.region.amazonaws.com/account/name` +
			"\nGroup: is nil, and a FIFO queue takes no message without a group; set it"},
		{"no payload", func(t *sqstrigger.Trigger) { t.Payload = nil }, "Payload: is nil; set it, to hearken.PayloadFunc or with triggers/params"},
		{"payload", func(t *sqstrigger.Trigger) { t.Payload = params.Object{"name": params.Data(nil, "x")} }, `Payload["name"]: the dependency is nil`},
		{"payload's mistakes", func(t *sqstrigger.Trigger) {
			t.Payload = invalid{errors.Join(&hearken.ConfigError{Path: "A", Msg: "is bad"}, errors.New("worse"))}
		}, "Payload.A: is bad\nPayload: worse"},
		{"attribute of AWS", func(t *sqstrigger.Trigger) { t.FiringAttribute = "AWS.x" }, `FiringAttribute: "AWS.x"` + attribute},
		{"attribute of Amazon", func(t *sqstrigger.Trigger) { t.FiringAttribute = "amazon.x" }, `FiringAttribute: "amazon.x"` + attribute},
		{"attribute with dots", func(t *sqstrigger.Trigger) { t.FiringAttribute = "a..b" }, `FiringAttribute: "a..b"` + attribute},
		{"attribute with a space", func(t *sqstrigger.Trigger) { t.FiringAttribute = "a b" }, `FiringAttribute: "a b"` + attribute},
		{"long attribute", func(t *sqstrigger.Trigger) { t.FiringAttribute = strings.Repeat("a", 257) }, `FiringAttribute: "` + strings.Repeat("a", 257) + `"` + attribute},
		{"long delay", func(t *sqstrigger.Trigger) { t.Delay = 16 * time.Minute }, "Delay: is 16m0s; it is whole seconds, up to 15m0s"},
		{"part of a second", func(t *sqstrigger.Trigger) { t.Delay = time.Millisecond }, "Delay: is 1ms; it is whole seconds, up to 15m0s"},
		{"before", func(t *sqstrigger.Trigger) { t.Delay = -time.Second }, "Delay: is -1s; it is whole seconds, up to 15m0s"},
		{"delay of FIFO", func(t *sqstrigger.Trigger) { t.QueueURL += ".fifo"; t.Group = group; t.Delay = time.Second }, "Delay: is set for a FIFO queue, which delays all messages or none; set it there"},
		{"all", func(t *sqstrigger.Trigger) { *t = sqstrigger.Trigger{FiringAttribute: "?"} }, "Client: is nil; pass sqs.NewFromConfig(cfg)\n" +
			"QueueURL: is empty; set what GetQueueUrl returns for the queue\n" +
			"Payload: is nil; set it, to hearken.PayloadFunc or with triggers/params\n" +
			`FiringAttribute: "?"` + attribute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trigger := &sqstrigger.Trigger{
				Client:   newClient("http://sqs.test", nil),
				QueueURL: "https://sqs.eu-west-1.amazonaws.com/123456789012/builds",
				Payload:  text("x"),
			}
			tt.change(trigger)
			err := trigger.Validate()
			if tt.want == "" {
				assert.NoError(t, err)
				return
			}
			assert.EqualError(t, err, tt.want)
		})
	}
}

type invalid struct{ err error }

func (p invalid) Payload(hearken.Firing) ([]byte, error) { return nil, p.err }
func (p invalid) Validate() error                        { return p.err }

func TestReads(t *testing.T) {
	d := push()
	trigger := &sqstrigger.Trigger{Payload: params.Object{"name": params.Data(d, "body.name")}}
	assert.Equal(t, []hearken.Read{{Dependency: d, Path: `Payload["name"]`}}, trigger.Reads())
	trigger.Payload = text("x")
	assert.Empty(t, trigger.Reads())
}
