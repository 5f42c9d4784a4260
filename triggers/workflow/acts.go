package workflow

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// annotationActs lists the firings that have acted on an object that they did
// not make, oldest first, so that each acts once.
const annotationActs = "events.hearken.dev/acts"

// maxActs bounds that list. A firing that is fired again only after so many
// others acted on the same object acts again.
const maxActs = 32

// act is one firing's.
type act struct {
	firing string
	// witness is what the object looked like when the firing began to act by
	// more than one request: as long as it looks so, the firing has not acted.
	// Empty: it has.
	witness string
}

// acts are written as "firing" or "firing=witness", with spaces between.
type acts []act

func actsOf(o *unstructured.Unstructured) acts {
	var list acts
	for _, entry := range strings.Fields(o.GetAnnotations()[annotationActs]) {
		firing, witness, _ := strings.Cut(entry, "=")
		list = append(list, act{firing, witness})
	}
	return list
}

func (a acts) of(firing string) (found act, ok bool) {
	i := slices.IndexFunc(a, func(one act) bool { return one.firing == firing })
	if i < 0 {
		return act{}, false
	}
	return a[i], true
}

// has reports whether the firing has acted.
func (a acts) has(firing string) bool {
	one, ok := a.of(firing)
	return ok && one.witness == ""
}

// with returns the list with one act more, or as it is now.
func (a acts) with(one act) acts {
	list := slices.DeleteFunc(slices.Clone(a), func(other act) bool { return other.firing == one.firing })
	list = append(list, one)
	return list[max(0, len(list)-maxActs):]
}

func (a acts) String() string {
	entries := make([]string, len(a))
	for i, one := range a {
		entries[i] = one.firing
		if one.witness != "" {
			entries[i] += "=" + one.witness
		}
	}
	return strings.Join(entries, " ")
}
