package natsbus

import (
	"errors"
	"fmt"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
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
// binding 3.1.3.2), to which the caller adds its own; the event's data is the
// message's. It changes nothing of e.
func encode(e *event.Event) (nats.Header, error) {
	ec, err := v1(e)
	if err != nil {
		return nil, err
	}
	// All values share one array: a header is a map of slices of one.
	n := 10 + len(ec.Extensions)
	w := headerWriter{header: make(nats.Header, n), values: make([]string, 0, n)}
	w.header[headerVersion] = versionValue
	w.set(headerID, ec.ID)
	w.set(headerSource, uriText(&ec.Source.URL))
	w.set(headerType, ec.Type)
	if ec.Subject != nil {
		w.set(headerSubject, *ec.Subject)
	}
	if ec.Time != nil {
		var b [len(time.RFC3339Nano)]byte
		w.set(headerTime, string(ec.Time.UTC().AppendFormat(b[:0], time.RFC3339Nano)))
	}
	if ec.DataSchema != nil {
		w.set(headerSchema, ec.DataSchema.String())
	}
	if ec.DataContentType != nil {
		w.set(headerDataType, *ec.DataContentType)
	}
	if e.DataBase64 {
		w.set(headerBase64, "1")
	}
	for name, value := range ec.Extensions {
		s, err := types.Format(value)
		if err != nil {
			return nil, fmt.Errorf("natsbus: extension %q: %w", name, err)
		}
		w.set(attrPrefix+name, s)
	}
	return w.header, nil
}

// versionValue is shared by all messages; nothing appends to a header's slice
// of full capacity in place.
var versionValue = []string{event.CloudEventsVersionV1} //nolint:gochecknoglobals // a constant

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

type headerWriter struct {
	header nats.Header
	values []string
}

func (w *headerWriter) set(name, value string) {
	i := len(w.values)
	w.values = append(w.values, escape(value))
	w.header[name] = w.values[i : i+1 : i+1]
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
	n := len("NATS/1.0\r\n\r\n")
	for k, vs := range h {
		for _, v := range vs {
			n += len(k) + len(v) + len(": \r\n")
		}
	}
	return n
}
