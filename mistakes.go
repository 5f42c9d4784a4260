package hearken

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Mistakes collects what a Validate finds, so that all of it is told at once. The
// zero value holds none.
//
//	func (t *Trigger) Validate() error {
//		var m hearken.Mistakes
//		if t.URL == "" {
//			m.Add("URL", "is empty; say where to post")
//		}
//		m.Ask("Payload", t.Payload)
//		return m.Err()
//	}
type Mistakes struct{ errs []error }

// Add adds a ConfigError: what is wrong at path, a field's name such as
// `Headers["x"]`, and what would do.
func (m *Mistakes) Add(path, format string, args ...any) {
	m.errs = append(m.errs, &ConfigError{Path: path, Msg: fmt.Sprintf(format, args...)})
}

// Ask adds what a part, the value of the field at path, has to say of itself, if
// it is a Validator. A part that is not set is nil as an interface; a nil pointer
// within one is a mistake, and so is a panic.
func (m *Mistakes) Ask(path string, part any) {
	defer m.recovered(path)
	switch v, ok := part.(Validator); {
	case part == nil:
	case isNil(part):
		m.Add(path, "is a nil %T", part)
	case ok:
		m.AddErr(path, v.Validate())
	}
}

// recovered makes a mistake of a panic while a part is asked.
func (m *Mistakes) recovered(path string) {
	if v := recover(); v != nil {
		m.Add(path, "panicked when it was asked: %v", v)
	}
}

// AddErr adds the errors that err joins, each as a ConfigError below path. It
// does nothing for nil.
func (m *Mistakes) AddErr(path string, err error) {
	if isNil(err) {
		return
	}
	if c, ok := err.(*ConfigError); ok { //nolint:errorlint // what wraps it says more
		m.Add(below(path, c.Path), "%s", c.Msg)
		return
	}
	if list, ok := err.(interface{ Unwrap() []error }); ok && err.Error() == errors.Join(list.Unwrap()...).Error() {
		for _, e := range list.Unwrap() {
			m.AddErr(path, e)
		}
		return
	}
	m.Add(path, "%v", err)
}

// Err returns all mistakes joined, in the order in which they were added, or nil.
func (m *Mistakes) Err() error { return errors.Join(m.errs...) }

// ReadsAt returns what a part of a trigger, the value of the field at path, reads,
// if it is a Reader: for the trigger's own Reads.
func ReadsAt(path string, part any) []Read {
	r, ok := part.(Reader)
	if !ok || isNil(part) {
		return nil
	}
	reads := slices.Clone(r.Reads())
	for i := range reads {
		reads[i].Path = below(path, reads[i].Path)
	}
	return reads
}

// below is the place sub within path.
func below(path, sub string) string {
	if sub == "" || path == "" || strings.HasPrefix(sub, "[") {
		return path + sub
	}
	return path + "." + sub
}
