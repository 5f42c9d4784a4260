package snstrigger

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/hearken-go/hearken"
)

// Validate finds all mistakes in the fields, and those of the Payload.
func (t *Trigger) Validate() error {
	var m mistakes
	t.validateClient(&m)
	t.validateTopic(&m)
	if t.Payload == nil {
		m.add("Payload", "is nil; set it, to hearken.PayloadFunc or with triggers/params")
	}
	if v, ok := t.Payload.(hearken.Validator); ok {
		m.below("Payload", v.Validate())
	}
	if !isAttributeName(t.firingAttribute()) {
		m.add("FiringAttribute", "%q is no name of an attribute: letters, digits, _, - and dots within, and no prefix of AWS or Amazon", t.FiringAttribute)
	}
	return errors.Join(m...)
}

// Reads returns what the Payload reads, where it says so. What the other
// functions read is not known.
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
	c, ok := t.Client.(*sns.Client)
	switch {
	case t.Client == nil:
		m.add("Client", "is nil; pass sns.NewFromConfig(cfg)")
	case !ok: // an application's own may not know
	case c == nil:
		m.add("Client", "is a nil *sns.Client; pass sns.NewFromConfig(cfg)")
	case c.Options().Region == "":
		m.add("Client", "has no region; set AWS_REGION, or Region of its configuration")
	}
}

func (t *Trigger) validateTopic(m *mistakes) {
	parts := strings.Split(t.TopicARN, ":")
	switch {
	case t.TopicARN == "":
		m.add("TopicARN", "is empty; set the topic's ARN")
	case len(parts) != 6 || parts[0] != "arn" || parts[2] != "sns" || parts[5] == "" || strings.ContainsAny(t.TopicARN, " \t\r\n"):
		m.add("TopicARN", "%q is no ARN of a topic, which is arn:aws:sns:region:account:name", t.TopicARN)
	case t.isFIFO() && t.Group == nil:
		m.add("Group", "is nil, and a FIFO topic takes no message without a group; set it")
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
