package filters

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/hearken-go/hearken"
	"github.com/tidwall/gjson"
)

// Matcher is a test of a value that Data and Context take beside plain Go
// values. It is made by the functions of this package.
type Matcher interface {
	fmt.Stringer
	match(v value) bool
	// mistake says what is wrong with the matcher itself, or "".
	mistake() string
}

type presence bool

const (
	// Exists matches any value that is there, null too.
	Exists = presence(true)
	// Absent matches when nothing is there.
	Absent = presence(false)
)

func (p presence) match(v value) bool { return (v.kind != absent) == bool(p) }
func (presence) mistake() string      { return "" }

// String returns "anything" or "nothing".
func (p presence) String() string {
	if p {
		return "anything"
	}
	return "nothing"
}

// In matches what one of values does: for a slice at hand, where Go does not let
// []string stand for ...any.
func In[S ~[]E, E any](values S) Matcher {
	all := make([]any, len(values))
	for i, v := range values {
		all[i] = v
	}
	ms, mistakes := matchers(all)
	return in{ms, mistakes}
}

type in struct {
	alternatives
	mistakes
}

// Except matches a value that is there and that none of values matches.
func Except(values ...any) Matcher { return except{In(values).(in)} }

type except struct{ in }

func (x except) match(v value) bool { return v.kind != absent && !x.alternatives.match(v) }
func (x except) String() string     { return "anything but " + x.alternatives.String() }

// Element matches an array with an element that one of values matches.
func Element(values ...any) Matcher { return element{In(values).(in)} }

type element struct{ in }

func (x element) match(v value) bool {
	if v.kind != composite || v.text[0] != '[' {
		return false
	}
	for _, item := range gjson.Parse(v.text).All() {
		if x.alternatives.match(jsonValue(item)) {
			return true
		}
	}
	return false
}

func (x element) String() string { return "an array with " + x.alternatives.String() }

// alternatives match when one of them does.
type alternatives []Matcher

func (a alternatives) match(v value) bool {
	for _, m := range a {
		if m.match(v) {
			return true
		}
	}
	return false
}

func (a alternatives) String() string {
	words := make([]string, len(a))
	for i, m := range a {
		words[i] = m.String()
	}
	return strings.Join(words, " or ")
}

func (a alternatives) wantsNull() bool {
	for _, m := range a {
		if l, ok := m.(literal); ok && l == literal(null) {
			return true
		}
	}
	return false
}

// matchers makes a Matcher of each value.
func matchers(values []any) (alternatives, mistakes) {
	var ms alternatives
	var wrong mistakes
	if len(values) == 0 {
		wrong = append(wrong, "no values: filters.Exists asks for any")
	}
	for _, v := range values {
		m, msg := matcher(v)
		if msg == "" {
			msg = m.mistake()
		}
		if msg != "" {
			wrong = append(wrong, msg)
			continue
		}
		ms = append(ms, m)
	}
	return ms, wrong
}

func matcher(v any) (m Matcher, mistake string) {
	switch v := v.(type) {
	case nil:
		return literal(null), ""
	case Matcher:
		return v, ""
	case *regexp.Regexp:
		return pattern{v, ""}, ""
	case json.Number:
		return parsedNumber(v.String())
	case hearken.Secret:
		return nil, "a Secret would show in debug lines: convert it to string if it may"
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.String:
		return text(r.String()), ""
	case reflect.Bool:
		return boolean(r.Bool()), ""
	case reflect.Slice, reflect.Array:
		return nil, fmt.Sprintf("%T is no value: filters.In takes a slice of alternatives", v)
	default:
		if n, ok := numberOf(r); ok {
			return n, ""
		}
		return nil, fmt.Sprintf("%T is no value: a string, number, bool, nil or Matcher is", v)
	}
}

// mistakes are what Validate reports of one filter.
type mistakes []string

func (m mistakes) mistake() string { return strings.Join(m, "; ") }

func (m mistakes) at(path string) error {
	if len(m) == 0 {
		return nil
	}
	return &hearken.ConfigError{Path: path, Msg: m.mistake()}
}
