package snstrigger

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/hearken-go/hearken"
)

// Validate finds all mistakes in the fields, and those of the Payload.
func (t *Trigger) Validate() error {
	var m hearken.Mistakes
	t.validateClient(&m)
	t.validateTopic(&m)
	if t.Payload == nil {
		m.Add("Payload", "is nil; set it, to hearken.PayloadFunc or with triggers/params")
	}
	m.Ask("Payload", t.Payload)
	if !isAttributeName(t.firingAttribute()) {
		m.Add("FiringAttribute", "%q is no name of an attribute: letters, digits, _, - and dots within, and no prefix of AWS or Amazon", t.FiringAttribute)
	}
	return m.Err()
}

// Reads returns what the Payload reads, where it says so. What the other
// functions read is not known.
func (t *Trigger) Reads() []hearken.Read {
	return hearken.ReadsAt("Payload", t.Payload)
}

func (t *Trigger) validateClient(m *hearken.Mistakes) {
	c, ok := t.Client.(*sns.Client)
	switch {
	case t.Client == nil:
		m.Add("Client", "is nil; pass sns.NewFromConfig(cfg)")
	case !ok: // an application's own may not know
	case c == nil:
		m.Add("Client", "is a nil *sns.Client; pass sns.NewFromConfig(cfg)")
	case c.Options().Region == "":
		m.Add("Client", "has no region; set AWS_REGION, or Region of its configuration")
	}
}

func (t *Trigger) validateTopic(m *hearken.Mistakes) {
	parts := strings.Split(t.TopicARN, ":")
	switch {
	case t.TopicARN == "":
		m.Add("TopicARN", "is empty; set the topic's ARN")
	case len(parts) != 6 || parts[0] != "arn" || parts[2] != "sns" || parts[5] == "" || strings.ContainsAny(t.TopicARN, " \t\r\n"):
		m.Add("TopicARN", "%q is no ARN of a topic, which is arn:aws:sns:region:account:name", t.TopicARN)
	}
	if t.isFIFO() && t.Group == nil {
		m.Add("Group", "is nil, and a FIFO topic takes no message without a group; set it")
	}
}

// isAttributeName follows the Developer Guide's "Message attribute items".
func isAttributeName(s string) bool {
	lower := strings.ToLower(s)
	return len(s) <= 256 && !strings.HasPrefix(lower, "aws.") && !strings.HasPrefix(lower, "amazon.") &&
		!strings.HasPrefix(s, ".") && !strings.HasSuffix(s, ".") && !strings.Contains(s, "..") &&
		!strings.ContainsFunc(s, func(c rune) bool { return c != '.' && !isName(c) })
}

func isName(c rune) bool {
	return c == '-' || c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
