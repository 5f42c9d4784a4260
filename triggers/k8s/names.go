package k8s

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hearken-go/hearken"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
)

// What an object bears of the firing that made it. Mark puts it there.
const (
	// FiringAnnotation holds the firing's ID.
	FiringAnnotation = "events.hearken.dev/firing"
	// EventsAnnotation holds the IDs of its events: a JSON object by the name of
	// the dependency.
	EventsAnnotation = "events.hearken.dev/events"
	// ActionAnnotation holds its sensor and action, as sensor/action.
	ActionAnnotation = "events.hearken.dev/action"

	// FiringLabel holds the firing's ID as LabelValue has it, to select by.
	FiringLabel = "events.hearken.dev/firing"
	// EventLabels begin the names of labels that hold the IDs of the events as
	// LabelValue has them. What follows is the dependency's name where a label
	// can be named so, and LabelValue of it otherwise.
	EventLabels = "event.hearken.dev/"
)

const (
	defaultMaxName = validation.DNS1123LabelMaxLength
	hashLength     = 13 // 65 bits
	// minMaxName leaves two characters of a prefix.
	minMaxName = hashLength + 3
	// maxQuotedID is how much of an event's ID goes into the annotation: all
	// annotations together may have 256 KiB.
	maxQuotedID = 1024
)

// Name returns the name of what a firing makes: the prefix, cut so that the
// whole has at most maxName characters, a dash, and 13 characters of
// base32(sha256(firing ID, action, resubmit)) in lower case. So a firing that is
// fired again finds what it has made. Zero maxName: 63, which leaves the prefix
// 49. resubmit counts what the same firing makes anew, from 0.
//
// Dashes and dots at the end of the prefix are dropped first, as generateName
// often has one.
func Name(prefix string, f hearken.Firing, resubmit, maxName int) string {
	if maxName == 0 {
		maxName = defaultMaxName
	}
	room := max(maxName-hashLength-1, 0)
	prefix = strings.TrimRight(prefix[:min(len(prefix), room)], "-.")
	hash := hashOf(f.ID, f.Action, fmt.Sprint(resubmit))[:hashLength]
	if prefix == "" {
		return hash
	}
	return prefix + "-" + hash
}

// LabelValue returns the hash of an ID: 32 characters that a label's value may
// consist of, as an ID itself may not.
func LabelValue(id string) string { return hashOf(id)[:32] }

// hashOf returns 52 characters, distinct for distinct lists.
func hashOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)))
}

// Mark puts the annotations and labels of f on o.
func Mark(o *unstructured.Unstructured, f hearken.Firing) {
	annotations, labels := o.GetAnnotations(), o.GetLabels()
	if annotations == nil {
		annotations = make(map[string]string)
	}
	if labels == nil {
		labels = make(map[string]string)
	}
	annotations[FiringAnnotation] = f.ID
	annotations[ActionAnnotation] = f.Sensor + "/" + f.Action
	annotations[EventsAnnotation] = eventIDs(f)
	labels[FiringLabel] = LabelValue(f.ID)
	for dependency, e := range f.Events {
		labels[EventLabel(dependency)] = LabelValue(e.ID())
	}
	o.SetAnnotations(annotations)
	o.SetLabels(labels)
}

// EventLabel returns the name of the label of a dependency's event.
func EventLabel(dependency string) string {
	if name := EventLabels + dependency; len(validation.IsQualifiedName(name)) == 0 {
		return name
	}
	return EventLabels + LabelValue(dependency)
}

func eventIDs(f hearken.Firing) string {
	ids := make(map[string]string, len(f.Events))
	for dependency, e := range f.Events {
		id := e.ID()
		ids[dependency] = strings.ToValidUTF8(id[:min(len(id), maxQuotedID)], "")
	}
	text, _ := json.Marshal(ids) // strings by strings always marshal
	return string(text)
}

// MadeBy reports whether o bears the mark of firing f.
func MadeBy(o *unstructured.Unstructured, f hearken.Firing) bool {
	return f.ID != "" && o.GetAnnotations()[FiringAnnotation] == f.ID
}
