package eventbridgetrigger

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"github.com/hearken-go/hearken"
)

// Validate finds all mistakes in the fields, and those of the Payload.
func (t *Trigger) Validate() error {
	var m mistakes
	t.validateClient(&m)
	t.validateEvent(&m)
	if t.Payload == nil {
		m.add("Payload", "is nil; set it, to hearken.PayloadFunc or with triggers/params")
	}
	if v, ok := t.Payload.(hearken.Validator); ok {
		m.below("Payload", v.Validate())
	}
	if !isPath(t.firingPath()) {
		m.add("FiringPath", "%q is no path of names (letters, digits, _ and -) with dots between them", t.FiringPath)
	}
	return errors.Join(m...)
}

// Reads returns what the Payload reads, where it says so. What DetailTypeFunc
// reads is not known.
func (t *Trigger) Reads() []hearken.Read {
	r, ok := t.Payload.(hearken.Reader)
	if !ok {
		return nil
	}
	reads := slices.Clone(r.Reads())
	for i := range reads {
		reads[i].Path = below("Payload", reads[i].Path)
	}
	return reads
}

func (t *Trigger) validateClient(m *mistakes) {
	c, ok := t.Client.(*eventbridge.Client)
	switch {
	case t.Client == nil:
		m.add("Client", "is nil; pass eventbridge.NewFromConfig(cfg)")
	case !ok: // an application's own may not know
	case c == nil:
		m.add("Client", "is a nil *eventbridge.Client; pass eventbridge.NewFromConfig(cfg)")
	case c.Options().Region == "":
		m.add("Client", "has no region; set AWS_REGION, or Region of its configuration")
	}
}

func (t *Trigger) validateEvent(m *mistakes) {
	if parts := strings.Split(t.EventBus, ":"); len(parts) > 1 && (parts[0] != "arn" || len(parts) != 6 || !strings.HasPrefix(parts[5], "event-bus/")) {
		m.add("EventBus", "%q is no name or ARN of a bus, which is arn:aws:events:region:account:event-bus/name", t.EventBus)
	}
	switch {
	case t.Source == "":
		m.add("Source", "is empty; say who the event is from, such as com.example.ci")
	case strings.HasPrefix(t.Source, "aws."):
		m.add("Source", "%q is one of AWS's own; use another prefix than aws.", t.Source)
	}
	switch {
	case t.DetailType != "" && t.DetailTypeFunc != nil:
		m.add("DetailTypeFunc", "is set beside DetailType; set one of them")
	case t.DetailType == "" && t.DetailTypeFunc == nil:
		m.add("DetailType", "is empty; set it, or DetailTypeFunc")
	}
}

type mistakes []error

func (m *mistakes) add(path, format string, args ...any) {
	*m = append(*m, &hearken.ConfigError{Path: path, Msg: fmt.Sprintf(format, args...)})
}

// below adds the errors that err joins, each with its place below path.
func (m *mistakes) below(path string, err error) {
	var config *hearken.ConfigError
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
	case ok:
		for _, e := range joined.Unwrap() {
			m.below(path, e)
		}
	case errors.As(err, &config):
		m.add(below(path, config.Path), "%s", config.Msg)
	default:
		m.add(path, "%v", err)
	}
}

func below(path, sub string) string {
	if sub == "" || strings.HasPrefix(sub, "[") {
		return path + sub
	}
	return path + "." + sub
}
