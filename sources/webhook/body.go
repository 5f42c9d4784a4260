package webhook

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// appendBody appends the body of a plain request as JSON, by its content type.
func appendBody(dst []byte, r *http.Request, body []byte) ([]byte, error) {
	media := mediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Method == http.MethodGet, r.Method == http.MethodHead, media == "" && len(body) == 0:
		return appendForm(dst, "query", r.URL.RawQuery)
	case isJSON(media):
		return appendJSON(dst, body, "the body")
	case media == "":
		return appendJSON(dst, body, "the body has no content type and")
	case media == "application/x-www-form-urlencoded":
		return appendFormBody(dst, body)
	case media == "multipart/form-data":
		return nil, refuse(http.StatusUnsupportedMediaType, "multipart forms are not understood: send JSON or an urlencoded form")
	case strings.HasPrefix(media, "text/"):
		if !utf8.Valid(body) {
			return nil, malformed("the body is not UTF-8, as text has to be")
		}
		return appendString(dst, string(body)), nil
	default:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, body)
		return append(dst, '"'), nil
	}
}

// mediaType returns the media type of a Content-Type in lower case, without
// its parameters.
func mediaType(contentType string) string {
	if contentType == "application/json" {
		return contentType
	}
	media, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(media))
}

func isJSON(media string) bool {
	return media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json")
}

// appendFormBody appends the body of a request that says that it is a form, as
// curl does of everything.
func appendFormBody(dst []byte, body []byte) ([]byte, error) {
	start := bytes.TrimLeft(body, " \t\r\n")
	switch {
	case len(start) > 0 && (start[0] == '{' || start[0] == '['):
		return appendJSON(dst, body, "the body begins as JSON but")
	case len(start) > 0 && bytes.IndexByte(start, '=') < 0:
		return nil, malformed("the body is neither JSON nor a form: it begins with neither { nor [, and holds no name=value")
	}
	return appendForm(dst, "form", string(body))
}

// appendForm appends an urlencoded form as an object of lists.
func appendForm(dst []byte, what, form string) ([]byte, error) {
	if form == "" {
		return append(dst, "{}"...), nil
	}
	values, err := url.ParseQuery(form)
	if err != nil {
		return nil, malformed("the %s is malformed: %v", what, err)
	}
	for name, list := range values {
		for _, v := range append(list, name) {
			if !utf8.ValidString(v) {
				return nil, malformed("the %s is not UTF-8: %.100q", what, v)
			}
		}
	}
	names := slices.Sorted(maps.Keys(values))
	return appendLists(dst, names, func(name string) []string { return values[name] }), nil
}

// appendJSON appends JSON as it is, or refuses what is none. The text says what
// it is.
func appendJSON(dst, text []byte, what string) ([]byte, error) {
	if !validJSON(text) {
		return nil, malformed("%s is not valid JSON: %s", what, jsonMistake(text))
	}
	return append(dst, text...), nil
}

// maxDepth is how deep JSON may be nested, as in encoding/json.
const maxDepth = 10_000

// validJSON reports whether text is JSON (RFC 8259). gjson is quick, but
// recurses without a bound; so what holds enough brackets to be too deep is left
// to encoding/json.
func validJSON(text []byte) bool {
	if !utf8.Valid(text) {
		return false
	}
	if bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) > maxDepth {
		return json.Valid(text)
	}
	return gjson.ValidBytes(text)
}

// jsonMistake says why text is not valid JSON.
func jsonMistake(text []byte) string {
	if !utf8.Valid(text) {
		return "it is not UTF-8"
	}
	var raw json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return err.Error()
	}
	return "it is malformed"
}
