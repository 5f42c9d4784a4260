// Command run starts a Kubernetes API server to try the examples against, prints
// the KUBECONFIG to use, and stops it on interrupt. With -argo it has the kinds of
// Argo Workflows and Argo Rollouts, and plays their controllers.
//
//	KUBEBUILDER_ASSETS=$(go run ./internal/kubetest/assets .cache) go run ./internal/kubetest/run [-argo]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/hearken-go/hearken/internal/kubetest"
	"github.com/hearken-go/hearken/internal/kubetest/argo"
)

func main() {
	playArgo := flag.Bool("argo", false, "play Argo Workflows and Argo Rollouts")
	flag.Parse()
	if err := run(*playArgo); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

func run(playArgo bool) error {
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
	if playArgo {
		if err := argo.Install(ctx, c); err != nil {
			return err
		}
	}
	fmt.Fprintln(os.Stderr, "Kubernetes", version, "at", c.URL())
	fmt.Printf("export KUBECONFIG=%s\n", c.Kubeconfig())
	if playArgo {
		return argo.Play(ctx, c)
	}
	<-ctx.Done()
	return nil
}
