package kubetest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// What command assets builds: the versions that _servers/go.mod requires.
const (
	KubernetesVersion = "v1.36.3"
	EtcdVersion       = "v3.6.8"
)

// AssetsEnv names the folder that holds kube-apiserver and etcd.
const AssetsEnv = "KUBEBUILDER_ASSETS"

// CheckAssets says what is missing in dir.
func CheckAssets(dir string) error {
	var errs []error
	for _, program := range []string{"kube-apiserver", "etcd"} {
		if _, err := os.Stat(filepath.Join(dir, program)); err != nil {
			errs = append(errs, fmt.Errorf("no %s: %w", program, err))
		}
	}
	return errors.Join(errs...)
}

func assetsDir() (string, error) {
	dir := os.Getenv(AssetsEnv)
	if dir == "" {
		return "", fmt.Errorf("%s is not set; make test-kubernetes builds the servers and sets it", AssetsEnv)
	}
	return dir, CheckAssets(dir)
}
