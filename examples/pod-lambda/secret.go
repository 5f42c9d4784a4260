package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
)

// secretReader is a client for the Secrets of a namespace.
type secretReader interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.Secret, error)
}

// inSecret provides the credentials of a Secret, by namespace/name.
func inSecret(cluster *rest.Config, secret string, keep time.Duration) (aws.CredentialsProvider, error) {
	namespace, name, ok := strings.Cut(secret, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return nil, fmt.Errorf("-secret %q: want namespace/name", secret)
	}
	c, err := client.NewForConfig(cluster)
	if err != nil {
		return nil, err
	}
	return readSecret(c.Secrets(namespace), name, keep), nil
}

// readSecret reads the Secret each time it is asked. What it returns expires
// after keep, so that who caches it asks again.
func readSecret(secrets secretReader, name string, keep time.Duration) aws.CredentialsProviderFunc {
	return func(ctx context.Context) (aws.Credentials, error) {
		s, err := secrets.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return aws.Credentials{}, err
		}
		text := func(key string) string { return strings.TrimSpace(string(s.Data[key])) }
		c := aws.Credentials{
			AccessKeyID:     text("accesskey"),
			SecretAccessKey: text("secretkey"),
			SessionToken:    text("sessiontoken"),
			Source:          "Secret " + s.Namespace + "/" + s.Name,
			CanExpire:       true,
			Expires:         time.Now().Add(keep),
		}
		if !c.HasKeys() {
			return aws.Credentials{}, fmt.Errorf("the Secret %s/%s lacks accesskey or secretkey", s.Namespace, s.Name)
		}
		return c, nil
	}
}
