// Rollout promotes an Argo Rollout that waits in a pause, or aborts it, as the
// result of a test says that is posted to a webhook.
//
//	go run ./examples/rollout
//	curl -d '{"rollout":"shop","hash":"5d86c4","passed":true}' 127.0.0.1:12000/test
//
// The result is of one version, by its pod hash: it does nothing to another. A
// line of JSON is printed for each phase that a Rollout comes to.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
	"github.com/hearken-go/hearken/examples/internal/console"
	"github.com/hearken-go/hearken/examples/internal/kube"
	"github.com/hearken-go/hearken/filters"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/hearken-go/hearken/sources/webhook"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/hearken-go/hearken/triggers/workflow"
	"github.com/tidwall/gjson"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// flags are what the command line says.
type flags struct{ addr, data, kubeconfig, namespace string }

func main() {
	var f flags
	kubeconfig := kube.Flag()
	flag.StringVar(&f.addr, "addr", "127.0.0.1:12000", "`address` of the webhook")
	flag.StringVar(&f.data, "data", filepath.Join("examples", "rollout", "data"), "`folder` of the bus; empty: in memory")
	flag.StringVar(&f.namespace, "namespace", "", "`namespace` of the Rollouts; empty: the kubeconfig's")
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
	if f.namespace != "" {
		namespace = f.namespace
	}
	b, err := embedded.Open(ctx, embedded.Config{Dir: f.data})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()

	hook := &webhook.Source{Verify: webhook.AllowUnauthenticated}
	results := &hearken.EventSource{Name: "tests", Event: "result", Source: hook}
	rollouts := &hearken.EventSource{Name: "rollouts", Event: "change", Source: &resource.Source{
		Config:     cluster,
		Resource:   schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "rollouts"},
		Namespaces: []string{namespace},
		Types:      []resource.Type{resource.Add, resource.Update},
		OldBody:    true,
	}}

	client := &k8s.Client{Config: cluster, Namespace: namespace}
	// on returns what is done on results that are so.
	on := func(passed bool, do workflow.RolloutOperation) hearken.Action {
		result := &hearken.Dependency{EventSource: results, Filter: filters.Data("body.passed", passed)}
		return hearken.Action{Name: string(do), When: result, Trigger: &workflow.Rollout{
			Client:    client,
			Operation: do,
			Name:      params.Data(result, "body.rollout"),
			PodHash:   params.Data(result, "body.hash"),
		}}
	}
	change := &hearken.Dependency{EventSource: rollouts, Filter: filters.Func(phaseChanged)}
	show := console.Line{Object: params.Object{
		"rollout": params.Data(change, "body.metadata.name"),
		"hash":    params.Data(change, "body.status.currentPodHash"),
		"phase":   params.Data(change, "body.status.phase"),
	}}

	p := &hearken.Pipeline{
		Name:         "rollout",
		Bus:          b,
		EventSources: []*hearken.EventSource{results, rollouts},
		Sensors: []hearken.Sensor{
			{Name: "judge", Actions: []hearken.Action{on(true, workflow.Promote), on(false, workflow.Abort)}},
			{Name: "show", Workers: 1, Actions: []hearken.Action{{When: change, Trigger: show}}}, // in order
		},
	}
	mux := http.NewServeMux()
	mux.Handle("/test", hook)
	server := &webhook.Server{Addr: f.addr, Handler: mux}
	slog.Info("listening", "url", "http://"+f.addr+"/test", "cluster", cluster.Host, "namespace", namespace)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.Run(ctx) })
	g.Go(func() error { return server.Run(ctx) })
	return g.Wait()
}

// phaseChanged leaves out what else happens to a Rollout.
func phaseChanged(_ context.Context, e hearken.Event) (bool, error) {
	phases := gjson.GetManyBytes(e.Data(), "body.status.phase", "oldBody.status.phase")
	return phases[0].Exists() && phases[0].String() != phases[1].String(), nil
}
