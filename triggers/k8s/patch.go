package k8s

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hearken-go/hearken"
	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/json"
)

func (a *action) patch(ctx context.Context) (*unstructured.Unstructured, error) {
	body, err := a.patchBody(ctx)
	if err != nil {
		return nil, err
	}
	made, err := a.resource.Patch(ctx, a.object.GetName(), patchType(a.Operation), body,
		metav1.PatchOptions{FieldManager: a.fieldManager(), FieldValidation: a.fieldValidation()}, a.subresources()...)
	if a.Operation == JSONPatch && saysNoMore(err) {
		err = fmt.Errorf("a test in the patch does not hold, or a path of it is not there: %w", err)
	}
	return made, a.guardFailed(err)
}

// saysNoMore knows the answer to a JSON patch that cannot be made, which does not
// say why.
func saysNoMore(err error) bool {
	var status apierrors.APIStatus
	return apierrors.IsInvalid(err) && errors.As(err, &status) && len(causes(status.Status())) == 0
}

func patchType(op Operation) types.PatchType {
	switch op {
	case JSONPatch:
		return types.JSONPatchType
	case StrategicMergePatch:
		return types.StrategicMergePatchType
	}
	return types.MergePatchType
}

// guardFailed marks a conflict that comes of a guard, and so will stay.
func (a *action) guardFailed(err error) error {
	if apierrors.IsConflict(err) && a.guarded() {
		return hearken.Permanent(err)
	}
	return err
}

// patchBody is Patch, or the Object, with the guards in it.
func (a *action) patchBody(ctx context.Context) ([]byte, error) {
	if a.Patch == nil {
		if a.Operation == JSONPatch {
			return nil, hearken.Permanent(errors.New("Patch is nil"))
		}
		if err := a.Client.checkOwners(ctx, a.object); err != nil {
			return nil, err
		}
		return json.Marshal(a.object.Object)
	}
	text, err := a.Patch.Payload(a.firing)
	if err != nil {
		return nil, wrap("patch", err)
	}
	if err := a.checkOwnersIn(ctx, text); err != nil || !a.guarded() {
		return text, err
	}
	if a.Operation == JSONPatch {
		text, err = a.guardedJSONPatch(text)
	} else {
		text, err = a.guardedMergePatch(text)
	}
	return text, hearken.Permanent(wrap("patch", err))
}

// checkOwnersIn looks for owners in a patch. What is no patch the API server
// refuses.
func (a *action) checkOwnersIn(ctx context.Context, patch []byte) error {
	as := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": a.object.GetAPIVersion(), "kind": a.object.GetKind(),
		"metadata": map[string]any{"name": a.object.GetName(), "ownerReferences": ownersIn(patch)},
	}}
	if namespace := a.object.GetNamespace(); namespace != "" {
		as.SetNamespace(namespace)
	}
	return a.Client.checkOwners(ctx, as)
}

// ownersIn returns the owner references that a patch, of whichever type, would
// set.
func ownersIn(patch []byte) []any {
	const field = "ownerReferences"
	owners := []any{}
	add := func(v gjson.Result) {
		for _, one := range v.Array() {
			// Without an apiVersion it changes one that is there, or takes it away.
			if owner, ok := one.Value().(map[string]any); ok && owner["apiVersion"] != nil {
				owners = append(owners, owner)
			}
		}
	}
	all := gjson.ParseBytes(patch)
	if !all.IsArray() {
		add(all.Get("metadata." + field))
		return owners
	}
	for _, step := range all.Array() {
		value := step.Get("value")
		switch path := step.Get("path").Str; {
		case step.Get("op").Str == "test":
		case path == "":
			add(value.Get("metadata." + field))
		case path == "/metadata":
			add(value.Get(field))
		case path == "/metadata/"+field, strings.HasPrefix(path, "/metadata/"+field+"/"):
			add(value)
		}
	}
	return owners
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (a *action) guardedJSONPatch(text []byte) ([]byte, error) {
	var steps, all []any
	if err := json.Unmarshal(text, &steps); err != nil {
		return nil, err
	}
	for field, value := range a.guards() {
		all = append(all, map[string]any{"op": "test", "path": "/metadata/" + field, "value": value})
	}
	return json.Marshal(append(all, steps...))
}

func (a *action) guardedMergePatch(text []byte) ([]byte, error) {
	var patch map[string]any
	if err := json.Unmarshal(text, &patch); err != nil {
		return nil, err
	}
	if patch == nil {
		return nil, errors.New("it is null")
	}
	for field, value := range a.guards() {
		if err := unstructured.SetNestedField(patch, value, "metadata", field); err != nil {
			return nil, err
		}
	}
	return json.Marshal(patch)
}

// guards returns the fields of metadata that must be as the Object has them.
func (a *action) guards() map[string]any {
	guards := make(map[string]any, 2)
	if uid := a.object.GetUID(); uid != "" {
		guards["uid"] = string(uid)
	}
	if v := a.object.GetResourceVersion(); v != "" {
		guards["resourceVersion"] = v
	}
	return guards
}

func (a *action) apply(ctx context.Context) (*unstructured.Unstructured, error) {
	if err := a.Client.checkOwners(ctx, a.object); err != nil {
		return nil, err
	}
	o := a.object.DeepCopy()
	o.SetManagedFields(nil)
	made, err := a.resource.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: a.fieldManager(), Force: a.Force}, a.subresources()...)
	return made, a.guardFailed(err)
}
