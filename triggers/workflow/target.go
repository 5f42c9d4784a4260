package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/dynamic"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
)

const (
	conflictMin = 10 * time.Millisecond
	conflictMax = time.Second
)

// untilNoConflict calls f again while it fails since others have changed the
// object meanwhile: each time somebody gets on.
func untilNoConflict(ctx context.Context, f func() error) error {
	for pause := conflictMin; ; pause = min(2*pause, conflictMax) {
		err := f()
		if !apierrors.IsConflict(err) {
			return err
		}
		select {
		case <-time.After(rand.N(pause)):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// target is an object of another's that a firing acts on.
type target struct {
	dynamic.ResourceInterface
	op     string // for error texts
	firing hearken.Firing
	*unstructured.Unstructured
}

// withTarget has act act on the object as it is now, and again when it was
// changed meanwhile, unless the firing has acted on it before.
func withTarget(ctx context.Context, c *k8s.Client, op, kind, namespace string, name params.Value, f hearken.Firing, act func(context.Context, *target) error) error {
	object, err := named(kind, namespace, name, f)
	if err != nil {
		return err
	}
	r, err := c.Resource(ctx, object)
	if err != nil {
		return k8s.Failed(ctx, op, object, err)
	}
	t := &target{r, op, f, object}
	return untilNoConflict(ctx, func() error {
		if err := t.read(ctx); err != nil || actsOf(t.Unstructured).has(f.ID) {
			return err
		}
		return act(ctx, t)
	})
}

func named(kind, namespace string, name params.Value, f hearken.Firing) (*unstructured.Unstructured, error) {
	is, err := name.Text(f)
	if err != nil {
		return nil, fmt.Errorf("the name of the %s: %w", kind, err)
	}
	if bad := validation.IsDNS1123Subdomain(is); bad != nil {
		return nil, hearken.Permanent(fmt.Errorf("%q is no name of a %s: %s", is, kind, strings.Join(bad, "; ")))
	}
	object := newObject(kind)
	object.SetNamespace(namespace)
	object.SetName(is)
	return object, nil
}

func (t *target) failed(ctx context.Context, err error) error {
	return k8s.Failed(ctx, t.op, t.Unstructured, err)
}

// refused is an error that another attempt cannot mend.
func (t *target) refused(ctx context.Context, format string, args ...any) error {
	return t.failed(ctx, hearken.Permanent(fmt.Errorf(format, args...)))
}

func (t *target) read(ctx context.Context) error {
	now, err := t.Get(ctx, t.GetName(), metav1.GetOptions{})
	if err != nil {
		return t.failed(ctx, err)
	}
	t.Unstructured = now
	return nil
}

// merge patches the object with body by a JSON merge patch, provided that it is
// as it was read, and notes the act in the same write.
func (t *target) merge(ctx context.Context, witness string, body map[string]any) error {
	list := actsOf(t.Unstructured).with(act{t.firing.ID, witness})
	patch := map[string]any{"metadata": map[string]any{
		"resourceVersion": t.GetResourceVersion(),
		"annotations":     map[string]any{annotationActs: list.String()},
	}}
	for key, v := range body {
		patch[key] = v
	}
	raw, err := json.Marshal(patch)
	if err != nil {
		return t.failed(ctx, err)
	}
	now, err := t.Patch(ctx, t.GetName(), types.MergePatchType, raw, metav1.PatchOptions{})
	if err != nil {
		return t.failed(ctx, err)
	}
	t.Unstructured = now
	return nil
}

// begun returns the witness of an act that the firing began, before a crash or
// in a failed attempt.
func (t *target) begun() (witness string, ok bool) {
	one, ok := actsOf(t.Unstructured).of(t.firing.ID)
	return one.witness, ok
}

// begin notes that the firing is about to act.
func (t *target) begin(ctx context.Context, witness string) error { return t.merge(ctx, witness, nil) }

// finish notes that the firing has acted. By then the object has been changed
// by others: it is read first.
func (t *target) finish(ctx context.Context) error {
	err := untilNoConflict(ctx, func() error {
		if err := t.read(ctx); err != nil {
			return err
		}
		return t.merge(ctx, "", nil)
	})
	if apierrors.IsNotFound(err) {
		return nil // nothing is left to act on again
	}
	return err
}
