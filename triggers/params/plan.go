package params

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hearken-go/hearken"
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// plan is a template made ready.
type plan struct {
	mistakes []error // when not nil, the rest is not to be used
	doc      string  // the template as given
	steps    []step
	chunks   []chunk // nil: the steps must be done in turn
	unseen   []int   // steps that others overwrite; their errors count
	size     int     // of the payload, as a guess
}

// step is a Param made ready.
type step struct {
	dest  dest
	op    Operation
	value Value
}

// chunk is constant text and the value that follows it.
type chunk struct {
	before string
	step   int // -1: none follows
	inner  bool
}

func compile(doc []byte, params []Param) *plan {
	p := &plan{doc: strings.Trim(string(doc), " \t\r\n")}
	p.checkDocument(len(params))
	for i, param := range params {
		p.addStep(i, param)
	}
	if p.mistakes != nil {
		return p
	}
	marked, err := p.marked()
	if errors.Is(err, errDepends) {
		return p
	}
	if err != nil {
		p.mistakes = append(p.mistakes, err)
		return p
	}
	p.split(marked)
	return p
}

func (p *plan) mistake(place, msg string) {
	p.mistakes = append(p.mistakes, &hearken.ConfigError{Path: place, Msg: msg})
}

func (p *plan) checkDocument(params int) {
	switch {
	case p.doc == "" && params == 0:
		p.mistake("JSON", "there is no document, and no Params make one")
	case p.doc == "":
	case !gjson.Valid(p.doc):
		p.mistake("JSON", "the document is not valid JSON")
	case p.doc[0] != '{' && p.doc[0] != '[':
		p.mistake("JSON", "the document is no object or array: a Value is a payload of its own")
	}
}

func (p *plan) addStep(i int, param Param) {
	place := fmt.Sprintf("Params[%d]", i)
	d, msg := parseDest(param.Dest)
	if msg != "" {
		p.mistake(place+".Dest", msg)
	}
	v := valueOf(param.Value)
	if msg := v.mistake(); msg != "" {
		p.mistake(place+".Value", msg)
	}
	if param.Operation > Prepend {
		p.mistake(place+".Operation", fmt.Sprintf("%d is no operation", param.Operation))
	}
	p.steps = append(p.steps, step{d, param.Operation, v})
}

// marked returns the document with constants put in and marks where values go.
func (p *plan) marked() (string, error) {
	doc := p.doc
	for i, s := range p.steps {
		n := strconv.Itoa(i)
		json, inner := `"`+jsonMark+n+jsonMark+`"`, textMark+n+textMark
		if c, ok := s.value.node.(constant); ok {
			json = c.is.json
			text, err := c.is.appendText(nil)
			if err != nil {
				return "", err
			}
			inner = string(text)
		}
		var err error
		if doc, err = s.put(doc, json, inner); err != nil && !errors.Is(err, errDepends) {
			err = &hearken.ConfigError{Path: fmt.Sprintf("Params[%d].Dest", i), Msg: err.Error()}
		}
		if err != nil {
			return "", err
		}
	}
	return doc, nil
}

// put sets the destination in doc: to json, or to a string of what is there and
// inner, which is text as it stands between quotes.
func (s step) put(doc, json, inner string) (string, error) {
	to, err := s.dest.locate(doc)
	if err != nil {
		return "", err
	}
	if s.op != Overwrite {
		if json, err = s.joined(to.old, inner); err != nil {
			return "", err
		}
	}
	doc, err = sjson.SetRaw(doc, to.path, json)
	if err != nil {
		return "", &valueError{msg: fmt.Sprintf("destination %q: %v", s.dest.text, err)}
	}
	return doc, nil
}

func (s step) joined(old gjson.Result, inner string) (string, error) {
	switch {
	case !old.Exists():
		return `"` + inner + `"`, nil
	case isJSONMark(old.Raw):
		return "", errDepends
	case old.Type != gjson.String:
		return "", &valueError{msg: fmt.Sprintf("destination %q: only to a string text can be added", s.dest.text)}
	case s.op == Append:
		return old.Raw[:len(old.Raw)-1] + inner + `"`, nil
	default:
		return `"` + inner + old.Raw[1:], nil
	}
}

// split cuts the marked document at its marks.
func (p *plan) split(marked string) {
	p.size = len(marked) + 64*len(p.steps)
	p.chunks = []chunk{}
	seen := make([]bool, len(p.steps))
	for {
		i := strings.IndexAny(marked, marks)
		if i < 0 {
			p.chunks = append(p.chunks, chunk{before: marked, step: -1})
			break
		}
		mark := marked[i : i+1]
		number, after, _ := strings.Cut(marked[i+1:], mark)
		n, _ := strconv.Atoi(number) // a mark is made of one
		c := chunk{before: marked[:i], step: n, inner: mark == textMark}
		if !c.inner { // the quotes are part of the mark
			c.before, after = c.before[:i-1], after[1:]
		}
		p.chunks = append(p.chunks, c)
		seen[n], marked = true, after
	}
	for i, s := range p.steps {
		if _, isConst := s.value.node.(constant); !isConst && !seen[i] {
			p.unseen = append(p.unseen, i)
		}
	}
}

// join makes the payload of the chunks.
func (p *plan) join(f hearken.Firing) ([]byte, error) {
	for _, i := range p.unseen {
		if _, err := p.resolve(i, f); err != nil {
			return nil, err
		}
	}
	buf := make([]byte, 0, p.size)
	for _, c := range p.chunks {
		buf = append(buf, c.before...)
		if c.step < 0 {
			break
		}
		r, err := p.resolve(c.step, f)
		if err != nil {
			return nil, err
		}
		if c.inner {
			buf, err = r.appendText(buf)
		} else {
			buf, err = r.appendJSON(buf)
		}
		if err != nil {
			return nil, p.in(c.step, err)
		}
	}
	return buf, nil
}

// inTurn makes the payload by one step after the other.
func (p *plan) inTurn(f hearken.Firing) (string, error) {
	doc := p.doc
	for i, s := range p.steps {
		r, err := p.resolve(i, f)
		if err != nil {
			return "", err
		}
		if doc, err = s.apply(doc, r); err != nil {
			return "", p.in(i, err)
		}
	}
	return doc, nil
}

func (s step) apply(doc string, r result) (string, error) {
	if s.op == Overwrite {
		json, err := r.appendJSON(nil)
		if err != nil {
			return "", err
		}
		return s.put(doc, string(json), "")
	}
	inner, err := r.appendText(nil)
	if err != nil {
		return "", err
	}
	return s.put(doc, "", string(inner))
}

func (p *plan) resolve(i int, f hearken.Firing) (result, error) {
	r, err := p.steps[i].value.resolve(f)
	if err != nil {
		return result{}, p.in(i, err)
	}
	return r, nil
}

// in says which Param err is of.
func (p *plan) in(i int, err error) error {
	return fmt.Errorf("Params[%d] (%s): %w", i, p.steps[i].dest.text, err)
}
