package httptrigger

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/types"

	"github.com/hearken-go/hearken"
)

var errNoEvent = errors.New("the firing holds no event to send")

// encode puts the firing's events into a request after the CloudEvents HTTP
// protocol binding 1.0.2: one in binary mode (3.1), several in batched mode
// (3.3). The type of the data tells a receiver the mode, so that one event whose
// data is an event goes in structured mode (3.2): in binary mode the data would
// be taken for the event.
func (t *Trigger) encode(f hearken.Firing, h *fields) ([]byte, error) {
	switch len(f.Events) {
	case 0:
		return nil, errNoEvent
	case 1:
		for _, e := range f.Events {
			if t.ContentType == "" && isEventFormat(e.DataContentType()) {
				h.put("Content-Type", "application/cloudevents+json")
				return json.Marshal(inJSON(e))
			}
			return e.Data(), setAttributes(h, e)
		}
	}
	h.put("Content-Type", "application/cloudevents-batch+json")
	var batch []hearken.Event
	for _, name := range slices.Sorted(maps.Keys(f.Events)) {
		batch = append(batch, inJSON(f.Events[name]))
	}
	return json.Marshal(batch)
}

func isEventFormat(contentType string) bool {
	const formats = "application/cloudevents"
	return len(contentType) >= len(formats) && strings.EqualFold(contentType[:len(formats)], formats)
}

// inJSON returns e with its data in base64 where JSON cannot hold it as text, and
// where readers differ: "+json" data is a JSON value by the specification, and a
// string for the CloudEvents SDK.
func inJSON(e hearken.Event) hearken.Event {
	media, _, _ := strings.Cut(strings.ToLower(e.DataContentType()), ";")
	e.DataBase64 = e.DataBase64 || !utf8.Valid(e.DataEncoded) || strings.HasSuffix(strings.TrimSpace(media), "+json")
	return e
}

// setAttributes writes an event's attributes as headers (3.1.3).
func setAttributes(h *fields, e hearken.Event) error {
	if e.Context == nil {
		return errNoEvent
	}
	set := func(name, value string) {
		if value != "" {
			h.put(name, escape(value))
		}
	}
	set("Ce-Specversion", e.SpecVersion())
	set("Ce-Id", e.ID())
	set("Ce-Source", e.Source())
	set("Ce-Type", e.Type())
	set("Ce-Subject", e.Subject())
	set("Ce-Dataschema", e.DataSchema())
	if at := e.Time(); !at.IsZero() {
		set("Ce-Time", types.FormatTime(at))
	}
	if typ := e.DataContentType(); typ != "" {
		h.put("Content-Type", typ)
	}
	for name, value := range e.Extensions() {
		text, err := types.Format(value)
		if err != nil {
			return fmt.Errorf("extension %s: %w", name, err)
		}
		set(http.CanonicalHeaderKey("ce-"+name), text)
	}
	return nil
}

// escape percent-encodes what the binding says must be in a header's value
// (3.1.3.2): spaces, double quotes, percent signs, and all that is not printable
// ASCII.
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
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(s) + 2*n)
	for i := range len(s) {
		if c := s[i]; mustEscape(c) {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func mustEscape(c byte) bool { return c <= ' ' || c > '~' || c == '"' || c == '%' }
