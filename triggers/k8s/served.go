package k8s

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// served is where objects of a kind live. When the API server says that it serves
// the kind no more, it is looked for again the next time: its definition may have
// been replaced by one of another scope or resource.
type served struct {
	dynamic.ResourceInterface
	forget func() // the kind
}

func (s *served) noted(err error) error {
	var status apierrors.APIStatus
	if apierrors.IsNotFound(err) && errors.As(err, &status) && !names(status.Status()) {
		s.forget()
	}
	return err
}

func (s *served) Create(ctx context.Context, o *unstructured.Unstructured, opts metav1.CreateOptions, sub ...string) (*unstructured.Unstructured, error) {
	made, err := s.ResourceInterface.Create(ctx, o, opts, sub...)
	return made, s.noted(err)
}

func (s *served) Update(ctx context.Context, o *unstructured.Unstructured, opts metav1.UpdateOptions, sub ...string) (*unstructured.Unstructured, error) {
	made, err := s.ResourceInterface.Update(ctx, o, opts, sub...)
	return made, s.noted(err)
}

func (s *served) Delete(ctx context.Context, name string, opts metav1.DeleteOptions, sub ...string) error {
	return s.noted(s.ResourceInterface.Delete(ctx, name, opts, sub...))
}

func (s *served) Get(ctx context.Context, name string, opts metav1.GetOptions, sub ...string) (*unstructured.Unstructured, error) {
	there, err := s.ResourceInterface.Get(ctx, name, opts, sub...)
	return there, s.noted(err)
}

func (s *served) List(ctx context.Context, opts metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	list, err := s.ResourceInterface.List(ctx, opts)
	return list, s.noted(err)
}

func (s *served) Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error) {
	w, err := s.ResourceInterface.Watch(ctx, opts)
	return w, s.noted(err)
}

func (s *served) Patch(ctx context.Context, name string, pt types.PatchType, data []byte, opts metav1.PatchOptions, sub ...string) (*unstructured.Unstructured, error) {
	made, err := s.ResourceInterface.Patch(ctx, name, pt, data, opts, sub...)
	return made, s.noted(err)
}

func (s *served) Apply(ctx context.Context, name string, o *unstructured.Unstructured, opts metav1.ApplyOptions, sub ...string) (*unstructured.Unstructured, error) {
	made, err := s.ResourceInterface.Apply(ctx, name, o, opts, sub...)
	return made, s.noted(err)
}
