package params

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// maxIndex bounds an index of a destination: sjson fills an array up to it.
const maxIndex = 1 << 16

// dest is a parsed destination.
type dest struct {
	text  string
	parts []part
}

// part is one step of a destination.
type part struct {
	text  string // in sjson's syntax
	get   string // in gjson's
	query bool   // #(...), the first element that it selects
}

// errDepends says that where a destination leads depends on the firing.
var errDepends = errors.New("depends on a value")

// A template that is being split has marks in the place of values: a mark's
// characters occur in no JSON.
const (
	jsonMark = "\x00" // "\x00n\x00": the JSON of value n
	textMark = "\x01" // \x01n\x01: the text of value n, within a string
	marks    = jsonMark + textMark
)

func isJSONMark(raw string) bool { return strings.HasPrefix(raw, `"`+jsonMark) }

// parseDest parses sjson's path syntax, as far as it names one place, and
// queries.
func parseDest(text string) (d dest, mistake string) {
	d.text = text
	for rest, more := text, true; more; {
		var p part
		if p, rest, more, mistake = nextPart(rest); mistake != "" {
			return d, fmt.Sprintf("destination %q: %s", text, mistake)
		}
		d.parts = append(d.parts, p)
	}
	return d, ""
}

func nextPart(s string) (p part, rest string, more bool, mistake string) {
	end := 0
	if p.query = strings.HasPrefix(s, "#("); p.query {
		if end = queryEnd(s); end < 0 {
			return p, "", false, "a query #(...) is not closed"
		}
		if end < len(s) && s[end] != '.' {
			return p, "", false, "after a query #(...) comes a dot or the end"
		}
	} else if end = partEnd(s); end < 0 {
		return p, "", false, `a \ must be followed by a character`
	}
	p.text = s[:end]
	p.get = strings.TrimPrefix(p.text, ":")
	if end < len(s) {
		rest, more = s[end+1:], true
	}
	return p, rest, more, p.mistake()
}

// partEnd returns where the first part of s ends; -1 when in an escape.
func partEnd(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '.':
			return i
		case '\\':
			if i++; i == len(s) {
				return -1
			}
		}
	}
	return len(s)
}

// queryEnd returns where the query that s begins with ends; -1 when it does
// not.
func queryEnd(s string) int {
	depth, quoted := 0, false
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

func (p part) mistake() string {
	if p.query {
		return ""
	}
	if p.get == "" {
		return "a key is empty"
	}
	if strings.ContainsAny(p.get[:1], "!{[") {
		return fmt.Sprintf(`a key that begins with %c is written \%[1]c`, p.get[0])
	}
	for i := 0; i < len(p.get); i++ {
		switch p.get[i] {
		case '\\':
			i++
		case '|', '#', '@', '*', '?':
			return fmt.Sprintf(`it must name one place: a key with %c is written \%[1]c`, p.get[i])
		}
	}
	if n, err := strconv.ParseUint(p.text, 10, 64); (err == nil || errors.Is(err, strconv.ErrRange)) && n > maxIndex {
		return fmt.Sprintf("index %s is too large: a key is written :%[1]s", p.text)
	}
	return ""
}

// place is where a destination leads in a document.
type place struct {
	path string       // in sjson's syntax, queries resolved
	old  gjson.Result // what is there, if it exists
}

// locate follows d through doc. In a document with marks it returns errDepends
// when a value decides the way.
func (d dest) locate(doc string) (place, error) {
	var to place
	cur, missing := gjson.Result{Type: gjson.JSON, Raw: doc}, doc == ""
	path := make([]string, 0, len(d.parts))
	for i, p := range d.parts {
		if isJSONMark(cur.Raw) {
			return to, errDepends
		}
		if !missing && cur.Type != gjson.JSON && cur.Type != gjson.Null {
			return to, &valueError{msg: fmt.Sprintf("destination %q: %s is no object or array", d.text, strings.Join(path, "."))}
		}
		if p.query {
			index, err := selected(cur.Raw, p.text)
			if err != nil || missing {
				return to, d.noElement(path, p, err)
			}
			p.text = strconv.Itoa(index)
			p.get = p.text
		}
		path = append(path, p.text)
		if missing {
			continue
		}
		// As sjson does it: step by step, and what has no index is not there.
		cur = gjson.Get(cur.Raw, p.get)
		missing = cur.Index == 0
		if i == len(d.parts)-1 && !missing {
			to.old = cur
		}
	}
	to.path = strings.Join(path, ".")
	return to, nil
}

func (d dest) noElement(path []string, p part, err error) error {
	if errors.Is(err, errDepends) {
		return err
	}
	return &valueError{msg: fmt.Sprintf("destination %q: %s has no element %s", d.text, strings.Join(path, "."), p.text)}
}

var errNoElement = errors.New("no such element")

// selected returns the index of the first element that the query selects.
func selected(array, query string) (int, error) {
	if !strings.HasPrefix(strings.TrimLeft(array, " \t\r\n"), "[") {
		return 0, errNoElement
	}
	i := 0
	for _, item := range gjson.Parse(array).All() {
		if dependsOnMark(item.Raw, query) {
			return 0, errDepends
		}
		if gjson.Get("["+item.Raw+"]", query).Exists() {
			return i, nil
		}
		i++
	}
	return 0, errNoElement
}

// dependsOnMark reports whether a value may decide if query selects the item.
// It does not when the query is about one key and the item's value of it is
// constant.
func dependsOnMark(item, query string) bool {
	if !strings.ContainsAny(item, marks) {
		return false
	}
	key := strings.TrimPrefix(query, "#(")
	if i := strings.IndexAny(key, "=!<>%"); i >= 0 {
		key = key[:i]
	}
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	if key == "" || strings.Trim(key, plain) != "" || isJSONMark(item) {
		return true
	}
	return strings.ContainsAny(gjson.Get(item, key).Raw, marks)
}
