// Package kube finds the cluster that an example works on.
package kube

import (
	"errors"
	"flag"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Flag defines -kubeconfig, whose value is for Config.
func Flag() *string {
	return flag.String("kubeconfig", "", "`file` that says where the cluster is; empty: as kubectl finds it, or the Pod's own")
}

// Config returns how to reach the cluster and the namespace to work in, by the
// rules of kubectl: those of the file, else of the files that KUBECONFIG names,
// else of ~/.kube/config. Where there is none of these and the program runs in a
// Pod, that is the Pod's cluster, service account and namespace.
func Config(file string) (cluster *rest.Config, namespace string, err error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = file
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{})
	if cluster, err = loader.ClientConfig(); clientcmd.IsEmptyConfig(err) {
		return nil, "", errors.New("no cluster: neither -kubeconfig, KUBECONFIG nor ~/.kube/config names one, and this is no Pod")
	} else if err != nil {
		return nil, "", err
	}
	namespace, _, err = loader.Namespace()
	return cluster, namespace, err
}
