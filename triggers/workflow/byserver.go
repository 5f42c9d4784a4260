package workflow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/k8s"
)

// What the argo-server does is two writes at least: its own, and the note that
// it has been done. Before its own a note says what the Workflow looks like; a
// firing that finds that note of its own asks the server only if the Workflow
// still looks so.

// serverTime is how long the server may take to make a copy after its answer was
// lost, with the difference of two clocks.
const serverTime = time.Minute

func since(witness string) time.Duration {
	began, err := time.Parse(time.RFC3339, witness)
	if err != nil {
		return serverTime // not of this operation: nothing is on its way
	}
	return time.Since(began)
}

const (
	wholeWorkflow = "spec.suspend" // the witness of a Workflow suspended as a whole
	noWitness     = "-"
)

func (c *Control) retry(ctx context.Context, t *target) error {
	if c.Server == nil {
		return c.refuseServerless(ctx, t, "only an argo-server can retry a Workflow")
	}
	body, err := c.withArguments(t, map[string]any{})
	if err != nil {
		return t.failed(ctx, err)
	}
	ended := endOf(t.Unstructured)
	switch witness, begun := t.begun(); {
	case begun && witness != ended:
		return t.finish(ctx) // it runs again, or has
	case !begun && ended == "":
		return c.refuseNotFailed(ctx, t)
	case !begun:
		if err := t.begin(ctx, ended); err != nil {
			return err
		}
	}
	err = c.Server.put(ctx, t.GetNamespace(), t.GetName(), "retry", body, nil)
	if hearken.IsPermanent(err) && t.read(ctx) == nil && endOf(t.Unstructured) != ended {
		err = nil // the server refused since it runs again: the same firing was quicker in another process
	}
	if err != nil {
		return t.failed(ctx, err)
	}
	return t.finish(ctx)
}

// endOf tells one failed run from the next, and is "" while the Workflow has not
// failed.
func endOf(wf *unstructured.Unstructured) string {
	if !outcomeOf(wf).failed() {
		return ""
	}
	return cmp.Or(text(wf, "status", "finishedAt"), noWitness)
}

func (c *Control) refuseServerless(ctx context.Context, t *target, why string) error {
	return t.failed(ctx, hearken.Permanent(&hearken.ConfigError{Path: "Server", Msg: "is nil, but " + why}))
}

func (c *Control) refuseNotFailed(ctx context.Context, t *target) error {
	return t.refused(ctx, "its phase is %q: only what ended Failed or Error can be run again so", outcomeOf(t.Unstructured).phase)
}

// withArguments adds the arguments as the server wants them.
func (c *Control) withArguments(t *target, body map[string]any) (map[string]any, error) {
	arguments, err := parametersOf(c.Arguments, t.firing)
	if err != nil {
		return nil, err
	}
	list := make([]string, len(arguments))
	for i, p := range arguments {
		list[i] = p.name + "=" + p.value
	}
	if len(list) > 0 {
		body["parameters"] = list
	}
	return body, nil
}

// resumeByServer resumes a Workflow whose nodes only the server can read. One
// step that waits is the witness: the server ends them all at once.
func (c *Control) resumeByServer(ctx context.Context, t *target, where string) error {
	if c.Server == nil {
		return c.refuseServerless(ctx, t, "the Workflow's nodes are "+where+": only an argo-server can resume it")
	}
	whole, err := c.Server.get(ctx, t.GetNamespace(), t.GetName(), "spec.suspend,status.nodes")
	if err != nil {
		return t.failed(ctx, err)
	}
	waiting := slices.Sorted(maps.Keys(suspended(whole)))
	if isSuspended(t.Unstructured) {
		waiting = append([]string{wholeWorkflow}, waiting...)
	}
	witness, begun := t.begun()
	switch {
	case begun && !slices.Contains(waiting, witness):
		return t.finish(ctx)
	case len(waiting) == 0:
		return t.failed(ctx, errNotSuspended)
	case !begun:
		if err := t.begin(ctx, waiting[0]); err != nil {
			return err
		}
	}
	if err := c.Server.put(ctx, t.GetNamespace(), t.GetName(), "resume", map[string]any{}, nil); err != nil {
		return t.failed(ctx, err)
	}
	return t.finish(ctx)
}

// resubmitByServer has the server make a memoized copy. The server copies the
// annotations, and with them the note that this firing has begun: by that the
// copy is found again. One that is not there yet may be on its way: as long as
// the server may be at it, it is not asked again.
func (c *Control) resubmitByServer(ctx context.Context, t *target) error {
	if c.Server == nil {
		return c.refuseServerless(ctx, t, "only an argo-server can make a memoized copy")
	}
	body, err := c.withArguments(t, map[string]any{"memoized": true})
	if err != nil {
		return t.failed(ctx, err)
	}
	witness, begun := t.begun()
	if begun {
		made, err := t.findCopy(ctx)
		switch left := serverTime - since(witness); {
		case err != nil:
			return err
		case made != nil:
			return t.adopt(ctx, made)
		case left > 0:
			return t.failed(ctx, hearken.RetryAfter(errors.New("argo-server: it was asked for a copy, which is not there yet"), left))
		}
	} else if !outcomeOf(t.Unstructured).failed() {
		return c.refuseNotFailed(ctx, t)
	}
	if err := t.begin(ctx, time.Now().UTC().Format(time.RFC3339)); err != nil {
		return err
	}
	made := &unstructured.Unstructured{}
	if err := c.Server.put(ctx, t.GetNamespace(), t.GetName(), "resubmit", body, &made.Object); err != nil {
		return t.failed(ctx, err)
	}
	if made.GetName() == "" {
		return t.failed(ctx, errors.New("argo-server: the answer names no Workflow"))
	}
	return t.adopt(ctx, made)
}

// findCopy looks for the copy that the firing asked for. One that another firing
// asked for since bears this firing's note too, but not as the last.
func (t *target) findCopy(ctx context.Context) (*unstructured.Unstructured, error) {
	copies, err := t.List(ctx, metav1.ListOptions{LabelSelector: labelResubmittedFrom + "=" + t.GetName()})
	if err != nil {
		return nil, t.failed(ctx, fmt.Errorf("look for the copy: %w", err))
	}
	var found *unstructured.Unstructured
	for i := range copies.Items {
		one := &copies.Items[i]
		list := actsOf(one)
		_, noted := list.of(t.firing.ID)
		switch {
		case one.GetLabels()[labelResubmittedFrom] != t.GetName():
		case k8s.MadeBy(one, t.firing), noted && list[len(list)-1].firing == t.firing.ID:
			return one, nil
		case noted && found == nil:
			found = one
		}
	}
	return found, nil // nil: none is there
}

// adopt puts the firing's marks on the copy that the server made, in the place
// of those of the original.
func (t *target) adopt(ctx context.Context, made *unstructured.Unstructured) error {
	fresh := newObject(kindWorkflow)
	k8s.Mark(fresh, t.firing)
	annotations, labels := map[string]any{annotationActs: nil}, map[string]any{}
	for key := range made.GetLabels() {
		if strings.HasPrefix(key, k8s.EventLabels) {
			labels[key] = nil
		}
	}
	for key, v := range fresh.GetAnnotations() {
		annotations[key] = v
	}
	for key, v := range fresh.GetLabels() {
		labels[key] = v
	}
	raw, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations, "labels": labels}})
	if err != nil {
		return t.failed(ctx, err)
	}
	if _, err := t.Patch(ctx, made.GetName(), types.MergePatchType, raw, metav1.PatchOptions{}); err != nil {
		return t.failed(ctx, fmt.Errorf("mark the copy %s: %w", made.GetName(), err))
	}
	return t.finish(ctx)
}
