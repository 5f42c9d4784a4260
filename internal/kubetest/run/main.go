// Command run starts a Kubernetes API server to try the examples against, prints
// the KUBECONFIG to use, and stops it on interrupt.
//
//	KUBEBUILDER_ASSETS=$(go run ./internal/kubetest/assets .cache) go run ./internal/kubetest/run
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/hearken-go/hearken/internal/kubetest"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, err := kubetest.Start(ctx, kubetest.Config{})
	if err != nil {
		return err
	}
	defer c.Stop()
	version, err := c.Version(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "Kubernetes", version, "at", c.URL())
	fmt.Printf("export KUBECONFIG=%s\n", c.Kubeconfig())
	<-ctx.Done()
	return nil
}
