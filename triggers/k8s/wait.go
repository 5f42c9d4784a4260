package k8s

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hearken-go/hearken"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// Judge decides over a state of an object: done, an error when it is not to
// become what is waited for, or neither while it may. It must not change o.
type Judge func(o *unstructured.Unstructured) (done bool, err error)

const (
	waitMin = 200 * time.Millisecond
	waitMax = 5 * time.Second
	// watchSeconds bounds one watch, so that one that hears nothing any more is
	// followed by a look.
	watchSeconds = 300
	// roundTime bounds it here too, for a connection whose other end is gone.
	roundTime = (watchSeconds + 30) * time.Second
)

// Wait reads the object that o names, and watches it until judge decides: the
// state in which it is done is returned, or judge's error, wrapped. An object that
// is not there, is deleted meanwhile, or turns out to be another of this name
// (where o has a UID) is a Permanent error. While the API server is away or busy,
// Wait waits; it is ctx that ends it, and the error then says what stood in the
// way.
func (c *Client) Wait(ctx context.Context, o *unstructured.Unstructured, judge Judge) (*unstructured.Unstructured, error) {
	r, err := c.Resource(ctx, o)
	if err != nil {
		return nil, Failed(ctx, "wait for", o, err)
	}
	w := waiter{r, o.GetName(), o.GetUID(), judge}
	pause := waitMin
	var inTheWay error
	for {
		last, heard, err := w.round(ctx)
		if last != nil || hearken.IsPermanent(err) {
			return last, Failed(ctx, "wait for", o, err)
		}
		var decided *judgement
		if errors.As(err, &decided) {
			return nil, Failed(ctx, "wait for", o, decided.error)
		}
		if heard {
			pause = waitMin
		}
		if end := ctx.Err(); end == nil || inTheWay == nil || !errors.Is(err, end) { // ctx's own end says nothing
			inTheWay = err
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, waitMax)
		case <-ctx.Done():
			return nil, Failed(ctx, "wait for", o, inTheWay)
		}
	}
}

// judgement is the error of a Judge.
type judgement struct{ error }

func (j *judgement) Unwrap() error { return j.error }

var errNotYet = errors.New("it is not done")

type waiter struct {
	dynamic.ResourceInterface
	name  string
	uid   types.UID // empty: not known yet
	judge Judge
}

// round reads the object and watches it until the watch ends. heard says that
// the watch told something. A nil object comes with an error.
func (w *waiter) round(ctx context.Context) (last *unstructured.Unstructured, heard bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	o, err := w.Get(ctx, w.name, metav1.GetOptions{})
	if isAbsent(err) {
		return nil, false, errGone()
	}
	if err != nil {
		return nil, false, classify(ctx, err)
	}
	if done, err := w.look(o); err != nil || done {
		return known(o, err), false, err
	}
	seconds := int64(watchSeconds)
	watched, err := w.Watch(ctx, metav1.ListOptions{
		FieldSelector:   fields.OneTermEqualSelector("metadata.name", o.GetName()).String(),
		ResourceVersion: o.GetResourceVersion(),
		TimeoutSeconds:  &seconds,
	})
	if apierrors.IsForbidden(err) { // client-go does not say what
		err = fmt.Errorf("the right to watch it is missing: %w", err)
	}
	if err != nil {
		return nil, false, classify(ctx, err)
	}
	defer watched.Stop()
	return w.follow(ctx, watched)
}

func (w *waiter) follow(ctx context.Context, watched watch.Interface) (last *unstructured.Unstructured, heard bool, err error) {
	for {
		select {
		case <-ctx.Done():
			return nil, heard, errNotYet
		case e, open := <-watched.ResultChan():
			if !open {
				return nil, heard, errNotYet
			}
			o, ok := e.Object.(*unstructured.Unstructured)
			switch {
			case e.Type == watch.Error || !ok:
				return nil, heard, classify(ctx, apierrors.FromObject(e.Object))
			case o.GetName() != w.name:
				continue
			case e.Type == watch.Deleted:
				return nil, true, errGone()
			}
			heard = true
			if done, err := w.look(o); err != nil || done {
				return known(o, err), true, err
			}
		}
	}
}

// look has a state judged.
func (w *waiter) look(o *unstructured.Unstructured) (bool, error) {
	if w.uid != "" && o.GetUID() != w.uid {
		return false, errGone()
	}
	w.uid = o.GetUID()
	done, err := w.judge(o)
	if err != nil {
		return false, &judgement{err}
	}
	return done, nil
}

func errGone() error {
	return hearken.Permanent(errors.New("it was deleted, or was never there"))
}

func known(o *unstructured.Unstructured, err error) *unstructured.Unstructured {
	if err != nil {
		return nil
	}
	return o
}
