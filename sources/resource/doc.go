// Package resource makes events of what happens to Kubernetes objects.
package resource
