package natsbus

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/nats-io/nats.go"
)

var (
	errNoEvent    = errors.New("natsbus: the message is no CloudEvent: it has no ce-specversion")
	errIncomplete = errors.New("natsbus: the event lacks its id, source or type")
)

// decode returns the event in a message: in binary mode, or in structured mode
// when the content type says so, as publishers of other making may send it.
// The event shares data. Attributes of other types than string arrive in their
// canonical string form, as in every binary mode of CloudEvents.
func decode(h nats.Header, data []byte) (event.Event, error) { return new(decoded).event(h, data) }

// event is decode, into d, which is new.
func (d *decoded) event(h nats.Header, data []byte) (event.Event, error) {
	var bad error
	var trace messageTrace
	for name, values := range h {
		if len(values) == 0 || trace.takes(name, values[0]) {
			continue
		}
		if err := d.attribute(name, values[0]); err != nil {
			bad = err
		}
	}
	switch {
	case isStructured(d.contentType):
		return decodeStructured(data, trace)
	case bad != nil:
		return event.Event{}, bad
	case d.version == "":
		return event.Event{}, errNoEvent
	case d.version != event.CloudEventsVersionV1:
		return event.Event{}, fmt.Errorf("natsbus: CloudEvents version %q is not 1.0", d.version)
	case d.ctx.ID == "" || d.ctx.Type == "" || !d.hasSource:
		return event.Event{}, errIncomplete
	}
	if d.ctx.DataContentType == nil && d.contentType != "" {
		d.ctx.DataContentType = &d.contentType
	}
	trace.addTo(&d.ctx)
	e := event.Event{Context: &d.ctx, DataBase64: d.base64}
	if len(data) > 0 {
		e.DataEncoded = data
	}
	return e, nil
}

// decoded collects an event's attributes; what the context points to lives
// beside it, and a delivery holds all of it, in one allocation.
type decoded struct {
	ctx                                     event.EventContextV1
	subject, dataType, version, contentType string
	time                                    types.Timestamp
	hasSource, base64                       bool
}

func (d *decoded) attribute(name, value string) (err error) {
	switch name {
	case headerVersion:
		d.version = value
	case headerID:
		d.ctx.ID, err = unescape(value)
	case headerType:
		d.ctx.Type, err = unescape(value)
	case headerSource:
		err = d.source(value)
	case headerSubject:
		d.subject, err = unescape(value)
		d.ctx.Subject = &d.subject
	case headerDataType:
		d.dataType, err = unescape(value)
		d.ctx.DataContentType = &d.dataType
	case headerTime:
		err = d.timestamp(value)
	case headerSchema:
		err = d.schema(value)
	case headerBase64:
		d.base64 = value == "1"
	default:
		return d.other(name, value)
	}
	if err != nil {
		return fmt.Errorf("natsbus: header %s: %w", name, err)
	}
	return nil
}

// other takes extensions, and attributes whose header is spelled in another
// case. Headers that are no attributes are not the event's.
func (d *decoded) other(name, value string) error {
	lower := strings.ToLower(name)
	ext, ok := strings.CutPrefix(lower, attrPrefix)
	switch {
	case lower == headerMode:
		d.contentType = value
		return nil
	case !ok:
		return nil
	case lower != name:
		return d.attribute(lower, value)
	case !isExtensionName(ext):
		return fmt.Errorf("natsbus: %q is no name of an attribute", ext)
	}
	s, err := unescape(value)
	if err != nil {
		return fmt.Errorf("natsbus: header %s: %w", name, err)
	}
	if d.ctx.Extensions == nil {
		d.ctx.Extensions = make(map[string]any, 4)
	}
	d.ctx.Extensions[ext] = s
	return nil
}

func (d *decoded) source(value string) error {
	s, err := unescape(value)
	if err != nil {
		return err
	}
	d.hasSource = s != ""
	if plainPath(s) {
		d.ctx.Source.Path = s
		return nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return err
	}
	d.ctx.Source.URL = *u
	return nil
}

func (d *decoded) timestamp(value string) error {
	s, err := unescape(value)
	if err != nil {
		return err
	}
	d.time.Time, err = time.Parse(time.RFC3339Nano, s)
	d.ctx.Time = &d.time
	return err
}

func (d *decoded) schema(value string) error {
	s, err := unescape(value)
	if err != nil {
		return err
	}
	u, err := url.Parse(s)
	if err != nil {
		return err
	}
	d.ctx.DataSchema = &types.URI{URL: *u}
	return nil
}

func isStructured(contentType string) bool {
	return len(contentType) >= len(structuredTypes) && strings.EqualFold(contentType[:len(structuredTypes)], structuredTypes)
}

func decodeStructured(data []byte, trace messageTrace) (event.Event, error) {
	var e event.Event
	if err := e.UnmarshalJSON(data); err != nil {
		return event.Event{}, fmt.Errorf("natsbus: structured event: %w", err)
	}
	if err := e.Validate(); err != nil {
		return event.Event{}, fmt.Errorf("natsbus: structured event: %w", err)
	}
	if ec, ok := e.Context.(*event.EventContextV1); ok {
		trace.addTo(ec)
	}
	return e, nil
}

// messageTrace is the trace in a message's headers, where publishers that know
// nothing of CloudEvents' extensions write it.
type messageTrace struct{ parent, state string }

// takes reports whether a header is of the trace.
func (t *messageTrace) takes(name, value string) bool {
	switch {
	case strings.HasPrefix(name, attrPrefix): // nearly all, and soon told
		return false
	case strings.EqualFold(name, traceParent):
		t.parent = value
	case strings.EqualFold(name, traceState):
		t.state = value
	default:
		return false
	}
	return true
}

// addTo gives t to an event that has no trace.
func (t messageTrace) addTo(ec *event.EventContextV1) {
	if _, has := ec.Extensions[traceParent]; has || t.parent == "" {
		return
	}
	if ec.Extensions == nil {
		ec.Extensions = make(map[string]any, 2)
	}
	ec.Extensions[traceParent] = t.parent
	if t.state != "" {
		ec.Extensions[traceState] = t.state
	} else {
		delete(ec.Extensions, traceState)
	}
}

func isExtensionName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// uriText is u.String() with a short way for the usual source, a plain path.
func uriText(u *url.URL) string {
	if u.Scheme == "" && u.Opaque == "" && u.User == nil && u.Host == "" && u.RawPath == "" &&
		u.RawQuery == "" && u.Fragment == "" && !u.ForceQuery && plainPath(u.Path) {
		return u.Path
	}
	return u.String()
}

// plainPath reports whether s, as a URI reference, is a path and nothing else,
// the same escaped and not.
func plainPath(s string) bool {
	for i := range len(s) {
		if c := s[i]; !plainByte(c) && c != '.' && c != '/' {
			return false
		}
	}
	return !strings.HasPrefix(s, "//")
}

// unescape undoes escape. What other publishers did not escape is taken as it
// is, but half an escape is an error.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 {
		return s, nil
	}
	return url.PathUnescape(s)
}
