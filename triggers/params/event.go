package params

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/hearken-go/hearken"
	"github.com/tidwall/gjson"
)

// Data returns what the JSON data of d's event holds at path, in gjson's syntax
// (github.com/tidwall/gjson/blob/master/SYNTAX.md). A string that holds JSON is
// opened by the path itself: "body.Message.@fromstr.id". Of an object's
// duplicate keys the first counts.
func Data(d *hearken.Dependency, path string) Value { return Value{data{read{d}, path}} }

// Context returns a context attribute (CloudEvents 1.0, section 3) of d's event
// in its canonical text, since that is all that most transports keep of it: id,
// source, type, subject, time (RFC 3339, UTC), datacontenttype, dataschema,
// specversion, or an extension.
func Context(d *hearken.Dependency, name string) Value { return Value{attribute{read{d}, name}} }

// RawData returns the data of d's event as it is. As a payload of its own it is
// the same bytes; elsewhere JSON is embedded, and other data must be UTF-8 text
// and is a string. An event without data is an absent value.
func RawData(d *hearken.Dependency) Value { return Value{rawData{read{d}}} }

// Event returns the whole event of d in the CloudEvents JSON format, version
// 1.0. Data whose content type is JSON is a JSON value in "data", other text a
// string, and only bytes that are neither are in "data_base64".
func Event(d *hearken.Dependency) Value { return Value{whole{read{d}}} }

// read is what is common to all that comes from an event.
type read struct{ dependency *hearken.Dependency }

func (r read) event(f hearken.Firing) (hearken.Event, error) {
	if r.dependency == nil {
		return hearken.Event{}, &valueError{msg: r.mistake()}
	}
	e, err := f.Event(r.dependency)
	if err != nil {
		return e, absent("%v", err)
	}
	if e.Context == nil {
		return e, absent("the event of dependency %q is empty", r.name())
	}
	return e, nil
}

func (r read) reads(place string) []hearken.Read {
	return []hearken.Read{{Dependency: r.dependency, Path: place}}
}

func (r read) mistake() string {
	if r.dependency == nil {
		return "the dependency is nil"
	}
	return ""
}

func (r read) name() string {
	if r.dependency.Name == "" && r.dependency.EventSource != nil {
		return r.dependency.EventSource.Event
	}
	return r.dependency.Name
}

type data struct {
	read
	path string
}

func (d data) resolve(f hearken.Firing) (result, error) {
	e, err := d.event(f)
	if err != nil {
		return result{}, err
	}
	if !isJSON(e) {
		return result{}, absent("data of dependency %q is %q, not JSON", d.name(), e.DataContentType())
	}
	v := gjson.GetBytes(e.Data(), d.path)
	if !v.Exists() {
		return result{}, absent("data %q of dependency %q is absent", d.path, d.name())
	}
	r := jsonResult(v)
	// gjson reads what is no JSON as well as it can, and so it writes where a path
	// makes something. A bus may deliver what another publisher called JSON.
	if !validJSON([]byte(r.json)) {
		return result{}, absent("data %q of dependency %q is no JSON", d.path, d.name())
	}
	return r, nil
}

func (d data) mistake() string { return joinMistakes(d.read.mistake(), pathMistake(d.path)) }

func pathMistake(path string) string {
	switch {
	case path == "":
		return "the path is empty: params.RawData is the whole data"
	case path == "$" || strings.HasPrefix(path, "$."):
		return fmt.Sprintf("path %q is JSONPath: gjson's begins with the first key", path)
	case strings.HasPrefix(path, ".") && !strings.HasPrefix(path, ".."):
		return fmt.Sprintf("path %q begins with a dot: gjson's begins with the first key", path)
	case strings.HasSuffix(path, ".") && !strings.HasSuffix(path, `\.`):
		return fmt.Sprintf("path %q ends with a dot", path)
	case !queriesClosed(path):
		return fmt.Sprintf("path %q has a query #(...) that is not closed", path)
	}
	return ""
}

// queriesClosed reports whether each #( in path has its parenthesis.
func queriesClosed(path string) bool {
	for i := 0; i < len(path); i++ {
		if path[i] == '\\' {
			i++
		} else if strings.HasPrefix(path[i:], "#(") {
			end := queryEnd(path[i:])
			if end < 0 {
				return false
			}
			i += end - 1
		}
	}
	return true
}

func jsonResult(v gjson.Result) result {
	switch {
	case v.Type == gjson.String:
		return result{json: v.Raw, text: v.Str}
	case v.Raw == "": // computed: the length of an array
		return result{json: v.String(), text: v.String()}
	default:
		return result{json: v.Raw, text: v.Raw}
	}
}

type attribute struct {
	read
	attribute string
}

func (a attribute) resolve(f hearken.Firing) (result, error) {
	e, err := a.event(f)
	if err != nil {
		return result{}, err
	}
	if text := attributeOf(e, a.attribute); text != "" {
		return result{text: text}, nil
	}
	return result{}, absent("attribute %s of dependency %q is absent", a.attribute, a.name())
}

func (a attribute) mistake() string {
	msg := ""
	if !event.IsExtensionNameValid(a.attribute) || a.attribute != strings.ToLower(a.attribute) || a.attribute == "data" {
		msg = fmt.Sprintf("%q is no attribute: their names are lower-case letters and digits (CloudEvents 1.0, section 3.1)", a.attribute)
	}
	return joinMistakes(a.read.mistake(), msg)
}

func attributeOf(e hearken.Event, name string) string {
	switch name {
	case "id":
		return e.ID()
	case "source":
		return e.Source()
	case "type":
		return e.Type()
	case "subject":
		return e.Subject()
	case "datacontenttype":
		return e.DataContentType()
	case "dataschema":
		return e.DataSchema()
	case "specversion":
		return e.SpecVersion()
	case "time":
		if e.Time().IsZero() {
			return ""
		}
		return types.FormatTime(e.Time())
	}
	text, err := types.Format(e.Extensions()[name])
	if err != nil {
		return "" // absent, or no CloudEvents type
	}
	return text
}

type rawData struct{ read }

func (d rawData) resolve(f hearken.Firing) (result, error) {
	e, err := d.event(f)
	if err != nil {
		return result{}, err
	}
	if len(e.Data()) == 0 {
		return result{}, absent("the event of dependency %q has no data", d.name())
	}
	r := result{text: string(e.Data()), raw: true}
	if isJSON(e) && validJSON(e.Data()) {
		r.json = strings.Trim(r.text, " \t\r\n")
	}
	return r, nil
}

type whole struct{ read }

func (w whole) resolve(f hearken.Firing) (result, error) {
	e, err := w.event(f)
	if err != nil {
		return result{}, err
	}
	text := string(appendEvent(make([]byte, 0, 512+len(e.Data())), e))
	return result{json: text, text: text}, nil
}

// maxDepth is how deep JSON may be nested: as deep as encoding/json reads it.
// gjson recurses without a bound, and a stack that overflows ends the process.
const maxDepth = 10_000

func validJSON(data []byte) bool {
	if bytes.Count(data, []byte{'['})+bytes.Count(data, []byte{'{'}) > maxDepth {
		return json.Valid(data)
	}
	return gjson.ValidBytes(data)
}

// isJSON reports whether e's content type says JSON (RFC 6839 for the suffix).
// CloudEvents 1.0 takes data without a content type as JSON.
func isJSON(e hearken.Event) bool {
	contentType := e.DataContentType()
	if contentType == "" || contentType == event.ApplicationJSON {
		return true
	}
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.TrimSpace(media)
	return strings.EqualFold(media, event.ApplicationJSON) || strings.EqualFold(media, event.TextJSON) ||
		len(media) > 5 && strings.EqualFold(media[len(media)-5:], "+json")
}
