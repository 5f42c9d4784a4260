package filters

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// value is what an event holds at a path or for an attribute.
type value struct {
	kind kind
	text string  // a string's content, otherwise the JSON text
	num  float64 // of a number
}

type kind uint8

const (
	absent kind = iota
	null
	no
	yes
	numeric
	jsonText
	attributeText // of no known type
	composite     // an object or array
)

// jsonValue takes what is no word or number of JSON for absent: gjson reads nul as
// null, tru as true, 0x10 and n as 0, and a bus may deliver what another
// publisher called JSON.
func jsonValue(r gjson.Result) value {
	switch r.Type {
	case gjson.String:
		return value{kind: jsonText, text: r.Str}
	case gjson.Number:
		if r.Raw != "" && !gjson.Valid(r.Raw) {
			return value{}
		}
		return value{kind: numeric, text: r.Raw, num: r.Num}
	case gjson.JSON:
		return value{kind: composite, text: r.Raw}
	}
	switch r.Raw {
	case "true":
		return value{kind: yes}
	case "false":
		return value{kind: no}
	case "null":
		return value{kind: null}
	default:
		return value{}
	}
}

func (v value) isText() bool { return v.kind == jsonText || v.kind == attributeText }

// maxShown bounds the bytes of a value in an explanation.
const maxShown = 100

// String returns the value for an explanation.
func (v value) String() string {
	switch v.kind {
	case absent:
		return "absent"
	case null:
		return "null"
	case no:
		return "false"
	case yes:
		return "true"
	case numeric:
		if v.text == "" { // computed: the length of an array
			return strconv.FormatFloat(v.num, 'f', -1, 64)
		}
		return cut(v.text)
	case composite:
		return cut(v.text)
	default:
		return strconv.Quote(cut(v.text))
	}
}

// cut shortens s, between two characters, and says by how much.
func cut(s string) string {
	if len(s) <= maxShown {
		return s
	}
	n := maxShown
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return fmt.Sprintf("%s...(%d bytes)", s[:n], len(s))
}
