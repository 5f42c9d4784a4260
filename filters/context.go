package filters

import (
	"context"
	"fmt"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/hearken-go/hearken"
)

// Context matches an event one of whose context attributes (CloudEvents 1.0,
// section 3) has one of the values: id, source, type, subject, time,
// datacontenttype, dataschema, specversion, or an extension.
//
//	filters.Context("type", filters.Prefix("com.github."))
//	filters.Context("severity", filters.AtLeast(3))
//
// An attribute is compared in its canonical text, since that is all that most
// transports keep of it: a string wants that text (of time: RFC 3339 in UTC), a
// number or bool wants the text to be one of the same value. An attribute is
// never null.
func Context(name string, values ...any) hearken.Filter {
	ms, mistakes := matchers(values)
	if msg := attributeMistake(name); msg != "" {
		mistakes = append(mistakes, msg)
	}
	if ms.wantsNull() {
		mistakes = append(mistakes, "an attribute is never null: filters.Absent asks for one that is not there")
	}
	return &contextFilter{name: name, wants: ms, mistakes: mistakes}
}

type contextFilter struct {
	name  string
	wants alternatives
	mistakes
}

// Match implements hearken.Filter.
func (c *contextFilter) Match(_ context.Context, e hearken.Event) (bool, error) {
	if len(c.mistakes) > 0 {
		return false, c.Validate()
	}
	return c.wants.match(attribute(e, c.name)), nil
}

// Validate implements hearken.Validator.
func (c *contextFilter) Validate() error { return c.at(fmt.Sprintf("Context(%q)", c.name)) }

// Explain says what the attribute is and what was wanted.
func (c *contextFilter) Explain(e hearken.Event) string { return explain(c, e) }

func (c *contextFilter) describe(e hearken.Event) (found, wanted string) {
	return fmt.Sprintf("%s is %s", c.name, attribute(e, c.name)), c.wants.String()
}

// attribute returns the canonical text of the attribute.
func attribute(e hearken.Event, name string) value {
	if e.Context == nil {
		return value{}
	}
	switch name {
	case "id":
		return attributeValue(e.ID())
	case "source":
		return attributeValue(e.Source())
	case "type":
		return attributeValue(e.Type())
	case "subject":
		return attributeValue(e.Subject())
	case "datacontenttype":
		return attributeValue(e.DataContentType())
	case "dataschema":
		return attributeValue(e.DataSchema())
	case "specversion":
		return attributeValue(e.SpecVersion())
	case "time":
		if e.Time().IsZero() {
			return value{}
		}
		return attributeValue(types.FormatTime(e.Time()))
	}
	return extension(e.Extensions()[name])
}

func extension(v any) value {
	if v == nil {
		return value{}
	}
	text, err := types.Format(v)
	if err != nil {
		return value{} // no CloudEvents type: no transport would carry it
	}
	return value{kind: attributeText, text: text}
}

// attributeValue takes "" for absent: CloudEvents allows no empty attribute.
func attributeValue(s string) value {
	if s == "" {
		return value{}
	}
	return value{kind: attributeText, text: s}
}

func attributeMistake(name string) string {
	switch {
	case name == "data":
		return "data is no attribute: filters.Data looks into it"
	case !event.IsExtensionNameValid(name) || name != strings.ToLower(name):
		return "attribute names are lower-case letters and digits (CloudEvents 1.0, section 3.1)"
	}
	return ""
}
