// Package k8s acts on Kubernetes objects of any kind.
package k8s
