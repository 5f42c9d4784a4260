package filters

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hearken-go/hearken"
)

// All matches when each of the filters does. One that does not match decides,
// whatever the others' errors; those that follow are not asked. Without such a
// one, an error of any is the result. So the order of the filters decides
// what is asked, never the outcome.
func All(filters ...hearken.Filter) hearken.Filter {
	return &group{"All", false, slices.Clone(filters)}
}

// Any matches when one of the filters does. One that matches decides, whatever
// the others' errors; those that follow are not asked. Without such a one, an
// error of any is the result.
func Any(filters ...hearken.Filter) hearken.Filter { return &group{"Any", true, slices.Clone(filters)} }

// Not matches when the filter does not. Its error stays an error.
func Not(filter hearken.Filter) hearken.Filter { return &not{filter} }

// Func is a function that is a Filter. It is called concurrently. Where it is
// part of another filter, Explain does not call it.
type Func func(ctx context.Context, e hearken.Event) (bool, error)

var errNilFunc = errors.New("Func is nil")

// Match calls f.
func (f Func) Match(ctx context.Context, e hearken.Event) (bool, error) {
	if f == nil {
		return false, errNilFunc
	}
	return f(ctx, e)
}

// Validate implements hearken.Validator.
func (f Func) Validate() error {
	if f == nil {
		return errNilFunc
	}
	return nil
}

// Explain says that a function decided.
func (Func) Explain(hearken.Event) string { return "a function said no" }

// group is All (decided by false) or Any (decided by true).
type group struct {
	name    string
	decides bool
	members []hearken.Filter
}

// Match implements hearken.Filter.
func (g *group) Match(ctx context.Context, e hearken.Event) (bool, error) {
	if len(g.members) == 0 {
		return false, g.Validate()
	}
	var errs []error
	for i, m := range g.members {
		if m == nil {
			errs = append(errs, g.Validate())
			continue
		}
		ok, err := m.Match(ctx, e)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", g.place(i), err))
		case ok == g.decides:
			return ok, nil
		}
	}
	if errs != nil {
		return false, errors.Join(errs...)
	}
	return !g.decides, nil
}

func (g *group) place(i int) string { return fmt.Sprintf("%s[%d]", g.name, i) }

// Validate implements hearken.Validator.
func (g *group) Validate() error {
	var m hearken.Mistakes
	if len(g.members) == 0 {
		m.Add(g.name, "no filters")
	}
	for i, f := range g.members {
		ask(&m, g.place(i), f)
	}
	return m.Err()
}

// Explain says which filter of an All rejected e, or why each of an Any did.
func (g *group) Explain(e hearken.Event) string {
	var reasons []string
	unsure := ""
	for i, m := range g.members {
		matched, known := verdict(m, e)
		if matched && known {
			continue
		}
		why := g.place(i) + ": " + reason(m, e)
		switch {
		case g.decides:
			reasons = append(reasons, why)
		case known:
			return why
		case unsure == "":
			unsure = why
		}
	}
	if g.decides {
		return strings.Join(reasons, "; ")
	}
	return unsure
}

type not struct{ filter hearken.Filter }

// Match implements hearken.Filter.
func (n *not) Match(ctx context.Context, e hearken.Event) (bool, error) {
	if n.filter == nil {
		return false, n.Validate()
	}
	ok, err := n.filter.Match(ctx, e)
	return !ok && err == nil, err
}

// Validate implements hearken.Validator.
func (n *not) Validate() error {
	var m hearken.Mistakes
	ask(&m, "Not", n.filter)
	return m.Err()
}

// Explain says what was found and was not wanted.
func (n *not) Explain(e hearken.Event) string {
	if d, ok := n.filter.(describer); ok {
		found, wanted := d.describe(e)
		return found + ", want not " + wanted
	}
	return "Not: the filter matched"
}

// ask adds the mistakes of a filter at a place.
func ask(m *hearken.Mistakes, place string, f hearken.Filter) {
	if f == nil {
		m.Add(place, "the filter is nil")
		return
	}
	m.Ask(place, f)
}
