// Operator is a controller-runtime manager with a pipeline in it: each Namespace
// that has the label team gets a NetworkPolicy that denies all traffic, unless
// it has one of that name.
//
//	go run ./examples/operator
//	kubectl create namespace shop
//	kubectl label namespace shop team=web
//
// It prints a line of JSON for each policy. Any number of replicas on one NATS
// server share the work; with -leader one of them watches and all of them act.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/hearken-go/hearken/examples/internal/kube"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// flags are what the command line says.
type flags struct {
	addr, data, kubeconfig, nats, listen string
	leader                               bool
}

func main() {
	var f flags
	kubeconfig := kube.Flag()
	flag.StringVar(&f.addr, "addr", "127.0.0.1:8081", "`address` of the probes")
	flag.StringVar(&f.nats, "nats", "", "`URL` of the NATS server that replicas share; empty: one within this process")
	flag.StringVar(&f.data, "data", filepath.Join("examples", "operator", "data"), "`folder` of the server within; empty: in memory")
	flag.StringVar(&f.listen, "listen", "", "`address` on which other replicas reach the server within; empty: none")
	flag.BoolVar(&f.leader, "leader", false, "watch only where this replica is elected the leader")
	flag.Parse()
	f.kubeconfig = *kubeconfig

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, f); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags) (err error) {
	cluster, namespace, err := kube.Config(f.kubeconfig)
	if err != nil {
		return err
	}
	cluster.QPS, cluster.Burst = 50, 100 // client-go's 5 a second are few for an operator
	b, closeBus, err := openBus(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeBus(context.WithoutCancel(ctx))) }()

	logger := logr.FromSlogHandler(slog.Default().Handler())
	log.SetLogger(logger)
	mgr, err := manager.New(cluster, manager.Options{
		Logger:                  logger,
		HealthProbeBindAddress:  f.addr,
		Metrics:                 server.Options{BindAddress: "0"},
		GracefulShutdownTimeout: new(shutdown),
		LeaderElection:          f.leader,
		LeaderElectionID:        name,
		LeaderElectionNamespace: namespace,
		// The pipelines have ended by then, so that the next may begin.
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return err
	}
	parts := pipelines(b, mgr, f.leader)
	for _, part := range parts {
		if err := errors.Join(mgr.Add(part), part.addProbes(mgr)); err != nil {
			return err
		}
	}
	slog.Info("starting", "cluster", cluster.Host, "probes", "http://"+f.addr+"/readyz")
	err = mgr.Start(ctx)
	for _, part := range parts {
		err = errors.Join(err, part.outcome())
	}
	return err
}
