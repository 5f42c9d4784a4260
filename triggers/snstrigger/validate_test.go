package snstrigger_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/assert"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/hearken-go/hearken/triggers/snstrigger"
)

func TestValidate(t *testing.T) {
	const attribute = " is no name of an attribute: letters, digits, _, - and dots within, and no prefix of AWS or Amazon"
	for _, tt := range []struct {
		name   string
		change func(*snstrigger.Trigger)
		want   string // empty: valid
	}{
		{"least", func(*snstrigger.Trigger) {}, ""},
		{"FIFO", func(t *snstrigger.Trigger) { t.TopicARN += ".fifo"; t.Group = group }, ""},
		{"attribute", func(t *snstrigger.Trigger) { t.FiringAttribute = "my.firing-Id_2" }, ""},

		{"no client", func(t *snstrigger.Trigger) { t.Client = nil }, "Client: is nil; pass sns.NewFromConfig(cfg)"},
		{"nil client", func(t *snstrigger.Trigger) { t.Client = (*sns.Client)(nil) }, "Client: is a nil *sns.Client; pass sns.NewFromConfig(cfg)"},
		{"no region", func(t *snstrigger.Trigger) { t.Client = sns.New(sns.Options{}) }, "Client: has no region; set AWS_REGION, or Region of its configuration"},
		{"no topic", func(t *snstrigger.Trigger) { t.TopicARN = "" }, "TopicARN: is empty; set the topic's ARN"},
		{"a name", func(t *snstrigger.Trigger) { t.TopicARN = "builds" }, `TopicARN: "builds" is no ARN of a topic, which is arn:aws:sns:region:account:name`},
		{"a queue", func(t *snstrigger.Trigger) { t.TopicARN = "arn:aws:sqs:us-east-1:1:builds" }, `TopicARN: "arn:aws:sqs:us-east-1:1:builds" is no ARN of a topic, which is arn:aws:sns:region:account:name`},
		{"a subscription", func(t *snstrigger.Trigger) { t.TopicARN += ":1" }, `TopicARN: "` + topicARN + `:1" is no ARN of a topic, which is arn:aws:sns:region:account:name`},
		{"a line break", func(t *snstrigger.Trigger) { t.TopicARN += "\n" }, `TopicARN: "` + topicARN + `\n" is no ARN of a topic, which is arn:aws:sns:region:account:name`},
		{"FIFO without a group", func(t *snstrigger.Trigger) { t.TopicARN += ".fifo" }, "Group: is nil, and a FIFO topic takes no message without a group; set it"},
		{"a FIFO topic's name without a group", func(t *snstrigger.Trigger) { t.TopicARN = "builds.fifo" }, `TopicARN: "builds.fifo" is no ARN of a topic, which is arn:aws:sns:region:account:name` +
			"\nGroup: is nil, and a FIFO topic takes no message without a group; set it"},
		{"no payload", func(t *snstrigger.Trigger) { t.Payload = nil }, "Payload: is nil; set it, to hearken.PayloadFunc or with triggers/params"},
		{"payload", func(t *snstrigger.Trigger) { t.Payload = params.Object{"name": params.Data(nil, "x")} }, `Payload["name"]: the dependency is nil`},
		{"payload's mistakes", func(t *snstrigger.Trigger) {
			t.Payload = invalid{errors.Join(&hearken.ConfigError{Path: "A", Msg: "is bad"}, errors.New("worse"))}
		}, "Payload.A: is bad\nPayload: worse"},
		{"attribute of AWS", func(t *snstrigger.Trigger) { t.FiringAttribute = "AWS.x" }, `FiringAttribute: "AWS.x"` + attribute},
		{"attribute of Amazon", func(t *snstrigger.Trigger) { t.FiringAttribute = "amazon.x" }, `FiringAttribute: "amazon.x"` + attribute},
		{"attribute with dots", func(t *snstrigger.Trigger) { t.FiringAttribute = "a..b" }, `FiringAttribute: "a..b"` + attribute},
		{"attribute with a space", func(t *snstrigger.Trigger) { t.FiringAttribute = "a b" }, `FiringAttribute: "a b"` + attribute},
		{"long attribute", func(t *snstrigger.Trigger) { t.FiringAttribute = strings.Repeat("a", 257) }, `FiringAttribute: "` + strings.Repeat("a", 257) + `"` + attribute},
		{"all", func(t *snstrigger.Trigger) { *t = snstrigger.Trigger{FiringAttribute: "?"} }, "Client: is nil; pass sns.NewFromConfig(cfg)\n" +
			"TopicARN: is empty; set the topic's ARN\n" +
			"Payload: is nil; set it, to hearken.PayloadFunc or with triggers/params\n" +
			`FiringAttribute: "?"` + attribute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trigger := &snstrigger.Trigger{
				Client:   newClient("http://sns.test", nil),
				TopicARN: topicARN,
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
	trigger := &snstrigger.Trigger{Payload: params.Object{"name": params.Data(d, "body.name")}}
	assert.Equal(t, []hearken.Read{{Dependency: d, Path: `Payload["name"]`}}, trigger.Reads())
	trigger.Payload = text("x")
	assert.Empty(t, trigger.Reads())
}
