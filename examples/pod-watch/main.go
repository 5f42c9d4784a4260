// Pod-watch logs what happens to the Pods that have a label, as the example of
// Argo Events' resource event source and log trigger does.
//
//	go run ./examples/pod-watch
//	kubectl run my-pod --image=nginx --labels=app=my-pod
//
// It logs a line of JSON for each event. Stop it, change Pods, start it again:
// it goes on from where it was, and what has happened meanwhile is logged once.
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
	"strings"
	"syscall"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
	"github.com/hearken-go/hearken/examples/internal/kube"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/hearken-go/hearken/triggers/logtrigger"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// flags are what the command line says.
type flags struct {
	data, kubeconfig, namespace, labels, types string
	afterStart                                 bool
}

func main() {
	var f flags
	kubeconfig := kube.Flag()
	flag.StringVar(&f.data, "data", filepath.Join("examples", "pod-watch", "data"), "`folder` of the bus, and of what has been seen; empty: in memory")
	flag.StringVar(&f.namespace, "namespace", "", "`namespace` of the Pods; empty: all")
	flag.StringVar(&f.labels, "labels", "app=my-pod", "which Pods, as a label `selector`")
	flag.StringVar(&f.types, "types", "ADD,UPDATE,DELETE", "`types` of events, with commas between")
	flag.BoolVar(&f.afterStart, "after-start", false, "the first time, leave out the Pods that are there")
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
	cluster, _, err := kube.Config(f.kubeconfig)
	if err != nil {
		return err
	}
	b, err := embedded.Open(ctx, embedded.Config{Dir: f.data})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()

	pods := &resource.Source{
		Config:     cluster,
		Resource:   schema.GroupVersionResource{Version: "v1", Resource: "pods"},
		Labels:     f.labels,
		AfterStart: f.afterStart,
	}
	if f.namespace != "" {
		pods.Namespaces = []string{f.namespace}
	}
	for typ := range strings.SplitSeq(f.types, ",") {
		pods.Types = append(pods.Types, resource.Type(typ))
	}
	example := &hearken.EventSource{Name: "resource", Event: "example", Source: pods}

	p := &hearken.Pipeline{
		Name:         "pod-watch",
		Bus:          b,
		EventSources: []*hearken.EventSource{example},
		Sensors: []hearken.Sensor{{
			Name:    "log",
			Workers: 1, // the lines come in the order of the events
			Actions: []hearken.Action{{
				When:    &hearken.Dependency{EventSource: example},
				Trigger: &logtrigger.Trigger{Logger: slog.New(slog.NewJSONHandler(os.Stdout, nil))},
			}},
		}},
	}
	slog.Info("watching Pods", "cluster", cluster.Host, "labels", f.labels)
	return p.Run(ctx)
}
