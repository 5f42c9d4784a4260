package k8s

import (
	"context"
	"errors"
	"fmt"

	"github.com/hearken-go/hearken"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Own makes owner own o: Kubernetes deletes o once owner is gone. controller
// says that owner manages it, of which there is at most one. An owner in another
// namespace than o's cannot own it: Kubernetes would delete o as soon as it looks.
// o's namespace must be set by then if its kind has namespaces.
func Own(o, owner *unstructured.Unstructured, controller bool) error {
	if _, err := kindOf(owner); err != nil {
		return fmt.Errorf("owner: %w", err)
	}
	if owner.GetName() == "" || owner.GetUID() == "" {
		return errors.New("an owner needs a name and a uid")
	}
	if namespace := owner.GetNamespace(); namespace != "" && namespace != o.GetNamespace() {
		return fmt.Errorf("%s cannot own %s: it is in another namespace", describe(owner), describe(o))
	}
	ref := metav1.OwnerReference{
		APIVersion: owner.GetAPIVersion(), Kind: owner.GetKind(), Name: owner.GetName(), UID: owner.GetUID(),
	}
	if controller {
		ref.Controller, ref.BlockOwnerDeletion = &controller, &controller
	}
	o.SetOwnerReferences(append(o.GetOwnerReferences(), ref))
	return nil
}

// checkOwners refuses references to owners that are not there, as those of other
// namespaces are not: Kubernetes would delete the object, and say so nowhere.
func (c *Client) checkOwners(ctx context.Context, o *unstructured.Unstructured) error {
	for _, ref := range o.GetOwnerReferences() {
		owner := &unstructured.Unstructured{}
		owner.SetAPIVersion(ref.APIVersion)
		owner.SetKind(ref.Kind)
		owner.SetName(ref.Name)
		if err := c.checkOwner(ctx, o, owner, ref); err != nil {
			return fmt.Errorf("owner %s: %w", describe(owner), classify(ctx, err))
		}
	}
	return nil
}

func (c *Client) checkOwner(ctx context.Context, o, owner *unstructured.Unstructured, ref metav1.OwnerReference) error {
	gvk, err := kindOf(owner)
	if err != nil {
		return hearken.Permanent(err)
	}
	where, err := c.locate(ctx, o)
	if err != nil {
		return err
	}
	k, err := c.kinds.of(ctx, gvk)
	if err != nil {
		return err
	}
	if k.namespaced {
		if where.namespace == "" {
			return hearken.Permanent(errors.New("what lives in a namespace cannot own what does not"))
		}
		owner.SetNamespace(where.namespace)
	}
	own, err := c.locate(ctx, owner)
	if err != nil {
		return err
	}
	there, err := own.resource.Get(ctx, ref.Name, metav1.GetOptions{})
	switch {
	case isAbsent(err):
		return hearken.Permanent(errors.New("it is not there, and no owner can be in another namespace"))
	case err != nil:
		return fmt.Errorf("reading it: %w", err)
	case there.GetUID() != ref.UID:
		return hearken.Permanent(fmt.Errorf("the one that is there has uid %s, not %s", there.GetUID(), ref.UID))
	}
	return nil
}
