package eventbridgetrigger_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/stretchr/testify/assert"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/eventbridgetrigger"
	"github.com/hearken-go/hearken/triggers/params"
)

func TestValidate(t *testing.T) {
	detailType := func(hearken.Firing) (string, error) { return "t", nil }
	for _, tt := range []struct {
		name   string
		change func(*eventbridgetrigger.Trigger)
		want   string // empty: valid
	}{
		{"least", func(*eventbridgetrigger.Trigger) {}, ""},
		{"bus", func(t *eventbridgetrigger.Trigger) { t.EventBus = "my/bus" }, ""},
		{"ARN", func(t *eventbridgetrigger.Trigger) {
			t.EventBus = "arn:aws:events:us-east-1:123456789012:event-bus/builds"
		}, ""},
		{"computed type", func(t *eventbridgetrigger.Trigger) { t.DetailType, t.DetailTypeFunc = "", detailType }, ""},

		{"no client", func(t *eventbridgetrigger.Trigger) { t.Client = nil }, "Client: is nil; pass eventbridge.NewFromConfig(cfg)"},
		{"nil client", func(t *eventbridgetrigger.Trigger) { t.Client = (*eventbridge.Client)(nil) }, "Client: is a nil *eventbridge.Client; pass eventbridge.NewFromConfig(cfg)"},
		{"no region", func(t *eventbridgetrigger.Trigger) { t.Client = eventbridge.New(eventbridge.Options{}) }, "Client: has no region; set AWS_REGION, or Region of its configuration"},
		{"another ARN", func(t *eventbridgetrigger.Trigger) { t.EventBus = "arn:aws:events:us-east-1:1:rule/x" }, `EventBus: "arn:aws:events:us-east-1:1:rule/x" is no name or ARN of a bus, which is arn:aws:events:region:account:event-bus/name`},
		{"ARN without a name", func(t *eventbridgetrigger.Trigger) { t.EventBus = "arn:aws:events:us-east-1:1:event-bus/" }, `EventBus: "arn:aws:events:us-east-1:1:event-bus/" is no name or ARN of a bus, which is arn:aws:events:region:account:event-bus/name`},
		{"no source", func(t *eventbridgetrigger.Trigger) { t.Source = "" }, "Source: is empty; say who the event is from, such as com.example.ci"},
		{"AWS's source", func(t *eventbridgetrigger.Trigger) { t.Source = "aws.ec2" }, `Source: "aws.ec2" is one of AWS's own; use another prefix than aws.`},
		{"no type", func(t *eventbridgetrigger.Trigger) { t.DetailType = "" }, "DetailType: is empty; set it, or DetailTypeFunc"},
		{"two types", func(t *eventbridgetrigger.Trigger) { t.DetailTypeFunc = detailType }, "DetailTypeFunc: is set beside DetailType; set one of them"},
		{"no payload", func(t *eventbridgetrigger.Trigger) { t.Payload = nil }, "Payload: is nil; set it, to hearken.PayloadFunc or with triggers/params"},
		{"payload", func(t *eventbridgetrigger.Trigger) { t.Payload = params.Object{"name": params.Data(nil, "x")} }, `Payload["name"]: the dependency is nil`},
		{"payload's mistakes", func(t *eventbridgetrigger.Trigger) {
			t.Payload = invalid{errors.Join(&hearken.ConfigError{Path: "A", Msg: "is bad"}, errors.New("worse"))}
		}, "Payload.A: is bad\nPayload: worse"},
		{"path", func(t *eventbridgetrigger.Trigger) { t.FiringPath = "a.*" }, `FiringPath: "a.*" is no path of names (letters, digits, _ and -) with dots between them`},
		{"path with an index", func(t *eventbridgetrigger.Trigger) { t.FiringPath = "a.1" }, `FiringPath: "a.1" is no path of names (letters, digits, _ and -) with dots between them`},
		{"all", func(t *eventbridgetrigger.Trigger) { *t = eventbridgetrigger.Trigger{FiringPath: "."} }, "Client: is nil; pass eventbridge.NewFromConfig(cfg)\n" +
			"Source: is empty; say who the event is from, such as com.example.ci\n" +
			"DetailType: is empty; set it, or DetailTypeFunc\n" +
			"Payload: is nil; set it, to hearken.PayloadFunc or with triggers/params\n" +
			`FiringPath: "." is no path of names (letters, digits, _ and -) with dots between them`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, trigger := start()
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
	trigger := &eventbridgetrigger.Trigger{Payload: params.Object{"name": params.Data(d, "body.name")}}
	assert.Equal(t, []hearken.Read{{Dependency: d, Path: `Payload["name"]`}}, trigger.Reads())
	trigger.Payload = text("{}")
	assert.Empty(t, trigger.Reads())
}
