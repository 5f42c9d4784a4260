package workflow

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
)

// fromManifest reads the JSON of a Workflow. A status would be taken over
// as it is, since Workflows have no status subresource: it is left out.
func fromManifest(manifest []byte) (*unstructured.Unstructured, error) {
	wf := &unstructured.Unstructured{}
	if err := utiljson.Unmarshal(manifest, &wf.Object); err != nil { // whole numbers stay whole
		return nil, fmt.Errorf("the manifest is no JSON of an object (a *k8s.Manifest takes YAML): %w", err)
	}
	switch v, k := wf.GetAPIVersion(), wf.GetKind(); {
	case v == "":
		return nil, errors.New("the manifest has no apiVersion; a Workflow's is " + apiVersion)
	case v != apiVersion || k != kindWorkflow:
		return nil, fmt.Errorf("the manifest is of %s %q; Submit takes %s %q", v, k, apiVersion, kindWorkflow)
	}
	delete(wf.Object, "status")
	dropNull(wf.Object, "metadata", "labels")
	dropNull(wf.Object, "metadata", "annotations")
	return wf, checkTexts(wf)
}

// dropNull takes away the first null on a path: YAML has one where nothing stands
// below a key, and Kubernetes and Argo take it for absent.
func dropNull(o map[string]any, path ...string) {
	for _, key := range path {
		if v, ok := o[key]; ok && v == nil {
			delete(o, key)
			return
		}
		o, _ = o[key].(map[string]any) // what is no object has nothing below
	}
}

// checkTexts refuses metadata that is no text where it has to be, such as a number
// that an event brought: unstructured takes one for none, and all labels for none
// when one of them is a number.
func checkTexts(wf *unstructured.Unstructured) error {
	for _, field := range []string{"name", "generateName", "namespace"} {
		if _, _, err := unstructured.NestedString(wf.Object, "metadata", field); err != nil {
			return fmt.Errorf("metadata.%s is no string", field)
		}
	}
	for _, field := range []string{"labels", "annotations"} {
		there, found, err := unstructured.NestedFieldNoCopy(wf.Object, "metadata", field) // to copy what is no JSON panics
		all, is := there.(map[string]any)
		if err != nil || found && !is {
			return fmt.Errorf("metadata.%s is no object", field)
		}
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if _, ok := all[name].(string); !ok {
				return fmt.Errorf("metadata.%s[%q] is no string", field, name)
			}
		}
	}
	return nil
}

// fromTemplate is what NewWorkflowFromWorkflowTemplate of Argo's
// workflow/common/convert.go (v4.1) makes: the template stays where it is, and
// Argo's controller merges the arguments.
func fromTemplate(kind, name string) *unstructured.Unstructured {
	ref, label := map[string]any{"name": name}, labelTemplate
	if kind == kindClusterWorkflowTemplate {
		ref["clusterScope"] = true
		label = labelClusterTemplate
	}
	wf := newObject(kindWorkflow)
	wf.SetGenerateName(name + "-")
	wf.SetLabels(map[string]string{label: name})
	wf.Object["spec"] = map[string]any{"workflowTemplateRef": ref}
	return wf
}

// fromCron is what ConvertCronWorkflowToWorkflow of the same file makes.
func fromCron(cron *unstructured.Unstructured, now time.Time) (*unstructured.Unstructured, error) {
	spec, found, err := unstructured.NestedMap(cron.Object, "spec", "workflowSpec")
	if err != nil || !found {
		return nil, fmt.Errorf("CronWorkflow %s has no spec.workflowSpec", cron.GetName())
	}
	labels := map[string]string{labelCron: cron.GetName()}
	if id, ok := cron.GetLabels()[labelInstanceID]; ok {
		labels[labelInstanceID] = id
	}
	annotations := map[string]string{annotationScheduledTime: now.Format(time.RFC3339)}
	metadata, _, err := unstructured.NestedMap(cron.Object, "spec", "workflowMetadata")
	if err != nil {
		return nil, err
	}
	meta := &unstructured.Unstructured{Object: map[string]any{"metadata": metadata}}
	maps.Copy(labels, meta.GetLabels())
	maps.Copy(annotations, meta.GetAnnotations())

	wf := newObject(kindWorkflow)
	wf.SetGenerateName(cron.GetName() + "-")
	wf.SetLabels(labels)
	wf.SetAnnotations(annotations)
	if finalizers := meta.GetFinalizers(); len(finalizers) > 0 {
		wf.SetFinalizers(finalizers)
	}
	wf.SetNamespace(cron.GetNamespace())
	wf.Object["spec"] = spec
	return wf, k8s.Own(wf, cron, true)
}

// resubmitted is the copy that FormulateResubmitWorkflow of Argo's
// workflow/util/util.go (v4.1) makes for what is not memoized: no status, no
// trace of the first run's end, and a label with its name. What this package
// noted on the original is not the copy's.
func resubmitted(wf *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	spec, _, err := unstructured.NestedMap(wf.Object, "spec") // a copy
	if err != nil {
		return nil, err
	}
	if deadline, _, _ := unstructured.NestedInt64(spec, "activeDeadlineSeconds"); deadline == 0 {
		delete(spec, "activeDeadlineSeconds") // how Argo used to terminate
	}
	delete(spec, "shutdown")

	labels := wf.GetLabels()
	for _, key := range []string{
		labelPhase, labelCompleted, labelArchiving,
		labelCreator, labelCreator + suffixCreatorEmail, labelCreator + suffixCreatorName,
	} {
		delete(labels, key)
	}
	if labels == nil {
		labels = map[string]string{}
	}
	labels[labelResubmittedFrom] = wf.GetName()
	maps.DeleteFunc(labels, func(key, _ string) bool { return strings.HasPrefix(key, k8s.EventLabels) })
	annotations := wf.GetAnnotations()
	delete(annotations, annotationActs)

	again := newObject(kindWorkflow)
	again.SetNamespace(wf.GetNamespace())
	again.SetGenerateName(prefixOf(wf))
	again.SetLabels(labels)
	again.SetAnnotations(annotations)
	again.SetOwnerReferences(wf.GetOwnerReferences())
	again.Object["spec"] = spec
	return again, nil
}

func prefixOf(wf *unstructured.Unstructured) string {
	if prefix := wf.GetGenerateName(); prefix != "" {
		return prefix
	}
	return wf.GetName() + "-"
}

// parameter is one argument of a Workflow: Argo's parameters are text.
type parameter struct{ name, value string }

// parametersOf returns what the arguments are in a firing, by name. A string is
// itself; all else is its JSON text.
func parametersOf(arguments params.Object, f hearken.Firing) ([]parameter, error) {
	if len(arguments) == 0 {
		return nil, nil
	}
	raw, err := arguments.Payload(f)
	if err != nil {
		return nil, fmt.Errorf("arguments: %w", err)
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, fmt.Errorf("arguments: %w", err)
	}
	list := make([]parameter, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		p := parameter{name, string(values[name])}
		if p.value[0] == '"' {
			if err := json.Unmarshal(values[name], &p.value); err != nil {
				return nil, fmt.Errorf("argument %q: %w", name, err)
			}
		}
		list = append(list, p)
	}
	return list, nil
}

// setParameters merges arguments into those of a Workflow by name: the value of
// one that is there is replaced, and where it came from; others are added.
func setParameters(wf *unstructured.Unstructured, list []parameter) error {
	if len(list) == 0 {
		return nil
	}
	dropNull(wf.Object, "spec", "arguments", "parameters")
	have, _, err := unstructured.NestedSlice(wf.Object, "spec", "arguments", "parameters")
	if err != nil {
		return err
	}
	for _, p := range list {
		i := slices.IndexFunc(have, func(v any) bool {
			m, ok := v.(map[string]any)
			return ok && m["name"] == p.name
		})
		if i < 0 {
			have = append(have, map[string]any{"name": p.name, "value": p.value})
			continue
		}
		m, _ := have[i].(map[string]any)
		delete(m, "valueFrom")
		m["value"] = p.value
	}
	return unstructured.SetNestedSlice(wf.Object, have, "spec", "arguments", "parameters")
}
