package workflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
)

// Operation is what Control does to a Workflow.
type Operation string

// The operations of the argo command on a Workflow that is there.
const (
	// Suspend lets what runs end and starts nothing more.
	Suspend Operation = "suspend"
	// Resume lets a suspended Workflow go on, and ends the suspend steps that
	// it waits in. A Workflow that is not suspended is an error that passes: it
	// may not have come to its suspend step yet.
	Resume Operation = "resume"
	// Stop ends what runs, and has the exit handlers run.
	Stop Operation = "stop"
	// Terminate ends what runs, without exit handlers.
	Terminate Operation = "terminate"
	// Retry runs again the steps that failed, of a Workflow that ended Failed or
	// Error. It needs the Server.
	Retry Operation = "retry"
	// Resubmit makes a new Workflow of the same spec.
	Resubmit Operation = "resubmit"
)

// Control acts on a Workflow that is there. It is used by pointer, and its
// fields must not be changed once it fires.
//
// Each firing acts once: the Workflow's annotation events.hearken.dev/acts lists
// the last 32 firings that have, in the same write as what they did where that
// is one write. What the argo-server does takes several; then the annotation
// first says what the Workflow looked like before, and a firing that is fired
// again after a crash sees by that whether it has acted.
//
// A Workflow that is not there is a Permanent error, and so is to suspend,
// resume, stop or terminate one that has finished.
type Control struct {
	// Client reaches the API server. Required.
	Client *k8s.Client

	// Operation is what is done. Required.
	Operation Operation

	// Name is the Workflow's: params.Const of a string, or a value of the
	// firing, such as params.Data(done, "body.metadata.name"). Required.
	Name params.Value

	// Namespace is the Workflow's. Empty: the Client's.
	Namespace string

	// Arguments, for Resubmit and Retry, replace arguments of the same name, as
	// in Submit. Argo applies them only to what runs again.
	Arguments params.Object

	// Memoized, for Resubmit, has the new Workflow take over the steps that
	// succeeded, of one that ended Failed or Error. It needs the Server.
	Memoized bool

	// Server is the argo-server. Retry and Memoized need it, and so does Resume
	// of a Workflow so large that its nodes are compressed or offloaded, which
	// is seen only then: without it a Permanent error. Nil: none.
	Server *Server
}

// Fire acts on the Workflow, or finds that this firing has.
func (c *Control) Fire(ctx context.Context, f hearken.Firing) error {
	err := withTarget(ctx, c.Client, string(c.Operation), kindWorkflow, c.Namespace, c.Name, f, c.act)
	if c.Operation == Resubmit && isGone(err) {
		return c.orCopy(ctx, f, err)
	}
	return err
}

func (c *Control) act(ctx context.Context, t *target) error {
	switch c.Operation {
	case Suspend:
		return c.suspend(ctx, t, map[string]any{"suspend": true})
	case Stop:
		if text(t.Unstructured, "spec", "shutdown") == shutdownTerminate {
			return c.suspend(ctx, t, nil) // which is more than to stop
		}
		return c.suspend(ctx, t, map[string]any{"shutdown": shutdownStop})
	case Terminate:
		return c.suspend(ctx, t, map[string]any{"shutdown": shutdownTerminate})
	case Resume:
		return c.resume(ctx, t)
	case Retry:
		return c.retry(ctx, t)
	case Resubmit:
		return c.resubmit(ctx, t)
	}
	return t.refused(ctx, "%q is no operation", c.Operation)
}

// suspend is what SuspendWorkflow, StopWorkflow and TerminateWorkflow of Argo's
// workflow/util/util.go (v4.1) do: a patch of the spec, refused when finished.
func (c *Control) suspend(ctx context.Context, t *target, spec map[string]any) error {
	if isFinished(t.Unstructured) {
		return c.refuseFinished(ctx, t)
	}
	if spec == nil {
		return t.begin(ctx, "")
	}
	return t.merge(ctx, "", map[string]any{"spec": spec})
}

func (c *Control) refuseFinished(ctx context.Context, t *target) error {
	return t.refused(ctx, "it has finished: %s", outcomeOf(t.Unstructured).phase)
}

// resume is what ResumeWorkflow of the same file does: one write ends the
// suspension of the whole and the suspend nodes that run.
func (c *Control) resume(ctx context.Context, t *target) error {
	if isFinished(t.Unstructured) {
		return c.refuseFinished(ctx, t)
	}
	if where := nodesElsewhere(t.Unstructured); where != "" {
		return c.resumeByServer(ctx, t, where)
	}
	patch, err := resumption(t.Unstructured, "Resumed by firing "+t.firing.ID, time.Now())
	switch {
	case err != nil:
		return t.refused(ctx, "%w", err)
	case patch == nil:
		return t.failed(ctx, errNotSuspended)
	}
	return t.merge(ctx, "", patch)
}

var errNotSuspended = errors.New("it is not suspended, or not yet")

// resumption returns the merge patch that resumes, or nil when nothing is
// suspended.
func resumption(wf *unstructured.Unstructured, message string, now time.Time) (map[string]any, error) {
	nodes := map[string]any{}
	for id, node := range suspended(wf) {
		patch := map[string]any{
			"phase":      phaseSucceeded,
			"message":    message,
			"finishedAt": now.UTC().Format(time.RFC3339),
		}
		if was, _ := node["message"].(string); was != "" {
			patch["message"] = was + "; " + message
		}
		outputs, err := defaultOutputs(node)
		if err != nil {
			return nil, fmt.Errorf("suspend step %v: %w", node["displayName"], err)
		}
		if outputs != nil {
			patch["outputs"] = map[string]any{"parameters": outputs}
		}
		nodes[id] = patch
	}
	patch := map[string]any{}
	if isSuspended(wf) {
		patch["spec"] = map[string]any{"suspend": nil}
	}
	if len(nodes) > 0 {
		patch["status"] = map[string]any{"nodes": nodes}
	}
	if len(patch) == 0 {
		return nil, nil //nolint:nilnil // nothing to resume is no patch
	}
	return patch, nil
}

func isSuspended(wf *unstructured.Unstructured) bool {
	is, _, _ := unstructured.NestedBool(wf.Object, "spec", "suspend") // what is no bool is not true
	return is
}

// suspended returns the nodes of suspend steps that wait, by their ids
// (IsActiveSuspendNode of pkg/apis/workflow/v1alpha1/workflow_types.go).
func suspended(wf *unstructured.Unstructured) map[string]map[string]any {
	nodes, _, _ := unstructured.NestedMap(wf.Object, "status", "nodes") // without nodes nothing waits
	found := map[string]map[string]any{}
	for id, v := range nodes {
		node, ok := v.(map[string]any)
		if ok && node["type"] == nodeSuspend && node["phase"] == phaseRunning {
			found[id] = node
		}
	}
	return found
}

// defaultOutputs returns the output parameters of a suspend step with the
// defaults of those that somebody was to supply, or nil when it has none.
func defaultOutputs(node map[string]any) ([]any, error) {
	list, _, err := unstructured.NestedSlice(node, "outputs", "parameters")
	if err != nil {
		return nil, err
	}
	for _, v := range list {
		p, _ := v.(map[string]any)
		from, _, _ := unstructured.NestedMap(p, "valueFrom") // what is no object supplies nothing
		if _, supplied := from["supplied"]; !supplied {
			continue
		}
		value, ok := from["default"]
		if !ok {
			return nil, fmt.Errorf("its output parameter %v has neither been set nor a default", p["name"])
		}
		delete(p, "valueFrom")
		p["value"] = value
	}
	return list, nil
}

// resubmit makes the copy under a name of the firing's own, once.
func (c *Control) resubmit(ctx context.Context, t *target) error {
	if c.Memoized {
		return c.resubmitByServer(ctx, t)
	}
	again, err := resubmitted(t.Unstructured)
	if err != nil {
		return t.refused(ctx, "%w", err)
	}
	arguments, err := parametersOf(c.Arguments, t.firing)
	if err != nil {
		return t.failed(ctx, err)
	}
	if err := setParameters(again, arguments); err != nil {
		return t.refused(ctx, "%w", err)
	}
	k8s.Mark(again, t.firing)
	again.SetName(k8s.Name(again.GetGenerateName(), t.firing, 0, 0))
	again.SetGenerateName("")
	_, err = c.Client.CreateOnce(ctx, again)
	return err
}

// orCopy returns the error that the Workflow is gone, unless this firing has
// resubmitted it before.
func (c *Control) orCopy(ctx context.Context, f hearken.Firing, gone error) error {
	object, err := named(kindWorkflow, c.Namespace, c.Name, f)
	if err != nil {
		return gone
	}
	made, err := c.hasCopy(ctx, f, object)
	switch {
	case made:
		return nil
	case err != nil && !hearken.IsPermanent(err):
		return err // there may be one
	}
	return gone
}

func (c *Control) hasCopy(ctx context.Context, f hearken.Firing, of *unstructured.Unstructured) (bool, error) {
	const op = "look for the copy of"
	r, err := c.Client.Resource(ctx, of)
	if err != nil {
		return false, k8s.Failed(ctx, op, of, err)
	}
	copies, err := r.List(ctx, metav1.ListOptions{LabelSelector: k8s.FiringLabel + "=" + k8s.LabelValue(f.ID) + "," +
		labelResubmittedFrom + "=" + of.GetName()})
	if err != nil {
		return false, k8s.Failed(ctx, op, of, err)
	}
	return slices.ContainsFunc(copies.Items, func(o unstructured.Unstructured) bool { return k8s.MadeBy(&o, f) }), nil
}
