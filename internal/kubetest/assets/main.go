// Command assets prints the folder that holds kube-apiserver and etcd, for
// KUBEBUILDER_ASSETS: the one that this variable names already, or else one
// below the folder given, where it builds them by Go from their own modules.
// That takes some minutes of two processors the first time, and is kept.
//
//	KUBEBUILDER_ASSETS=$(go run ./internal/kubetest/assets .cache) go test -tags=kubernetes ./...
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"github.com/hearken-go/hearken/internal/kubetest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := assets(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "assets:", err)
		os.Exit(1)
	}
	fmt.Println(dir)
}

func assets(ctx context.Context, args []string) (string, error) {
	if dir := os.Getenv(kubetest.AssetsEnv); dir != "" {
		return dir, kubetest.CheckAssets(dir)
	}
	if len(args) != 1 {
		return "", errors.New("want one argument, the folder to build below")
	}
	dir, err := filepath.Abs(filepath.Join(args[0], "kubernetes-"+kubetest.KubernetesVersion+"-etcd-"+kubetest.EtcdVersion))
	if err != nil || kubetest.CheckAssets(dir) == nil {
		return dir, err
	}
	fmt.Fprintln(os.Stderr, "assets: building kube-apiserver", kubetest.KubernetesVersion, "and etcd", kubetest.EtcdVersion)
	return dir, build(ctx, dir)
}

// build makes both in a folder beside dir, and renames it, so that one that was
// cut short is not taken for whole.
func build(ctx context.Context, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "building-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-mod=readonly",
		"-ldflags=-s -w -X k8s.io/component-base/version.gitVersion="+kubetest.KubernetesVersion,
		"-o", tmp+string(filepath.Separator), "k8s.io/kubernetes/cmd/kube-apiserver", "./etcd")
	cmd.Dir = filepath.Join("internal", "kubetest", "_servers")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build in %s: %w", cmd.Dir, err)
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}
