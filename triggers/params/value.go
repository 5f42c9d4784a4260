package params

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hearken-go/hearken"
	"github.com/tidwall/gjson"
)

// Value is something that each firing has its own of. It is immutable. The zero
// value is a mistake that Validate reports.
type Value struct{ node node }

// node is how a value is found.
type node interface {
	resolve(f hearken.Firing) (result, error)
	// reads lists the uses of events, each with the place.
	reads(place string) []hearken.Read
	// mistake says what is wrong with the value itself, or "".
	mistake() string
}

// result is what a value is in a firing.
type result struct {
	json string // empty: text, to be quoted
	text string // the content of a JSON string; of all else its JSON
	raw  bool   // text is what a payload of its own is
}

// Or returns a value that is v, or fallback where v is absent. The fallback is a
// Value, an Object or a constant, as in Object.
//
// To Validate a constant fallback provides for the absence of v's event. Of two
// values from different events each provides for the other; that one of the two
// is there is seen only in the firing.
func (v Value) Or(fallback any) Value { return Value{orElse{v, valueOf(fallback)}} }

// AsText returns v as a string: a JSON string is itself; a number, a boolean,
// null, an object or an array is its JSON text. Where v is a payload of its own
// the text is not quoted.
func (v Value) AsText() Value { return Value{asText{v}} }

// Text returns what v is in a firing, as AsText says: for a URL, a header, a
// name. Nothing is escaped for where the text goes.
func (v Value) Text(f hearken.Firing) (string, error) {
	r, err := v.resolve(f)
	return r.text, permanent(err)
}

// Payload implements hearken.Payload: the JSON of v; what is text by its nature
// (AsText, Context, Concat, RawData) is not quoted.
func (v Value) Payload(f hearken.Firing) ([]byte, error) {
	r, err := v.resolve(f)
	if err != nil {
		return nil, permanent(err)
	}
	if r.raw || r.json == "" {
		return []byte(r.text), nil
	}
	return []byte(r.json), nil
}

// Reads implements hearken.Reader.
func (v Value) Reads() []hearken.Read { return v.reads("") }

// Validate implements hearken.Validator.
func (v Value) Validate() error {
	if msg := v.mistake(); msg != "" {
		return &hearken.ConfigError{Msg: msg}
	}
	return nil
}

// MarshalJSON fails: before a firing a value has no JSON. So Validate finds a
// value within a struct, where it would not be replaced.
func (v Value) MarshalJSON() ([]byte, error) {
	return nil, errors.New("a params.Value must stand in a params.Object, a map[string]any or a []any")
}

const emptyValue = "the Value is empty: params.Data and its like make one"

func (v Value) resolve(f hearken.Firing) (result, error) {
	if v.node == nil {
		return result{}, &valueError{msg: emptyValue}
	}
	return v.node.resolve(f)
}

func (v Value) reads(place string) []hearken.Read {
	if v.node == nil {
		return nil
	}
	return v.node.reads(place)
}

func (v Value) mistake() string {
	if v.node == nil {
		return emptyValue
	}
	return v.node.mistake()
}

// valueError is an error that another attempt cannot mend.
type valueError struct {
	msg    string
	absent bool // Or provides for it
}

func (e *valueError) Error() string { return e.msg }

func absent(format string, args ...any) error {
	return &valueError{msg: fmt.Sprintf(format, args...), absent: true}
}

// permanent marks err unless it is a Func's own.
func permanent(err error) error {
	if err == nil {
		return nil
	}
	var v *valueError
	if errors.As(err, &v) {
		return hearken.Permanent(err)
	}
	return err
}

// appendJSON appends r as JSON.
func (r result) appendJSON(buf []byte) ([]byte, error) {
	if r.json != "" {
		return append(buf, r.json...), nil
	}
	if !utf8.ValidString(r.text) {
		return nil, &valueError{msg: "bytes that are not UTF-8 cannot stand in JSON"}
	}
	return gjson.AppendJSONString(buf, r.text), nil
}

// appendText appends r's text as it stands between the quotes of a JSON string.
func (r result) appendText(buf []byte) ([]byte, error) {
	start := len(buf)
	buf, err := result{text: r.text}.appendJSON(buf)
	if err != nil {
		return nil, err
	}
	copy(buf[start:], buf[start+1:])
	return buf[:len(buf)-2], nil
}

type orElse struct{ first, second Value }

func (o orElse) resolve(f hearken.Firing) (result, error) {
	r, err := o.first.resolve(f)
	if err == nil {
		return r, nil
	}
	var v *valueError
	if !errors.As(err, &v) || !v.absent {
		return r, err
	}
	r, second := o.second.resolve(f)
	if second != nil {
		return result{}, fmt.Errorf("%w, and %w", err, second)
	}
	return r, nil
}

func (o orElse) reads(place string) []hearken.Read {
	first, second := o.first.reads(place), o.second.reads(place)
	all := append(first, second...)
	if !provided(second) && oneDependency(all) {
		return all
	}
	for i := range all {
		all[i].Optional = true
	}
	return all
}

func provided(reads []hearken.Read) bool {
	for _, r := range reads {
		if !r.Optional {
			return false
		}
	}
	return true
}

func oneDependency(reads []hearken.Read) bool {
	for _, r := range reads {
		if r.Dependency != reads[0].Dependency {
			return false
		}
	}
	return true
}

func (o orElse) mistake() string { return joinMistakes(o.first.mistake(), o.second.mistake()) }

type asText struct{ Value }

func (a asText) resolve(f hearken.Firing) (result, error) {
	r, err := a.Value.resolve(f)
	return result{text: r.text}, err
}

// Concat returns the text of all parts, one after the other: values, or
// constants as in Object.
//
//	params.Concat("build ", params.Data(ci, "body.number"), " failed")
func Concat(parts ...any) Value {
	c := make(concat, len(parts))
	for i, p := range parts {
		c[i] = valueOf(p)
	}
	return Value{c}
}

type concat []Value

func (c concat) resolve(f hearken.Firing) (result, error) {
	var text strings.Builder
	for _, v := range c {
		r, err := v.resolve(f)
		if err != nil {
			return result{}, err
		}
		text.WriteString(r.text)
	}
	return result{text: text.String()}, nil
}

func (c concat) reads(place string) (reads []hearken.Read) {
	for _, v := range c {
		reads = append(reads, v.reads(place)...)
	}
	return reads
}

func (c concat) mistake() string {
	var all []string
	for _, v := range c {
		all = append(all, v.mistake())
	}
	return joinMistakes(all...)
}

// Func returns a value that Go code makes of a firing. What it returns is
// marshalled by encoding/json. It is called concurrently; its error fails the
// attempt, and another attempt follows unless it is Permanent.
func Func(fn func(f hearken.Firing) (any, error)) Value { return Value{function(fn)} }

type function func(f hearken.Firing) (any, error)

func (fn function) resolve(f hearken.Firing) (result, error) {
	if fn == nil {
		return result{}, &valueError{msg: fn.mistake()}
	}
	v, err := fn(f)
	if err != nil {
		return result{}, err
	}
	return marshalled(v)
}

func (function) reads(string) []hearken.Read { return nil }

func (fn function) mistake() string {
	if fn == nil {
		return "Func of nil"
	}
	return ""
}

// Const returns a value that is the same in each firing: v, marshalled by
// encoding/json. Object, Or and Param take constants as they are.
func Const(v any) Value {
	r, err := marshalled(v)
	return Value{constant{r, err}}
}

func marshalled(v any) (result, error) {
	if msg := constantMistake(v); msg != "" {
		return result{}, &valueError{msg: msg}
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return result{}, &valueError{msg: fmt.Sprintf("%T is no JSON: %v", v, err)}
	}
	return jsonResult(gjson.ParseBytes(raw)), nil
}

// constantMistake refuses what encoding/json would take for something else.
func constantMistake(v any) string {
	switch v.(type) {
	case hearken.Secret:
		return "a Secret would be sent as ***: convert it to string"
	case Value, Object, map[string]any, []any:
		return ""
	case hearken.Payload:
		return fmt.Sprintf("%T is a payload, not a value", v)
	}
	return ""
}

type constant struct {
	is  result
	err error
}

func (c constant) resolve(hearken.Firing) (result, error) { return c.is, c.err }
func (constant) reads(string) []hearken.Read              { return nil }

func (c constant) mistake() string {
	if c.err != nil {
		return c.err.Error()
	}
	return ""
}

func joinMistakes(all ...string) string {
	var some []string
	for _, msg := range all {
		if msg != "" {
			some = append(some, msg)
		}
	}
	return strings.Join(some, "; ")
}
