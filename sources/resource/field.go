package resource

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/tidwall/gjson"
)

// Operator says how a Field compares.
type Operator string

// The operators. Comparison is typed: a string equals a JSON string and never a
// number, and only numbers are less or greater than numbers. A path that leads
// nowhere fulfils Absent and nothing else.
const (
	Equal    Operator = "="      // one of Values; a Field's default
	NotEqual Operator = "!="     // there, and none of Values
	Less     Operator = "<"      // less than Values[0]
	AtMost   Operator = "<="     // Values[0] or less
	Greater  Operator = ">"      // greater than Values[0]
	AtLeast  Operator = ">="     // Values[0] or more
	Matches  Operator = "~"      // a string in which one of Values, regular expressions, is found
	Exists   Operator = "exists" // there, null too; no Values
	Absent   Operator = "!"      // not there; no Values
)

// Field is a condition on an object's JSON.
type Field struct {
	// Path is where to look, in gjson's syntax
	// (github.com/tidwall/gjson/blob/master/SYNTAX.md), from the object's root:
	// "status.phase", `spec.containers.#(name=="web").image`,
	// `metadata.annotations.example\.com/team`.
	Path string
	// Operator says how to compare. Empty: Equal.
	Operator Operator
	// Values are what to compare with: strings, bools, integers, floats, or nil
	// for null.
	Values []any
}

func (f Field) operator() Operator {
	if f.Operator == "" {
		return Equal
	}
	return f.Operator
}

// mistake returns what is wrong with f and what would do, or "".
func (f Field) mistake() string {
	if f.Path == "" {
		return "has no Path"
	}
	switch op := f.operator(); op {
	case Equal, NotEqual:
		if len(f.Values) == 0 {
			return fmt.Sprintf("%q %s nothing; give Values", f.Path, op)
		}
		return f.badValue(func(v any) string {
			if _, ok := literal(v); !ok {
				return fmt.Sprintf("is a %T; a string, bool, number or nil can be compared", v)
			}
			return ""
		})
	case Less, AtMost, Greater, AtLeast:
		if len(f.Values) != 1 {
			return fmt.Sprintf("%q %s needs one value, and has %d", f.Path, op, len(f.Values))
		}
		return f.badValue(func(v any) string {
			if l, ok := literal(v); !ok || l.Type != gjson.Number {
				return fmt.Sprintf("is %v (%T); only numbers are less or greater", v, v)
			}
			return ""
		})
	case Matches:
		if len(f.Values) == 0 {
			return fmt.Sprintf("%q ~ nothing; give Values", f.Path)
		}
		return f.badValue(func(v any) string {
			text, ok := v.(string)
			if !ok {
				return fmt.Sprintf("is a %T; a regular expression is a string", v)
			}
			if _, err := regexp.Compile(text); err != nil {
				return err.Error()
			}
			return ""
		})
	case Exists, Absent:
		if len(f.Values) > 0 {
			return fmt.Sprintf("%q %s takes no Values", f.Path, op)
		}
		return ""
	default:
		return fmt.Sprintf("has the operator %q; there are =, !=, <, <=, >, >=, ~, exists and !", op)
	}
}

func (f Field) badValue(check func(any) string) string {
	for i, v := range f.Values {
		if msg := check(v); msg != "" {
			return fmt.Sprintf("Values[%d] %s", i, msg)
		}
	}
	return ""
}

// literal returns v as JSON.
func literal(v any) (gjson.Result, bool) {
	switch v.(type) {
	case nil, string, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64, json.Number:
		b, err := json.Marshal(v)
		return gjson.ParseBytes(b), err == nil
	default:
		return gjson.Result{}, false
	}
}

// condition is a Field made ready.
type condition struct {
	path     string
	operator Operator
	values   []gjson.Result
	patterns []*regexp.Regexp
}

// conditions makes fields, which have no mistakes, ready.
func conditions(fields []Field) []condition {
	var cs []condition
	for _, f := range fields {
		c := condition{path: f.Path, operator: f.operator()}
		for _, v := range f.Values {
			if text, ok := v.(string); ok && c.operator == Matches {
				c.patterns = append(c.patterns, regexp.MustCompile(text))
			} else if l, ok := literal(v); ok {
				c.values = append(c.values, l)
			}
		}
		cs = append(cs, c)
	}
	return cs
}

// hold reports whether all of cs hold for an object's JSON.
func hold(cs []condition, body []byte) bool {
	for _, c := range cs {
		if !c.holds(gjson.GetBytes(body, c.path)) {
			return false
		}
	}
	return true
}

func (c condition) holds(found gjson.Result) bool {
	if !found.Exists() {
		return c.operator == Absent
	}
	switch c.operator {
	case Exists:
		return true
	case Equal:
		return slices.ContainsFunc(c.values, func(v gjson.Result) bool { return equal(found, v) })
	case NotEqual:
		return !slices.ContainsFunc(c.values, func(v gjson.Result) bool { return equal(found, v) })
	case Matches:
		return found.Type == gjson.String &&
			slices.ContainsFunc(c.patterns, func(re *regexp.Regexp) bool { return re.MatchString(found.Str) })
	case Less, AtMost, Greater, AtLeast:
		return found.Type == gjson.Number && c.ordered(compareNumbers(found, c.values[0]))
	default:
		return false
	}
}

func (c condition) ordered(sign int) bool {
	switch c.operator {
	case Less:
		return sign < 0
	case AtMost:
		return sign <= 0
	case Greater:
		return sign > 0
	default:
		return sign >= 0
	}
}

func equal(a, b gjson.Result) bool {
	switch {
	case a.Type != b.Type:
		return false
	case a.Type == gjson.String:
		return a.Str == b.Str
	case a.Type == gjson.Number:
		return compareNumbers(a, b) == 0
	default:
		return a.Type != gjson.JSON
	}
}

// compareNumbers compares integers of 64 bits exactly, other numbers as float64.
func compareNumbers(a, b gjson.Result) int {
	i, errI := strconv.ParseInt(a.Raw, 10, 64)
	j, errJ := strconv.ParseInt(b.Raw, 10, 64)
	if errI == nil && errJ == nil {
		return cmp.Compare(i, j)
	}
	return cmp.Compare(a.Num, b.Num)
}
