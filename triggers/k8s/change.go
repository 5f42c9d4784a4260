package k8s

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hearken-go/hearken"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ChangeAnnotation holds the ID of the firing that last changed an object by
// Update or Merge, or made it by Merge: the same firing does not change it again.
const ChangeAnnotation = "events.hearken.dev/changed-by"

const (
	conflictMin = 5 * time.Millisecond
	conflictMax = 500 * time.Millisecond
)

func (a *action) create(ctx context.Context) (*unstructured.Unstructured, error) {
	if a.object.GetResourceVersion() != "" || a.object.GetUID() != "" {
		return nil, hearken.Permanent(errors.New("an object to create has no resourceVersion and no uid"))
	}
	Mark(a.object, a.firing)
	return a.Client.create(ctx, a.object, createMode{a.fieldManager(), a.fieldValidation(), a.Operation == CreateIfAbsent})
}

// change is what Update does to the object.
func (a *action) change(o *unstructured.Unstructured) error {
	if a.Change == nil {
		return hearken.Permanent(errors.New("Change is nil"))
	}
	return a.Change(a.firing, o)
}

func (a *action) merge(ctx context.Context) (*unstructured.Unstructured, error) {
	over := a.object.DeepCopy()
	over.SetResourceVersion("")
	over.SetUID("")
	for {
		made, err := a.update(ctx, func(o *unstructured.Unstructured) error {
			override(o.Object, over.Object)
			return nil
		})
		if !isAbsent(err) || a.guarded() {
			return made, err
		}
		if err := a.Client.checkOwners(ctx, over); err != nil {
			return nil, err
		}
		fresh := over.DeepCopy()
		Mark(fresh, a.firing)
		annotate(fresh, ChangeAnnotation, a.firing.ID)
		made, err = a.resource.Create(ctx, fresh, metav1.CreateOptions{FieldManager: a.fieldManager(), FieldValidation: a.fieldValidation()})
		if !apierrors.IsAlreadyExists(err) {
			return made, err
		}
	}
}

// override puts the values of over in the place of o's, maps deeply.
func override(o, over map[string]any) {
	for key, v := range over {
		below, isMap := v.(map[string]any)
		old, wasMap := o[key].(map[string]any)
		if isMap && wasMap {
			override(old, below)
			continue
		}
		o[key] = v
	}
}

// update changes the object that is there, until nobody else changes it
// meanwhile. Once somebody has, it goes by turns with others of this Client.
func (a *action) update(ctx context.Context, change func(*unstructured.Unstructured) error) (*unstructured.Unstructured, error) {
	made, err := a.updateOnce(ctx, change)
	for pause := conflictMin; apierrors.IsConflict(err) && !hearken.IsPermanent(err); pause = min(2*pause, conflictMax) {
		if a.object.GetResourceVersion() != "" {
			return nil, hearken.Permanent(err)
		}
		select {
		case <-time.After(rand.N(pause)):
		case <-ctx.Done():
			return nil, err
		}
		made, err = a.updateInTurn(ctx, change)
	}
	return made, err
}

var errNoTurn = errors.New("others of this process change it too")

// updateInTurn is updateOnce while no other action of this Client is at it.
func (a *action) updateInTurn(ctx context.Context, change func(*unstructured.Unstructured) error) (*unstructured.Unstructured, error) {
	giveBack, err := a.Client.turns.take(ctx, a.object.GroupVersionKind().String()+" "+a.object.GetNamespace()+"/"+a.object.GetName())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoTurn, err)
	}
	defer giveBack()
	return a.updateOnce(ctx, change)
}

func (a *action) updateOnce(ctx context.Context, change func(*unstructured.Unstructured) error) (*unstructured.Unstructured, error) {
	old, err := a.resource.Get(ctx, a.object.GetName(), metav1.GetOptions{}, a.subresources()...)
	if err != nil {
		return nil, err
	}
	if old.GetAnnotations()[ChangeAnnotation] == a.firing.ID && a.Subresource == "" && a.firing.ID != "" {
		return old, nil
	}
	if err := a.guard(old); err != nil {
		return nil, err
	}
	dropUnsetTimes(old.Object) // in both, or they would be a change
	changed := old.DeepCopy()
	if err := change(changed); err != nil {
		return nil, err
	}
	dropUnsetTimes(changed.Object)
	if equality.Semantic.DeepEqual(old, changed) {
		return old, nil
	}
	if err := a.mayBecome(ctx, old, changed); err != nil {
		return nil, err
	}
	// What the function has left out, it has not meant to: without the version the
	// write would undo those of others.
	changed.SetResourceVersion(old.GetResourceVersion())
	changed.SetUID(old.GetUID())
	if a.Subresource == "" {
		annotate(changed, ChangeAnnotation, a.firing.ID)
	}
	return a.resource.Update(ctx, changed,
		metav1.UpdateOptions{FieldManager: a.fieldManager(), FieldValidation: a.fieldValidation()}, a.subresources()...)
}

func annotate(o *unstructured.Unstructured, name, value string) {
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = make(map[string]string)
	}
	annotations[name] = value
	o.SetAnnotations(annotations)
}

func (a *action) guarded() bool {
	return a.object.GetUID() != "" || a.object.GetResourceVersion() != ""
}

// guard compares what is there with what was meant.
func (a *action) guard(there *unstructured.Unstructured) error {
	if uid := a.object.GetUID(); uid != "" && there.GetUID() != uid {
		return hearken.Permanent(fmt.Errorf("the one that is there has uid %s, not %s", there.GetUID(), uid))
	}
	if v := a.object.GetResourceVersion(); v != "" && there.GetResourceVersion() != v {
		return hearken.Permanent(fmt.Errorf("it has changed: resourceVersion is %s, not %s", there.GetResourceVersion(), v))
	}
	return nil
}

// mayBecome refuses a change that makes it another object, or gives it labels
// that are none or owners that cannot own it.
func (a *action) mayBecome(ctx context.Context, old, changed *unstructured.Unstructured) error {
	if changed.GetName() != old.GetName() || changed.GetNamespace() != old.GetNamespace() || changed.GroupVersionKind() != old.GroupVersionKind() {
		return hearken.Permanent(fmt.Errorf("the change made it another object, %s", describe(changed)))
	}
	if err := checkMarkable(changed); err != nil {
		return hearken.Permanent(fmt.Errorf("after the change: %w", err))
	}
	if equality.Semantic.DeepEqual(old.GetOwnerReferences(), changed.GetOwnerReferences()) {
		return nil
	}
	return a.Client.checkOwners(ctx, changed)
}

func (a *action) delete(ctx context.Context) error {
	var options metav1.DeleteOptions
	if a.Propagation != "" {
		options.PropagationPolicy = &a.Propagation
	}
	if a.guarded() {
		options.Preconditions = &metav1.Preconditions{}
		if uid := a.object.GetUID(); uid != "" {
			options.Preconditions.UID = &uid
		}
		if v := a.object.GetResourceVersion(); v != "" {
			options.Preconditions.ResourceVersion = &v
		}
	}
	err := a.resource.Delete(ctx, a.object.GetName(), options)
	switch {
	case isAbsent(err), a.object.GetUID() != "" && isOtherUID(err):
		return nil
	case apierrors.IsConflict(err) && a.guarded():
		return hearken.Permanent(err)
	}
	return err
}
