package natsbus

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/hearken-go/hearken/bus"
	"github.com/nats-io/nats.go"
)

// Header names. All attributes, datacontenttype too, are "ce-" headers: the
// NATS binding of CloudEvents keeps Content-Type for the structured mode.
const (
	attrPrefix      = "ce-"
	headerVersion   = "ce-specversion"
	headerID        = "ce-id"
	headerSource    = "ce-source"
	headerType      = "ce-type"
	headerSubject   = "ce-subject"
	headerTime      = "ce-time"
	headerSchema    = "ce-dataschema"
	headerDataType  = "ce-datacontenttype"
	headerMode      = "content-type"
	headerBase64    = "hearken-base64"
	structuredTypes = "application/cloudevents"
)

// encode returns the headers of e in the binary content mode of the CloudEvents
// NATS binding (with the 1.0.2 specification's rules for header values, HTTP
// binding 3.1.3.2), with room for one more of the caller's; the event's data is
// the message's. It changes nothing of e.
func encode(e *event.Event) (headerWriter, error) {
	ec, err := v1(e)
	if err != nil {
		return headerWriter{}, rejected(err)
	}
	w := newHeaderWriter(headers(e, ec) + 1)
	if err := w.attributes(ec); err != nil {
		return headerWriter{}, rejected(err)
	}
	if err := w.extensions(ec.Extensions); err != nil {
		return headerWriter{}, rejected(err)
	}
	if e.DataBase64 {
		w.set(headerBase64, "1")
	}
	return w, nil
}

// rejected says that an event is none that could be read again.
func rejected(err error) error { return fmt.Errorf("%w: %w", bus.ErrRejected, err) }

func (w *headerWriter) attributes(ec *event.EventContextV1) error {
	source := uriText(&ec.Source.URL)
	if ec.ID == "" || source == "" || ec.Type == "" {
		return errIncomplete
	}
	w.set(headerVersion, event.CloudEventsVersionV1)
	w.set(headerID, ec.ID)
	w.set(headerSource, source)
	w.set(headerType, ec.Type)
	if ec.Subject != nil {
		w.set(headerSubject, *ec.Subject)
	}
	if ec.DataSchema != nil {
		w.set(headerSchema, ec.DataSchema.String())
	}
	if ec.DataContentType != nil {
		w.set(headerDataType, *ec.DataContentType)
	}
	if ec.Time != nil {
		return w.time(ec.Time.UTC())
	}
	return nil
}

func (w *headerWriter) time(t time.Time) error {
	if y := t.Year(); y < 0 || y > 9999 {
		return fmt.Errorf("natsbus: the event's time is in the year %d, which RFC 3339 cannot write", y)
	}
	var b [len(time.RFC3339Nano)]byte
	w.set(headerTime, string(t.AppendFormat(b[:0], time.RFC3339Nano)))
	return nil
}

func (w *headerWriter) extensions(x map[string]any) error {
	for name, value := range x {
		if !maySendExtension(name) {
			return fmt.Errorf("natsbus: extension %q: its name is not of letters and digits, or that of an attribute", name)
		}
		s, err := types.Format(value)
		if err != nil {
			return fmt.Errorf("natsbus: extension %q: %w", name, err)
		}
		w.set(attrPrefix+name, s)
		if isTrace(name) && isHeaderText(s) {
			w.put(name, s)
		}
	}
	return nil
}

// maySendExtension reports whether an extension of that name arrives as one. Any
// other would end the header, take an attribute's place, or make the message no
// event.
func maySendExtension(name string) bool {
	lower := strings.ToLower(name)
	switch attrPrefix + lower {
	case headerVersion, headerID, headerSource, headerType, headerSubject, headerTime, headerSchema, headerDataType:
		return false
	}
	return isExtensionName(lower)
}

// headers is how many headers e has.
func headers(e *event.Event, ec *event.EventContextV1) int {
	n := 4 + len(ec.Extensions) // version, id, source and type
	for name := range ec.Extensions {
		if isTrace(name) {
			n++
		}
	}
	for _, has := range [...]bool{ec.Subject != nil, ec.Time != nil, ec.DataSchema != nil, ec.DataContentType != nil, e.DataBase64} {
		if has {
			n++
		}
	}
	return n
}

// isTrace reports whether an extension is one of CloudEvents' Distributed
// Tracing. They are headers of their plain names too, which is where tools for
// NATS look for a trace, and where decode looks when no attribute says it.
func isTrace(extension string) bool { return extension == traceParent || extension == traceState }

// The extensions of CloudEvents' Distributed Tracing.
const (
	traceParent = "traceparent"
	traceState  = "tracestate"
)

// isHeaderText reports whether s may stand in a header as it is.
func isHeaderText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return strings.TrimSpace(s) == s && s != ""
}

var errNoContext = errors.New("natsbus: the event has no context")

func v1(e *event.Event) (*event.EventContextV1, error) {
	switch ec := e.Context.(type) {
	case *event.EventContextV1:
		return ec, nil
	case nil:
		return nil, errNoContext
	default:
		return ec.AsV1(), nil
	}
}

// headerWriter builds a header and knows how many bytes it takes in a message.
type headerWriter struct {
	header nats.Header
	values []string
	size   int
}

// newHeaderWriter returns one for up to n headers. An exact n pays: a map of at
// most 8 needs neither a table nor hashing, and an event without extensions has
// at most 8. All values share one array: a header is a map of slices of one.
func newHeaderWriter(n int) headerWriter {
	return headerWriter{header: make(nats.Header, n), values: make([]string, 0, n), size: emptyHeader}
}

func (w *headerWriter) set(name, value string) { w.put(name, escape(value)) }

// put sets a header whose value needs no escaping.
func (w *headerWriter) put(name, value string) {
	i := len(w.values)
	w.values = append(w.values, value)
	w.header[name] = w.values[i : i+1 : i+1]
	w.size += lineSize(name, value)
}

// escape percent-encodes what may not stand in a header value: everything but
// printable ASCII, and the space, '"' and '%'.
func escape(s string) string {
	n := 0
	for i := range len(s) {
		if mustEscape(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		if c := s[i]; mustEscape(c) {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

func mustEscape(c byte) bool { return c <= ' ' || c > '~' || c == '"' || c == '%' }

// headerSize is the number of bytes that h takes in a message.
func headerSize(h nats.Header) int {
	n := emptyHeader
	for k, vs := range h {
		for _, v := range vs {
			n += lineSize(k, v)
		}
	}
	return n
}

const emptyHeader = len("NATS/1.0\r\n\r\n")

func lineSize(name, value string) int { return len(name) + len(value) + len(": \r\n") }
