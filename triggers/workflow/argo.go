package workflow

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// What Argo calls things, by its own sources: for Argo Workflows v3.4 to v4.1
// workflow/common/common.go and pkg/apis/workflow/v1alpha1/workflow_types.go, for
// Argo Rollouts v1.0 to v1.8 pkg/apis/rollouts/v1alpha1/types.go.
const (
	argoGroup   = "argoproj.io"
	argoVersion = "v1alpha1"
	apiVersion  = argoGroup + "/" + argoVersion

	kindWorkflow                = "Workflow"
	kindWorkflowTemplate        = "WorkflowTemplate"
	kindClusterWorkflowTemplate = "ClusterWorkflowTemplate"
	kindCronWorkflow            = "CronWorkflow"
	kindRollout                 = "Rollout"

	argoPrefix = "workflows.argoproj.io/"

	labelInstanceID      = argoPrefix + "controller-instanceid"
	labelTemplate        = argoPrefix + "workflow-template"
	labelClusterTemplate = argoPrefix + "cluster-workflow-template"
	labelCron            = argoPrefix + "cron-workflow"
	labelResubmittedFrom = argoPrefix + "resubmitted-from-workflow"
	labelPhase           = argoPrefix + "phase"
	labelCompleted       = argoPrefix + "completed"
	labelArchiving       = argoPrefix + "workflow-archiving-status"
	labelCreator         = argoPrefix + "creator" // and with these endings:
	suffixCreatorEmail   = "-email"
	suffixCreatorName    = "-preferred-username"

	annotationScheduledTime = argoPrefix + "scheduled-time"

	phaseSucceeded    = "Succeeded"
	phaseFailed       = "Failed"
	phaseError        = "Error"
	phaseRunning      = "Running"
	phaseInconclusive = "Inconclusive"

	nodeSuspend = "Suspend"

	shutdownStop      = "Stop"
	shutdownTerminate = "Terminate"
)

// newObject returns an object of one of Argo's kinds.
func newObject(kind string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: argoGroup, Version: argoVersion, Kind: kind})
	return u
}

// outcome is how far a Workflow has come.
type outcome struct {
	phase   string // empty before its controller has seen it
	message string
}

func outcomeOf(wf *unstructured.Unstructured) outcome {
	return outcome{phase: text(wf, "status", "phase"), message: text(wf, "status", "message")}
}

// finished reports whether the phase is final. Exit handlers have ended then
// too: Argo sets no final phase before.
func (o outcome) finished() bool {
	return o.phase == phaseSucceeded || o.failed()
}

func (o outcome) failed() bool { return o.phase == phaseFailed || o.phase == phaseError }

// isFinished is the rule by which the argo command refuses to suspend
// (IsWorkflowCompleted, a label) and to stop (Fulfilled, the phase).
func isFinished(wf *unstructured.Unstructured) bool {
	return outcomeOf(wf).finished() || wf.GetLabels()[labelCompleted] == "true"
}

// nodesElsewhere says that the nodes of a Workflow stand not in its status, and
// where: only Argo's server and controller can read and write them there.
func nodesElsewhere(wf *unstructured.Unstructured) string {
	switch {
	case text(wf, "status", "offloadNodeStatusVersion") != "":
		return "offloaded to Argo's database"
	case text(wf, "status", "compressedNodes") != "":
		return "compressed"
	}
	return ""
}

// text returns the string at a path, or "" where there is none.
func text(u *unstructured.Unstructured, path ...string) string {
	s, _, _ := unstructured.NestedString(u.Object, path...) // what is no string is none
	return s
}
