package k8s

import (
	"context"
	"errors"
	"fmt"

	"github.com/hearken-go/hearken"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// CreateOnce creates o, which has a name and the Mark of its firing, and returns
// what the API has made of it. When an object of this name is there already and
// bears the same firing, that one is returned. Another's is a Permanent error;
// while it is being deleted the error passes. Owners that o refers to must be
// there, in its namespace if they have one.
func (c *Client) CreateOnce(ctx context.Context, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	made, err := c.create(ctx, o, createMode{})
	return made, Failed(ctx, "create", o, err)
}

type createMode struct {
	fieldManager    string
	fieldValidation string // empty: as the server has it
	ifAbsent        bool   // any object of the name is good
}

func (c *Client) create(ctx context.Context, o *unstructured.Unstructured, mode createMode) (*unstructured.Unstructured, error) {
	firing := o.GetAnnotations()[FiringAnnotation]
	if o.GetName() == "" || firing == "" {
		return nil, hearken.Permanent(errors.New("an object to create once needs a name and the mark of its firing"))
	}
	r, err := c.Resource(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := c.checkOwners(ctx, o); err != nil {
		return nil, err
	}
	made, err := r.Create(ctx, o, metav1.CreateOptions{FieldManager: mode.fieldManager, FieldValidation: mode.fieldValidation})
	if !apierrors.IsAlreadyExists(err) {
		return made, err
	}
	there, err := r.Get(ctx, o.GetName(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, errors.New("one of this name was there and is gone; it can be created now")
	case err != nil:
		return nil, fmt.Errorf("one of this name is there, and reading it: %w", err)
	case there.GetDeletionTimestamp() != nil:
		return nil, errors.New("one of this name is being deleted")
	case mode.ifAbsent, there.GetAnnotations()[FiringAnnotation] == firing:
		return there, nil
	}
	return nil, hearken.Permanent(otherOwner(there))
}

func otherOwner(there *unstructured.Unstructured) error {
	if other := there.GetAnnotations()[FiringAnnotation]; other != "" {
		return fmt.Errorf("one of this name was made by another firing, %s", other)
	}
	return errors.New("one of this name is there, made by no firing")
}
