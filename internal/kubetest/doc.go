// Package kubetest runs a Kubernetes API server, the real one, and the etcd it
// keeps its objects in, for tests and for trying the examples. Both listen on
// loopback, on free ports, and end with the process that started them, however
// it ends.
//
// The programs are those of the folder that KUBEBUILDER_ASSETS names, as users
// get them by setup-envtest; command assets builds them. There is no controller
// manager, scheduler or kubelet: pods do not run, a deleted namespace stays
// Terminating, and what an owner reference points from is not collected.
//
// It needs the standard library and a POSIX shell, so that the tests of every
// module can import it whatever version of client-go they hold.
package kubetest
