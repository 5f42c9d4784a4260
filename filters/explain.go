package filters

import (
	"context"
	"fmt"

	"github.com/hearken-go/hearken"
)

// describer is a filter that looks at one thing.
type describer interface {
	describe(e hearken.Event) (found, wanted string)
}

func explain(d describer, e hearken.Event) string {
	found, wanted := d.describe(e)
	return found + ", want " + wanted
}

// verdict asks a filter again, but no function of the application's.
func verdict(f hearken.Filter, e hearken.Event) (matched, known bool) {
	switch f := f.(type) {
	case *dataFilter, *contextFilter, *timeFilter:
		ok, err := f.Match(context.Background(), e)
		return ok, err == nil
	case *not:
		ok, known := verdict(f.filter, e)
		return !ok, known
	case *group:
		return f.verdict(e)
	default:
		return false, false
	}
}

func (g *group) verdict(e hearken.Event) (matched, known bool) {
	known = true
	for _, m := range g.members {
		ok, sure := verdict(m, e)
		if sure && ok == g.decides {
			return ok, true
		}
		known = known && sure
	}
	return !g.decides, known
}

// reason says why f rejected e.
func reason(f hearken.Filter, e hearken.Event) string {
	if x, ok := f.(interface{ Explain(hearken.Event) string }); ok {
		return x.Explain(e)
	}
	return fmt.Sprintf("%T said no", f)
}
