package workflow

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/hearken-go/hearken/sources/resource"
	"github.com/hearken-go/hearken/triggers/k8s"
)

// Paths of an event of Completed, in gjson's syntax, to what the Workflow bears
// of the firing that submitted it. The rest is the Workflow itself, such as
// body.metadata.name, body.status.phase and body.status.message.
const (
	// FiringPath leads to the ID of that firing.
	FiringPath = `body.metadata.annotations.events\.hearken\.dev/firing`
	// EventsPath leads to the IDs of its events: an object by the name of the
	// dependency, so that EventsPath + ".push" is one of them.
	EventsPath = `body.metadata.annotations.events\.hearken\.dev/events.@fromstr`
)

// Completed returns a source of the Workflows that firings have submitted and
// that have come to a final phase, in some namespaces or, where none is named,
// in all: an ADD event each, and one more each time that one is retried. With it
// a second sensor acts on what failed, hours later and in another process too,
// where Wait would keep a place on the bus all that time.
//
// It is a preset: what else a resource.Source can do may be set before it is
// used. Workflows that are there when it is first started have their events too,
// unless AfterStart is set.
func Completed(c *k8s.Client, namespaces ...string) *resource.Source {
	s := &resource.Source{
		Resource:   schema.GroupVersionResource{Group: argoGroup, Version: argoVersion, Resource: "workflows"},
		Namespaces: namespaces,
		Types:      []resource.Type{resource.Add},
		Labels:     k8s.FiringLabel + "," + labelPhase + " in (" + phaseSucceeded + "," + phaseFailed + "," + phaseError + ")",
	}
	if c == nil {
		return s // which Validate says
	}
	if s.Config = c.Config; s.Config == nil {
		s.Client = c.Dynamic
	}
	return s
}
