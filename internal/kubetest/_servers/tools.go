//go:build tools

// Package servers holds what is built for the tests against Kubernetes, pinned
// apart from the modules under test: the API server raises every module of
// client-go, and the tests run with the oldest.
package servers

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
