package eventbridgetrigger

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/params"
)

// Validate finds all mistakes in the fields, and those of the Payload.
func (t *Trigger) Validate() error {
	var m hearken.Mistakes
	t.validateClient(&m)
	t.validateEvent(&m)
	if t.Payload == nil {
		m.Add("Payload", "is nil; set it, to hearken.PayloadFunc or with triggers/params")
	}
	m.Ask("Payload", t.Payload)
	if !params.IsFiringPath(t.firingPath()) {
		m.Add("FiringPath", "%q is no path of names (letters, digits, _ and -) with dots between them", t.FiringPath)
	}
	return m.Err()
}

// Reads returns what the Payload reads, where it says so. What DetailTypeFunc
// reads is not known.
func (t *Trigger) Reads() []hearken.Read {
	return hearken.ReadsAt("Payload", t.Payload)
}

func (t *Trigger) validateClient(m *hearken.Mistakes) {
	c, ok := t.Client.(*eventbridge.Client)
	switch {
	case t.Client == nil:
		m.Add("Client", "is nil; pass eventbridge.NewFromConfig(cfg)")
	case !ok: // an application's own may not know
	case c == nil:
		m.Add("Client", "is a nil *eventbridge.Client; pass eventbridge.NewFromConfig(cfg)")
	case c.Options().Region == "":
		m.Add("Client", "has no region; set AWS_REGION, or Region of its configuration")
	}
}

func (t *Trigger) validateEvent(m *hearken.Mistakes) {
	if parts := strings.Split(t.EventBus, ":"); len(parts) > 1 && (parts[0] != "arn" || len(parts) != 6 || !isBus(parts[5])) {
		m.Add("EventBus", "%q is no name or ARN of a bus, which is arn:aws:events:region:account:event-bus/name", t.EventBus)
	}
	switch {
	case t.Source == "":
		m.Add("Source", "is empty; say who the event is from, such as com.example.ci")
	case strings.HasPrefix(t.Source, "aws."):
		m.Add("Source", "%q is one of AWS's own; use another prefix than aws.", t.Source)
	}
	switch {
	case t.DetailType != "" && t.DetailTypeFunc != nil:
		m.Add("DetailTypeFunc", "is set beside DetailType; set one of them")
	case t.DetailType == "" && t.DetailTypeFunc == nil:
		m.Add("DetailType", "is empty; set it, or DetailTypeFunc")
	}
}

func isBus(resource string) bool {
	name, ok := strings.CutPrefix(resource, "event-bus/")
	return ok && name != ""
}
