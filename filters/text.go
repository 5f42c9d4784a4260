package filters

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// text matches an equal string.
type text string

func (t text) match(v value) bool { return v.isText() && v.text == string(t) }
func (text) mistake() string      { return "" }
func (t text) String() string     { return strconv.Quote(string(t)) }

// literal matches true, false or null.
type literal kind

func boolean(b bool) literal {
	if b {
		return literal(yes)
	}
	return literal(no)
}

func (l literal) match(v value) bool {
	return v.kind == kind(l) || v.kind == attributeText && l != literal(null) && v.text == l.String()
}

func (literal) mistake() string  { return "" }
func (l literal) String() string { return value{kind: kind(l)}.String() }

// Prefix matches a string that begins with s.
func Prefix(s string) Matcher { return prefix(s) }

type prefix string

func (p prefix) match(v value) bool { return v.isText() && strings.HasPrefix(v.text, string(p)) }
func (prefix) mistake() string      { return "" }
func (p prefix) String() string     { return strconv.Quote(string(p)) + "..." }

// Suffix matches a string that ends with s.
func Suffix(s string) Matcher { return suffix(s) }

type suffix string

func (s suffix) match(v value) bool { return v.isText() && strings.HasSuffix(v.text, string(s)) }
func (suffix) mistake() string      { return "" }
func (s suffix) String() string     { return "..." + strconv.Quote(string(s)) }

// Regexp matches a string in which the regular expression (package regexp's
// syntax) finds a match, anywhere: ^ and $ bind it to the ends. A
// *regexp.Regexp at hand is a value of its own.
func Regexp(expr string) Matcher {
	re, err := regexp.Compile(expr)
	if err != nil {
		return pattern{nil, fmt.Sprintf("Regexp(%q): %v", expr, err)}
	}
	return pattern{re, ""}
}

type pattern struct {
	re    *regexp.Regexp
	wrong string
}

func (p pattern) match(v value) bool { return v.isText() && p.re.MatchString(v.text) }
func (p pattern) String() string     { return "/" + p.re.String() + "/" }

func (p pattern) mistake() string {
	if p.re == nil && p.wrong == "" {
		return "the *regexp.Regexp is nil"
	}
	return p.wrong
}
