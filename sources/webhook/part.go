package webhook

import (
	"io"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"
)

// Part is a piece of a request. At most one field is set.
type Part struct {
	// Text is this text, whatever the request holds.
	Text string
	// Header is the first value of the header with this name.
	Header string
	// Field is the field with this name in the header of the signature, where
	// that holds a list of name=value.
	Field string
	// Path is the value at this path of the body, in gjson's syntax. It is for
	// what is read once the signature is good, and cannot be signed itself.
	Path string
	// Body is the whole body as it came.
	Body bool
}

// request is what parts are found in.
type request struct {
	r      *http.Request
	body   []byte
	fields []string // of the signature's header
}

// find returns the part of q, or "" if it is not there.
func (p Part) find(q request) string {
	switch {
	case p.Header != "":
		return q.r.Header.Get(p.Header)
	case p.Field != "":
		for _, f := range q.fields {
			if name, value, ok := strings.Cut(strings.TrimSpace(f), "="); ok && name == p.Field {
				return value
			}
		}
		return ""
	case p.Path != "":
		return gjson.GetBytes(q.body, p.Path).String()
	case p.Body:
		return string(q.body)
	default:
		return p.Text
	}
}

// write writes the part of q and reports whether it is there.
func (p Part) write(w io.Writer, q request) bool {
	if p.Body {
		_, err := w.Write(q.body)
		return err == nil
	}
	text := p.find(q)
	_, err := io.WriteString(w, text)
	return err == nil && text != ""
}

// validateID returns what is wrong with the part as a field ID.
func (p Part) validateID() error {
	if p.Text != "" {
		return configError("ID.Text", "is the same for each delivery: all but the first would be dropped")
	}
	return p.validate("ID", false)
}

// validate returns what is wrong with the part in a field.
func (p Part) validate(field string, required bool) error {
	set := 0
	for _, is := range []bool{p.Text != "", p.Header != "", p.Field != "", p.Path != "", p.Body} {
		if is {
			set++
		}
	}
	switch {
	case set > 1:
		return configError(field, "is several things at once; set one of Text, Header, Field, Path and Body")
	case set == 0 && required:
		return configError(field, "is nothing; set one of Text, Header, Field, Path and Body")
	case p.Header != "" && !isToken(p.Header):
		return configError(field+".Header", "%q is no name of a header", p.Header)
	}
	return nil
}
