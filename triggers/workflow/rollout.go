package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
)

// RolloutOperation is what Rollout does.
type RolloutOperation string

// The operations of the kubectl plugin on a rollout that is under way.
const (
	// Promote ends the pause that the rollout is in. One that is not paused is
	// an error that passes: it may not have come to its pause yet. One that has
	// been aborted is a Permanent error.
	Promote RolloutOperation = "promote"
	// PromoteFull goes to the new version at once, over all steps, pauses and
	// analyses, and takes an abort back. Of a rollout that is through nothing is
	// asked.
	PromoteFull RolloutOperation = "promote in full"
	// Abort goes back to the stable version, and takes a promotion in full back
	// that is under way. A rollout that is through is a Permanent error: nothing
	// goes back any more.
	Abort RolloutOperation = "abort"
)

// Rollout acts on a Rollout of Argo Rollouts (0.10 or later, which has the
// status subresource). It is used by pointer, and its fields must not be changed
// once it fires.
//
// What it does holds for the pod hash that the rollout is at, and Promote for the
// step too: the API server tests them in the same write. While its controller has
// not seen the latest spec nothing is done, which is an error that passes. Each
// firing acts once, and one that is fired again after a crash acts only while the
// rollout is still there, so that one promotion never ends two pauses: the
// annotation events.hearken.dev/acts holds what it needs for that, of the last 32
// firings.
type Rollout struct {
	// Client reaches the API server. Required.
	Client *k8s.Client

	// Operation is what is done. Required.
	Operation RolloutOperation

	// Name is the Rollout's: params.Const of a string, or a value of the firing.
	// Required.
	Name params.Value

	// Namespace is the Rollout's. Empty: the Client's.
	Namespace string

	// PodHash is the hash that the rollout must be at
	// (status.currentPodHash, the label rollouts-pod-template-hash of its Pods):
	// what the events of the firing are about, such as the version that a test
	// has tried. Another is a Permanent error. The zero Value: any.
	PodHash params.Value
}

// Fire acts on the Rollout, or finds that this firing has.
func (r *Rollout) Fire(ctx context.Context, f hearken.Firing) error {
	return withTarget(ctx, r.Client, string(r.Operation), kindRollout, r.Namespace, r.Name, f, r.act)
}

// stage is where a rollout is, as far as the operation is about it.
type stage struct {
	hash, stable string
	step         int64
	hasStep      bool
}

func (r *Rollout) stageOf(ro *unstructured.Unstructured) stage {
	step, found, err := unstructured.NestedInt64(ro.Object, "status", "currentStepIndex")
	return stage{
		hash:    text(ro, "status", "currentPodHash"),
		stable:  text(ro, "status", "stableRS"),
		step:    step,
		hasStep: found && err == nil && r.Operation == Promote,
	}
}

func (s stage) String() string {
	if !s.hasStep {
		return s.hash
	}
	return s.hash + "/" + strconv.FormatInt(s.step, 10)
}

func (r *Rollout) act(ctx context.Context, t *target) error {
	now := r.stageOf(t.Unstructured)
	witness, begun := t.begun()
	if begun && (witness != now.String() || !r.wanting(t.Unstructured)) {
		return t.finish(ctx) // it has come on since
	}
	if !begun {
		if err := r.check(ctx, t, now); err != nil {
			return err
		}
		if !r.wanting(t.Unstructured) {
			return t.begin(ctx, "") // it is so already
		}
	}
	// Also of what has begun: it may be paused by spec again.
	if err := t.merge(ctx, now.String(), r.specPatch(t.Unstructured)); err != nil {
		return err
	}
	if patch := r.statusPatch(t.Unstructured); patch != nil {
		if err := r.patchStatus(ctx, t, now, patch); err != nil {
			return err
		}
	}
	return t.finish(ctx)
}

// check finds whether the operation makes sense of a rollout at this stage.
func (r *Rollout) check(ctx context.Context, t *target, now stage) error {
	if now.hash == "" {
		return t.failed(ctx, errors.New("its controller has not seen it yet: it has no status.currentPodHash"))
	}
	if isBehind(t.Unstructured) {
		return t.failed(ctx, fmt.Errorf("its controller has not seen its generation %d yet", t.GetGeneration()))
	}
	if r.PodHash != (params.Value{}) {
		want, err := r.PodHash.Text(t.firing)
		if err != nil {
			return t.failed(ctx, fmt.Errorf("PodHash: %w", err))
		}
		if want != now.hash {
			return t.refused(ctx, "it is at pod hash %q, not at %q", now.hash, want)
		}
	}
	through := now.hash == now.stable
	switch {
	case r.Operation == Abort && through:
		return t.refused(ctx, "%s is the stable version already", now.hash)
	case r.Operation != Promote || r.wanting(t.Unstructured):
		return nil
	case isSet(t.Unstructured, "status", "abort"):
		return t.refused(ctx, "it has been aborted")
	case through:
		return t.refused(ctx, "nothing is to be promoted: %s is the stable version already", now.hash)
	}
	return t.failed(ctx, fmt.Errorf("it is not paused, or not yet: %s", now))
}

// wanting reports whether the operation has something to do.
func (r *Rollout) wanting(ro *unstructured.Unstructured) bool {
	switch r.Operation {
	case Promote:
		return !isSet(ro, "status", "abort") && (isSet(ro, "spec", "paused") || hasPause(ro))
	case PromoteFull:
		now := r.stageOf(ro)
		return now.hash != now.stable && !isSet(ro, "status", "promoteFull")
	default:
		return !isSet(ro, "status", "abort") || isSet(ro, "status", "promoteFull")
	}
}

// specPatch ends a pause by hand.
func (r *Rollout) specPatch(ro *unstructured.Unstructured) map[string]any {
	if r.Operation == Promote && isSet(ro, "spec", "paused") {
		return map[string]any{"spec": map[string]any{"paused": false}}
	}
	return nil
}

// change is an operation of a JSON patch (RFC 6902).
type change struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// statusPatch writes what getPatches of Argo Rollouts' promote command
// (pkg/kubectl-argo-rollouts/cmd/promote/promote.go, v1.8) and its abort command
// write, provided that the rollout is still at this stage.
func (r *Rollout) statusPatch(ro *unstructured.Unstructured) []change {
	now := r.stageOf(ro)
	patch := []change{{"test", "/status/currentPodHash", now.hash}}
	if now.hasStep {
		patch = append(patch, change{"test", "/status/currentStepIndex", now.step})
	}
	switch r.Operation {
	case PromoteFull:
		return append(patch, change{"add", "/status/promoteFull", true})
	case Abort:
		if isSet(ro, "status", "promoteFull") { // by which its controller would take the abort back
			patch = append(patch, change{"add", "/status/promoteFull", false})
		}
		return append(patch, change{"add", "/status/abort", true})
	}
	if !hasPause(ro) {
		return nil
	}
	patch = append(patch, change{"remove", "/status/pauseConditions", nil})
	if isInconclusive(ro) {
		// Without these it would pause at the same step again.
		patch = append(patch, change{"add", "/status/controllerPause", false})
		patch = append(patch, change{"add", "/status/currentStepIndex", nextStep(ro, now)})
	}
	return patch
}

// patchStatus sends the patch. When its tests fail somebody was quicker: whoever
// has ended the same pause did what was to be done, perhaps for this very firing
// in another process.
func (r *Rollout) patchStatus(ctx context.Context, t *target, was stage, patch []change) error {
	raw, err := json.Marshal(patch)
	if err != nil {
		return t.failed(ctx, err)
	}
	_, err = t.Patch(ctx, t.GetName(), types.JSONPatchType, raw, metav1.PatchOptions{}, "status")
	if !apierrors.IsInvalid(err) {
		return t.failed(ctx, err)
	}
	if err := t.read(ctx); err != nil {
		return err
	}
	now := r.stageOf(t.Unstructured)
	if now.hash == was.hash && (now.String() != was.String() || !r.wanting(t.Unstructured)) {
		return nil
	}
	return t.refused(ctx, "it was at %s and is at %s: %w", was, now, err)
}

// isBehind reports whether the status is of an earlier spec, and so maybe of
// another version. Old controllers note a hash of the spec, which says nothing of
// that.
func isBehind(ro *unstructured.Unstructured) bool {
	seen, err := strconv.ParseInt(text(ro, "status", "observedGeneration"), 10, 64)
	return err == nil && seen < ro.GetGeneration()
}

func isSet(o *unstructured.Unstructured, path ...string) bool {
	is, _, _ := unstructured.NestedBool(o.Object, path...) // what is no bool is not true
	return is
}

func hasPause(ro *unstructured.Unstructured) bool {
	list, _, _ := unstructured.NestedSlice(ro.Object, "status", "pauseConditions") // what is no list is none
	return len(list) > 0
}

// isInconclusive knows the pause after an analysis that could not decide.
func isInconclusive(ro *unstructured.Unstructured) bool {
	return text(ro, "status", "canary", "currentStepAnalysisRunStatus", "status") == phaseInconclusive &&
		isSet(ro, "status", "controllerPause")
}

// nextStep is the step after this one, or where all are done.
func nextStep(ro *unstructured.Unstructured, now stage) int64 {
	steps, _, _ := unstructured.NestedSlice(ro.Object, "spec", "strategy", "canary", "steps") // none: 0
	return min(now.step+1, int64(len(steps)))
}
