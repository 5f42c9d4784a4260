package kube

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hearken-go/hearken/triggers/k8s"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

// Apply makes the objects of a YAML file what the file says, as kubectl apply
// does, and returns their names.
func Apply(ctx context.Context, c *k8s.Client, file string) ([]string, error) {
	return each(ctx, c, file, func(o *unstructured.Unstructured, r resource) error {
		_, err := r.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "examples", Force: true})
		return err
	})
}

// Delete deletes those that are there.
func Delete(ctx context.Context, c *k8s.Client, file string) ([]string, error) {
	return each(ctx, c, file, func(o *unstructured.Unstructured, r resource) error {
		err := r.Delete(ctx, o.GetName(), metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
}

// resource is what they do with where an object lives.
type resource interface {
	Apply(ctx context.Context, name string, o *unstructured.Unstructured, opts metav1.ApplyOptions, subresources ...string) (*unstructured.Unstructured, error)
	Delete(ctx context.Context, name string, opts metav1.DeleteOptions, subresources ...string) error
}

func each(ctx context.Context, c *k8s.Client, file string, do func(*unstructured.Unstructured, resource) error) (names []string, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		o := &unstructured.Unstructured{}
		if err == nil {
			err = utilyaml.Unmarshal(document, &o.Object)
		}
		if err != nil {
			return names, fmt.Errorf("%s: %w", file, err)
		}
		name := o.GetKind() + " " + o.GetName()
		r, err := c.Resource(ctx, o)
		if err == nil {
			err = do(o, r)
		}
		if err != nil {
			return names, fmt.Errorf("%s: %s: %w", file, name, err)
		}
		names = append(names, name)
	}
}
