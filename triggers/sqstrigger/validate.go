package sqstrigger

import (
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/hearken-go/hearken"
)

const maxDelay = 15 * time.Minute

// Validate finds all mistakes in the fields, and those of the Payload.
func (t *Trigger) Validate() error {
	var m hearken.Mistakes
	t.validateClient(&m)
	t.validateQueue(&m)
	if t.Payload == nil {
		m.Add("Payload", "is nil; set it, to hearken.PayloadFunc or with triggers/params")
	}
	m.Ask("Payload", t.Payload)
	if !isAttributeName(t.firingAttribute()) {
		m.Add("FiringAttribute", "%q is no name of an attribute: letters, digits, _, - and dots within, and no prefix of AWS or Amazon", t.FiringAttribute)
	}
	switch {
	case t.Delay < 0 || t.Delay > maxDelay || t.Delay%time.Second != 0:
		m.Add("Delay", "is %v; it is whole seconds, up to %v", t.Delay, maxDelay)
	case t.Delay > 0 && t.isFIFO():
		m.Add("Delay", "is set for a FIFO queue, which delays all messages or none; set it there")
	}
	return m.Err()
}

// Reads returns what the Payload reads, where it says so. What Group and
// Attributes read is not known.
func (t *Trigger) Reads() []hearken.Read {
	return hearken.ReadsAt("Payload", t.Payload)
}

func (t *Trigger) validateClient(m *hearken.Mistakes) {
	c, ok := t.Client.(*sqs.Client)
	switch {
	case t.Client == nil:
		m.Add("Client", "is nil; pass sqs.NewFromConfig(cfg)")
	case !ok: // an application's own may not know
	case c == nil:
		m.Add("Client", "is a nil *sqs.Client; pass sqs.NewFromConfig(cfg)")
	case c.Options().Region == "":
		m.Add("Client", "has no region; set AWS_REGION, or Region of its configuration")
	}
}

func (t *Trigger) validateQueue(m *hearken.Mistakes) {
	u, err := url.Parse(t.QueueURL)
	switch {
	case t.QueueURL == "":
		m.Add("QueueURL", "is empty; set what GetQueueUrl returns for the queue")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || len(u.Path) < 2:
		m.Add("QueueURL", "%q is no URL of a queue, which is https://sqs.region.amazonaws.com/account/name", t.QueueURL)
	}
	if t.isFIFO() && t.Group == nil {
		m.Add("Group", "is nil, and a FIFO queue takes no message without a group; set it")
	}
}

// isAttributeName follows the Developer Guide's "Message attribute components".
func isAttributeName(s string) bool {
	lower := strings.ToLower(s)
	return len(s) <= 256 && !strings.HasPrefix(lower, "aws.") && !strings.HasPrefix(lower, "amazon.") &&
		!strings.HasPrefix(s, ".") && !strings.HasSuffix(s, ".") && !strings.Contains(s, "..") &&
		!strings.ContainsFunc(s, func(c rune) bool { return c != '.' && !isName(c) })
}

func isName(c rune) bool {
	return c == '-' || c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
