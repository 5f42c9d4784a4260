// Package workflow runs Argo Workflows and steers Argo Rollouts, as
// unstructured objects of the Kubernetes API: without the argo command and
// without Argo's Go modules.
//
//	&workflow.Submit{
//		Client:           &k8s.Client{Config: config},
//		WorkflowTemplate: "build",
//		Namespace:        "argo",
//		Arguments:        params.Object{"branch": params.Data(push, "body.ref")},
//	}
//
// The parts:
//
//   - [Submit] submits a Workflow: a manifest, or made from a WorkflowTemplate,
//     a ClusterWorkflowTemplate or a CronWorkflow. Created is success, unless it
//     is asked to wait.
//   - [Control] suspends, resumes, stops, terminates, retries and resubmits one
//     that is there.
//   - [Completed] is an event source of the Workflows that have ended.
//   - [Rollout] promotes and aborts a Rollout.
//
// # Once per firing
//
// A firing may be fired again, after a crash or a redelivery. What it makes has a
// name of the firing's own; what it does to an object of others is noted on that
// object, in the annotation events.hearken.dev/acts, with the last 32 firings
// that did something to it.
//
// # Rights
//
// In the namespace: get, create on workflows to submit, get on what it is made
// from; get and patch on workflows to control, create too to resubmit, list too
// to find a copy of what is gone or memoized; watch to wait; list and watch for
// Completed. For Rollouts get and patch on rollouts and patch on
// rollouts/status. The kinds are looked up by discovery, which everybody may.
//
// # Argo's versions
//
// The fields, labels and patches are those of the argo command and the kubectl
// plugin: Argo Workflows 3.4 to 4.1, Argo Rollouts 1.0 to 1.8. This package is
// tested on a real API server, with Argo's controllers and the argo-server
// played by the tests.
package workflow
