// Package workflow runs Argo Workflows and steers Argo Rollouts, as
// unstructured objects of the Kubernetes API: without the argo command and
// without Argo's Go modules.
package workflow
