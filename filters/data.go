package filters

import (
	"context"
	"fmt"
	"strings"
	"unsafe"

	"github.com/hearken-go/hearken"
	"github.com/tidwall/gjson"
)

// Data matches an event whose JSON data holds one of the values at path, in
// gjson's syntax (github.com/tidwall/gjson/blob/master/SYNTAX.md):
//
//	filters.Data("body.message", "hello", "hey")
//	filters.Data(`body.labels.#(name=="bug")`, filters.Exists)
//	filters.Data("body.labels.#.name", filters.Element("bug", "defect"))
//
// Values are compared with what the path gives as it is: an array, such as that
// of a # path, matches no scalar, unless Element asks for its elements. Of an
// object's duplicate keys the first counts.
//
// Data whose content type is not JSON does not match; none given means JSON.
func Data(path string, values ...any) hearken.Filter {
	ms, mistakes := matchers(values)
	if msg := pathMistake(path); msg != "" {
		mistakes = append(mistakes, msg)
	}
	return &dataFilter{path: path, wants: ms, mistakes: mistakes}
}

type dataFilter struct {
	path  string
	wants alternatives
	mistakes
}

// Match implements hearken.Filter.
func (d *dataFilter) Match(_ context.Context, e hearken.Event) (bool, error) {
	if len(d.mistakes) > 0 {
		return false, d.Validate()
	}
	return isJSON(e) && d.wants.match(jsonValue(lookup(e.Data(), d.path))), nil
}

// lookup is gjson.GetBytes without its copy of what it finds: the data of an
// event is never changed, and what is found is compared and forgotten.
func lookup(data []byte, path string) gjson.Result {
	return gjson.Get(unsafe.String(unsafe.SliceData(data), len(data)), path)
}

// Validate implements hearken.Validator.
func (d *dataFilter) Validate() error { return d.at(fmt.Sprintf("Data(%q)", d.path)) }

// Explain says what the data holds at the path and what was wanted.
func (d *dataFilter) Explain(e hearken.Event) string { return explain(d, e) }

func (d *dataFilter) describe(e hearken.Event) (found, wanted string) {
	if !isJSON(e) {
		return fmt.Sprintf("data is %q, not JSON", e.DataContentType()), d.wants.String()
	}
	v := jsonValue(gjson.GetBytes(e.Data(), d.path))
	return fmt.Sprintf("data %q is %s", d.path, v), d.wants.String()
}

// isJSON reports whether e's content type says JSON (RFC 6839 for the suffix).
// CloudEvents 1.0 takes data without a content type as JSON.
func isJSON(e hearken.Event) bool {
	contentType := e.DataContentType()
	if contentType == "" || contentType == "application/json" {
		return true
	}
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.TrimSpace(media)
	return strings.EqualFold(media, "application/json") || strings.EqualFold(media, "text/json") ||
		len(media) > 5 && strings.EqualFold(media[len(media)-5:], "+json")
}
