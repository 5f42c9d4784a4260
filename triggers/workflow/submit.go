package workflow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
)

// Submit submits a Workflow for each firing. It is used by pointer, and its
// fields must not be changed once it fires. Client is required, and one of
// Manifest, WorkflowTemplate, ClusterWorkflowTemplate and CronWorkflow.
//
// The Workflow's name is the firing's own: the prefix, a dash and 13 characters
// (see k8s.Name), so that a firing that is fired again finds the Workflow that
// it has made. That holds as long as the Workflow is there: its ttlStrategy
// should leave it for longer than the bus may deliver again, an hour or so.
type Submit struct {
	// Client reaches the API server.
	Client *k8s.Client

	// Manifest makes the JSON of the whole Workflow: a *k8s.Manifest, which takes
	// YAML and has values put in, a *params.Template, or Go code. Its
	// metadata.generateName, without one its metadata.name and a dash, is the
	// prefix of the name. A status is left out.
	Manifest hearken.Payload

	// WorkflowTemplate, ClusterWorkflowTemplate and CronWorkflow name what the
	// Workflow is made from; that name is the prefix of its own. Templates are
	// referred to (spec.workflowTemplateRef), and a CronWorkflow's spec and
	// metadata are copied, with the CronWorkflow as the owner.
	WorkflowTemplate        string
	ClusterWorkflowTemplate string
	CronWorkflow            string

	// Namespace is the Workflow's, and that of the WorkflowTemplate or
	// CronWorkflow. Empty: the manifest's, and without one the Client's. A
	// manifest that names another is refused.
	Namespace string

	// Arguments are the Workflow's parameters by name: values of the firing or
	// constants. A string is itself, all else its JSON text, as with
	// params.Event for the whole event. They replace parameters of the same name
	// and are added to others.
	Arguments params.Object

	// InstanceID is that of the controller that is to run the Workflow, where
	// several share a cluster. Empty: what the manifest or the CronWorkflow says.
	InstanceID string

	// Labels are added to the Workflow's, and replace those of the same name.
	Labels map[string]string

	// Edit, if set, has the last word before the Workflow is created: a service
	// account, a priority, an entrypoint. It is called concurrently, each time
	// with an object of its own; its error fails the attempt, and another attempt
	// follows unless it is Permanent. The namespace has to stay; the name and the
	// firing's marks are set afterwards.
	Edit func(f hearken.Firing, wf *unstructured.Unstructured) error

	// Wait is how long one attempt waits for the Workflow to succeed. One that
	// ends Failed or Error is a Permanent error with the Workflow's message,
	// unless Resubmit has some left; one that has not ended after Wait is an
	// error that passes, and the next attempt waits for the same Workflow. Zero:
	// created is success. For what takes hours a second sensor on Completed does
	// better.
	Wait time.Duration

	// Resubmit is how often a Workflow that ended Failed or Error is submitted
	// again, each time as the next attempt of the firing, so within the action's
	// Retry. The new one's name differs by a counter that goes into its hash. It
	// takes Wait. Zero: never.
	Resubmit int
}

// waitMargin is what an attempt may take beside waiting.
const waitMargin = time.Minute

// AttemptTimeout is Wait and a minute for all else.
func (s *Submit) AttemptTimeout() time.Duration {
	if s.Wait <= 0 {
		return 0
	}
	return s.Wait + waitMargin
}

// MinTimeout is Wait: an action's Timeout below it is a mistake.
func (s *Submit) MinTimeout() time.Duration { return max(s.Wait, 0) }

// Fire submits the Workflow, or finds the one that this firing has submitted,
// and waits for it if asked to.
func (s *Submit) Fire(ctx context.Context, f hearken.Firing) error {
	wf, err := s.build(ctx, f)
	if err != nil {
		return s.orThere(ctx, f, err)
	}
	prefix := prefixOf(wf)
	wf.SetGenerateName("")
	k8s.Mark(wf, f)
	for count := range s.Resubmit + 1 {
		wf.SetName(k8s.Name(prefix, f, count, 0))
		made, err := s.Client.CreateOnce(ctx, wf)
		if err != nil {
			return err
		}
		if s.Wait <= 0 {
			return nil
		}
		if count < s.Resubmit && outcomeOf(made).failed() {
			continue // an earlier attempt's
		}
		return s.wait(ctx, made, count < s.Resubmit)
	}
	return nil
}

// build makes the Workflow of a firing, all but its name and marks.
func (s *Submit) build(ctx context.Context, f hearken.Firing) (*unstructured.Unstructured, error) {
	arguments, err := parametersOf(s.Arguments, f)
	if err != nil {
		return nil, err
	}
	wf, err := s.base(ctx, f)
	if err != nil {
		return nil, err
	}
	if err := setParameters(wf, arguments); err != nil {
		return nil, hearken.Permanent(err)
	}
	labels := wf.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, s.Labels)
	if s.InstanceID != "" {
		labels[labelInstanceID] = s.InstanceID
	}
	wf.SetLabels(labels)
	return wf, s.edit(f, wf)
}

func (s *Submit) edit(f hearken.Firing, wf *unstructured.Unstructured) error {
	if s.Edit == nil {
		return nil
	}
	namespace := wf.GetNamespace()
	if err := s.Edit(f, wf); err != nil {
		return fmt.Errorf("edit: %w", err)
	}
	if now := wf.GetNamespace(); now != namespace {
		return hearken.Permanent(fmt.Errorf("edit: the namespace was %q and is %q; it has to stay", namespace, now))
	}
	if err := checkTexts(wf); err != nil {
		return hearken.Permanent(fmt.Errorf("edit: %w", err))
	}
	return nil
}

// base returns what the Workflow is made from.
func (s *Submit) base(ctx context.Context, f hearken.Firing) (*unstructured.Unstructured, error) {
	if s.Manifest != nil {
		return s.manifest(f)
	}
	kind, name := s.from()
	origin, err := s.read(ctx, kind, name)
	if err != nil {
		return nil, err
	}
	if kind == kindCronWorkflow {
		wf, err := fromCron(origin, time.Now())
		return wf, hearken.Permanent(err)
	}
	wf := fromTemplate(kind, name)
	wf.SetNamespace(s.Namespace)
	return wf, nil
}

func (s *Submit) manifest(f hearken.Firing) (*unstructured.Unstructured, error) {
	raw, err := s.Manifest.Payload(f)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	wf, err := fromManifest(raw)
	if err != nil {
		return nil, hearken.Permanent(err)
	}
	switch named := wf.GetNamespace(); {
	case s.Namespace == "" || s.Namespace == named:
	case named == "":
		wf.SetNamespace(s.Namespace)
	default:
		return nil, hearken.Permanent(fmt.Errorf("the manifest's namespace is %q, but Submit's is %q", named, s.Namespace))
	}
	return wf, nil
}

// from returns what the Workflow is made from, when there is no manifest.
func (s *Submit) from() (kind, name string) {
	switch {
	case s.WorkflowTemplate != "":
		return kindWorkflowTemplate, s.WorkflowTemplate
	case s.ClusterWorkflowTemplate != "":
		return kindClusterWorkflowTemplate, s.ClusterWorkflowTemplate
	default:
		return kindCronWorkflow, s.CronWorkflow
	}
}

// read reads the template: one that is not there would make a Workflow that
// ends in Error.
func (s *Submit) read(ctx context.Context, kind, name string) (*unstructured.Unstructured, error) {
	origin := newObject(kind)
	origin.SetName(name)
	if kind != kindClusterWorkflowTemplate {
		origin.SetNamespace(s.Namespace)
	}
	r, err := s.Client.Resource(ctx, origin)
	if err != nil {
		return nil, k8s.Failed(ctx, "submit from", origin, err)
	}
	found, err := r.Get(ctx, name, metav1.GetOptions{})
	return found, k8s.Failed(ctx, "submit from", origin, err)
}

// orThere goes on, after the failure to build the Workflow, when what it is made
// from has gone since this firing submitted it, with the last that it has; else it
// returns that error.
func (s *Submit) orThere(ctx context.Context, f hearken.Firing, err error) error {
	if !isGone(err) {
		return err
	}
	_, name := s.from()
	for count := s.Resubmit; count >= 0; count-- {
		there, failed := s.submitted(ctx, f, k8s.Name(name, f, count, 0))
		switch {
		case failed != nil && !hearken.IsPermanent(failed):
			return failed // it may be there
		case there == nil:
		case s.Wait > 0:
			return s.wait(ctx, there, false)
		default:
			return nil
		}
	}
	return err
}

// submitted returns the firing's Workflow of this name, or nil when it has made
// none.
func (s *Submit) submitted(ctx context.Context, f hearken.Firing, name string) (*unstructured.Unstructured, error) {
	wf := newObject(kindWorkflow)
	wf.SetNamespace(s.Namespace)
	wf.SetName(name)
	r, err := s.Client.Resource(ctx, wf)
	if err != nil {
		return nil, k8s.Failed(ctx, "look for", wf, err)
	}
	there, err := r.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, k8s.Failed(ctx, "look for", wf, err)
	}
	if !k8s.MadeBy(there, f) {
		return nil, nil //nolint:nilnil // another's is none
	}
	return there, nil
}

func isGone(err error) bool { return apierrors.IsNotFound(err) }

// wait waits for a Workflow to succeed. again says that one that fails is to be
// submitted again.
func (s *Submit) wait(ctx context.Context, wf *unstructured.Unstructured, again bool) error {
	waiting, cancel := context.WithTimeout(ctx, s.Wait)
	defer cancel()
	var last outcome
	seen := false
	_, err := s.Client.Wait(waiting, wf, func(o *unstructured.Unstructured) (bool, error) {
		seen, last = true, outcomeOf(o)
		if !last.failed() {
			return last.finished(), nil
		}
		err := &FailedError{Namespace: o.GetNamespace(), Name: o.GetName(), Phase: last.phase, Message: last.message}
		if again {
			return false, err
		}
		return false, hearken.Permanent(err)
	})
	switch late := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil; {
	case late && !seen:
		// Said, not wrapped: it is not the attempt's context that has ended.
		return fmt.Errorf("Workflow %s/%s could not be seen within %v: %s", wf.GetNamespace(), wf.GetName(), s.Wait, err.Error())
	case late:
		return fmt.Errorf("Workflow %s/%s has not ended after %v: its phase is %q", wf.GetNamespace(), wf.GetName(), s.Wait, last.phase)
	}
	return err
}

// FailedError is a Workflow that was waited for and ended Failed or Error.
type FailedError struct {
	Namespace, Name string
	// Phase is Failed or Error, and Message what the Workflow says of it.
	Phase, Message string
}

// Error holds all of it.
func (e *FailedError) Error() string {
	text := fmt.Sprintf("Workflow %s/%s ended %s", e.Namespace, e.Name, e.Phase)
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}
