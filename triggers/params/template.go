package params

import (
	"errors"
	"fmt"
	"sync"

	"github.com/hearken-go/hearken"
)

// Operation is what a Param does with what stands at its destination.
type Operation uint8

// Append and Prepend join two strings: what stands there must be a string, and
// is an error otherwise; the value counts as Value.AsText says. Where nothing
// stands the text is put there, as a string.
const (
	// Overwrite puts the value in the place of what stands there; the default.
	Overwrite Operation = iota
	// Append puts the value's text after the string.
	Append
	// Prepend puts it before the string.
	Prepend
)

// Param puts a value into a template.
type Param struct {
	// Dest is where, in sjson's syntax (github.com/tidwall/sjson#path-syntax):
	// `spec.args.0`, `list.-1` to add to an array, `map.:5` for a key that is a
	// number, `labels.a\.b` for a key with a dot. What is not there is made.
	//
	// A part may also be a query, which stands for the first element that it
	// selects: `spec.arguments.parameters.#(name=="message").value`. When it
	// selects none that is an error. So it is to lead through a string, a
	// number or a boolean.
	//
	// Dest is not empty: a Value is a payload of its own.
	Dest string

	// Value is what is put there: a Value, an Object or a constant, as in
	// Object.
	Value any

	// Operation says what happens with what stands there.
	Operation Operation
}

// Template is a payload that is a JSON document with values put in, one Param
// after the other, so that each sees the work of those before it. The fields
// must not be changed once in use, nor the template copied.
//
// The document is split at the destinations once, so that a firing only joins
// the pieces. Where a destination depends on the value of another, such as
// "a.b" after a value went to "a", the firing sets them in turn, which costs
// several times as much.
type Template struct {
	// JSON is the document: an object or array. Empty: one that the
	// destinations make.
	JSON []byte
	// Params are put in, in order.
	Params []Param

	once sync.Once
	plan *plan
}

// Payload implements hearken.Payload. A mistake that Validate reports is its
// error.
func (t *Template) Payload(f hearken.Firing) ([]byte, error) {
	p := t.compiled()
	if p.mistakes != nil {
		return nil, hearken.Permanent(errors.Join(p.mistakes...))
	}
	if p.chunks == nil {
		doc, err := p.inTurn(f)
		return []byte(doc), permanent(err)
	}
	buf, err := p.join(f)
	return buf, permanent(err)
}

// Reads implements hearken.Reader. Paths are such as `Params[0].Value`.
func (t *Template) Reads() (reads []hearken.Read) {
	for i, p := range t.Params {
		reads = append(reads, valueOf(p.Value).reads(fmt.Sprintf("Params[%d].Value", i))...)
	}
	return reads
}

// Validate implements hearken.Validator. Of a template that a firing sets in
// turn it cannot tell whether all destinations will be there.
func (t *Template) Validate() error { return errors.Join(t.compiled().mistakes...) }

func (t *Template) compiled() *plan {
	t.once.Do(func() { t.plan = compile(t.JSON, t.Params) })
	return t.plan
}
