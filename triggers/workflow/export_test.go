package workflow

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Pure parts, for tables of what they make.
var (
	FromManifest = fromManifest
	FromTemplate = fromTemplate
	FromCron     = fromCron
	Resubmitted  = resubmitted
	Resumption   = resumption
)

// AddActs returns what the annotation holds after these firings have acted, one
// after the other.
func AddActs(annotation string, entries ...[2]string) string {
	o := &unstructured.Unstructured{}
	o.SetAnnotations(map[string]string{annotationActs: annotation})
	list := actsOf(o)
	for _, e := range entries {
		list = list.with(act{e[0], e[1]})
	}
	return list.String()
}

// Outcome judges a Workflow.
func Outcome(wf *unstructured.Unstructured) (finished, failed bool) {
	o := outcomeOf(wf)
	return o.finished(), o.failed()
}

// Noon is a time for tests.
func Noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }
