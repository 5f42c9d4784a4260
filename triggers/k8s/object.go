package k8s

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/hearken-go/hearken"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
)

// object returns the firing's object, named and, to be created, marked.
func (t *Trigger) object(f hearken.Firing) (*unstructured.Unstructured, error) {
	if t.Client == nil || t.Object == nil {
		return nil, hearken.Permanent(errors.New("the trigger has no Client, or no Object"))
	}
	text, err := t.Object.Payload(f)
	if err != nil {
		return nil, fmt.Errorf("%v: object: %w", t.Operation, err)
	}
	o := &unstructured.Unstructured{}
	if err := json.Unmarshal(text, &o.Object); err != nil {
		return nil, hearken.Permanent(fmt.Errorf("%v: the object is no JSON object: %w", t.Operation, err))
	}
	if err := t.complete(o, f); err != nil {
		return nil, hearken.Permanent(fmt.Errorf("%v %s: %w", t.Operation, describe(o), err))
	}
	return o, nil
}

// complete checks what names o, and gives it its name.
func (t *Trigger) complete(o *unstructured.Unstructured, f hearken.Firing) error {
	if _, err := kindOf(o); err != nil {
		return err
	}
	meta, ok := o.Object["metadata"].(map[string]any)
	if !ok {
		return errors.New("the object has no metadata, which would name it")
	}
	for _, field := range []string{"name", "generateName", "namespace", "uid", "resourceVersion"} {
		if v, ok := meta[field]; ok {
			if _, ok := v.(string); !ok {
				return fmt.Errorf("metadata.%s is no string", field)
			}
		}
	}
	if t.creates() {
		if err := checkMarkable(o); err != nil {
			return err
		}
		dropUnsetTimes(o.Object)
	}
	return t.name(o, f)
}

// dropUnsetTimes takes away what JSON of metav1.ObjectMeta has by old Go code, a
// creationTimestamp of null: in a template of a custom resource, whose definition
// need not say what metadata is, it would be a field that the kind does not have.
func dropUnsetTimes(v any) {
	switch v := v.(type) {
	case map[string]any:
		const field = "creationTimestamp"
		if metadata, ok := v["metadata"].(map[string]any); ok && metadata[field] == nil {
			delete(metadata, field)
		}
		for _, below := range v {
			dropUnsetTimes(below)
		}
	case []any:
		for _, below := range v {
			dropUnsetTimes(below)
		}
	}
}

func (t *Trigger) creates() bool {
	return t.Operation == Create || t.Operation == CreateIfAbsent || t.Operation == Merge
}

// checkMarkable refuses labels and annotations that are no texts, such as a number
// that an event brought: unstructured takes all of them for none, so that to add
// one would drop the others.
func checkMarkable(o *unstructured.Unstructured) error { return first(unmarkable(o)) }

func unmarkable(o *unstructured.Unstructured) (errs []error) {
	for _, field := range []string{"labels", "annotations"} {
		all, found, err := unstructured.NestedFieldNoCopy(o.Object, "metadata", field)
		if err != nil {
			return []error{errors.New("metadata is no object")}
		}
		texts, ok := all.(map[string]any)
		if found && all != nil && !ok {
			errs = append(errs, fmt.Errorf("metadata.%s is no object", field))
		}
		for _, name := range slices.Sorted(maps.Keys(texts)) {
			if _, ok := texts[name].(string); !ok {
				errs = append(errs, fmt.Errorf("metadata.%s[%q] is no string; in YAML put it in quotes", field, name))
			}
		}
	}
	return errs
}

func (t *Trigger) name(o *unstructured.Unstructured, f hearken.Firing) error {
	creates, prefix := t.creates(), o.GetGenerateName()
	switch {
	case o.GetName() != "":
	case creates && prefix != "":
		o.SetName(Name(prefix, f, 0, t.MaxName))
		o.SetGenerateName("")
	case creates:
		return errors.New("the object has neither a name nor a generateName")
	default:
		return errors.New("the object has no name, which would say which one is meant")
	}
	return checkPath(o)
}

// maxFieldManager is what the API server takes.
const maxFieldManager = 128

// fieldManager makes one of a pipeline's name.
func fieldManager(pipeline string) string {
	if pipeline == "" {
		return "hearken"
	}
	printable := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '-'
		}
		return r
	}, "hearken/"+pipeline)
	return strings.ToValidUTF8(printable[:min(len(printable), maxFieldManager)], "")
}
