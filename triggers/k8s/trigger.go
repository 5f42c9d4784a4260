package k8s

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/hearken-go/hearken"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
)

// Operation is what a Trigger does.
type Operation uint8

// What there is to do. Where the Object has a uid or a resourceVersion in its
// metadata these are a guard: the operation fails for good, but for Delete of
// another uid, when what is there has another.
const (
	// Create creates the Object. One that this very firing has made before is
	// success; any other of its name is a Permanent error. The default.
	Create Operation = iota
	// CreateIfAbsent is content with whatever object of this name is there.
	CreateIfAbsent
	// Update reads the object, has Change change it, and writes it back; all
	// again when somebody else has written meanwhile.
	Update
	// Merge is Update by the Object: its values are put over those that are
	// there, maps deeply, lists as a whole. An absent object is created.
	Merge
	// MergePatch sends Patch, or the Object, as a merge patch (RFC 7386).
	MergePatch
	// StrategicMergePatch sends it as a strategic merge patch, which merges lists
	// by their keys. Kinds of a CustomResourceDefinition have none.
	StrategicMergePatch
	// JSONPatch sends Patch as a JSON patch (RFC 6902).
	JSONPatch
	// Apply applies the Object on the server's side: it owns the fields that the
	// Object has, as FieldManager. An absent object is created.
	Apply
	// Delete deletes the object. One that is not there is success, and so is one
	// of another uid, which is not the one meant.
	Delete
)

// String returns the operation in lower case.
func (op Operation) String() string {
	names := [...]string{"create", "create", "update", "merge", "patch", "patch", "patch", "apply", "delete"}
	if int(op) >= len(names) {
		return fmt.Sprintf("operation %d", op)
	}
	return names[op]
}

// Trigger acts on an object. It is used by pointer, and its fields must not be
// changed once it fires. Client and Object are required.
type Trigger struct {
	// Client reaches the API server.
	Client *Client

	// Operation is what is done. Zero: Create.
	Operation Operation

	// Object makes the JSON of the object: a *Manifest, a *params.Template, a
	// params.Func that returns a typed or unstructured object. apiVersion, kind,
	// name and, as its kind has it, namespace say which object is meant; Update,
	// JSONPatch, Delete, and patches beside Patch, take nothing else of it but
	// the guards.
	//
	// In the place of a name to create by it may have a generateName, of which
	// Name makes one.
	Object hearken.Payload

	// Change changes the object for Update. It may be called several times for a
	// firing, and concurrently for several; its error fails the attempt. When it
	// changes nothing, nothing is written.
	Change func(f hearken.Firing, o *unstructured.Unstructured) error

	// Patch makes the patch. Nil: the Object is the patch, but for JSONPatch.
	Patch hearken.Payload

	// Subresource is what is updated, patched or applied of the object, such as
	// status or scale. Empty: the object itself.
	Subresource string

	// FieldManager is whom the API server notes down for the fields. Empty:
	// hearken/ and the pipeline's name.
	FieldManager string

	// FieldValidation says what the API server does about fields that the kind does
	// not have, such as one of a misspelt Dest: metav1.FieldValidationStrict refuses
	// the object, FieldValidationWarn and FieldValidationIgnore have it without them.
	// Empty: Strict, as with kubectl. A server before Kubernetes 1.25 knows Ignore
	// only. To Apply such a field is refused by any, so that there is nothing to say.
	FieldValidation string

	// Force lets Apply take fields that others manage. Otherwise that is a
	// Permanent error, which names both.
	Force bool

	// Propagation says what Delete does with what the object owns. Empty: as its
	// kind has it, which is mostly in the background.
	Propagation metav1.DeletionPropagation

	// MaxName bounds the name made of a generateName, for kinds whose controllers
	// add to it: 16 to 253 characters. Zero: 63.
	MaxName int

	// Wait says what the object has to become for the firing to succeed. The
	// zero value waits for nothing.
	Wait Policy
}

// Fire acts, and waits where Wait says so. Its errors name the operation and the
// object's kind, namespace and name, and are marked as Failed marks them.
func (t *Trigger) Fire(ctx context.Context, f hearken.Firing) error {
	o, err := t.object(f)
	if err != nil {
		return err
	}
	act := action{Trigger: t, firing: f, object: o}
	made, err := act.do(ctx)
	if err != nil {
		return Failed(ctx, t.Operation.String(), o, err)
	}
	if !t.Wait.isSet() || made == nil {
		return nil
	}
	o.SetUID(made.GetUID())
	return t.wait(ctx, o)
}

// AttemptTimeout is a minute more than Wait's For, or zero for what is usual.
func (t *Trigger) AttemptTimeout() time.Duration {
	if !t.Wait.isSet() {
		return 0
	}
	return t.Wait.For + time.Minute
}

// MinTimeout is Wait's For.
func (t *Trigger) MinTimeout() time.Duration { return t.Wait.For }

// action is one attempt of a firing.
type action struct {
	*Trigger
	firing   hearken.Firing
	object   *unstructured.Unstructured
	resource dynamic.ResourceInterface
}

// do acts and returns the object as the API then has it; nil: there is none any
// more.
func (a *action) do(ctx context.Context) (*unstructured.Unstructured, error) {
	if err := a.resolve(ctx); err != nil {
		return nil, err
	}
	switch a.Operation {
	case Create, CreateIfAbsent:
		return a.create(ctx)
	case Update:
		return a.update(ctx, a.change)
	case Merge:
		return a.merge(ctx)
	case MergePatch, StrategicMergePatch, JSONPatch:
		return a.patch(ctx)
	case Apply:
		return a.apply(ctx)
	case Delete:
		return nil, a.delete(ctx)
	}
	return nil, hearken.Permanent(fmt.Errorf("there is no %v", a.Operation))
}

// resolve finds where the object lives, and lets it say so itself.
func (a *action) resolve(ctx context.Context) error {
	where, err := a.Client.locate(ctx, a.object)
	if err != nil {
		return err
	}
	a.resource = where.resource
	if where.namespace != "" {
		a.object.SetNamespace(where.namespace)
	}
	return nil
}

func (a *action) fieldManager() string {
	if a.FieldManager != "" {
		return a.FieldManager
	}
	return fieldManager(a.firing.Pipeline)
}

func (a *action) fieldValidation() string {
	return cmp.Or(a.FieldValidation, metav1.FieldValidationStrict)
}

func (a *action) subresources() []string {
	if a.Subresource == "" {
		return nil
	}
	return []string{a.Subresource}
}
