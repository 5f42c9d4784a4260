// Package argo gives a test cluster Argo's kinds and plays its controllers: Argo
// Workflows' and Argo Rollouts' own are no Go modules that could be required.
//
// The definitions in crds are of our own writing and accept any fields. As
// upstream has it, Workflows and their templates have no status subresource, and
// Rollouts have one. Play moves Workflows and Rollouts on as their controllers
// would, without running anything: what becomes of a Workflow its annotation
// PlayAnnotation says.
//
// Like kubetest it needs the standard library only, so that the tests of every
// module can import it.
package argo
