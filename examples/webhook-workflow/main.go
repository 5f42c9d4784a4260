// Webhook-workflow submits an Argo Workflow for each POST to a webhook, and
// prints how it ended.
//
//	go run ./examples/webhook-workflow -key body.message
//	curl -d '{"message":"hello"}' 127.0.0.1:12000/webhook
//
// The Workflow's parameter is the whole event, or with -key a part of it. A
// second sensor waits for the Workflow to end, however long it takes and
// whatever is restarted meanwhile.
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
	"github.com/hearken-go/hearken/sources/webhook"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/hearken-go/hearken/triggers/workflow"
	"golang.org/x/sync/errgroup"
)

// hello is the Workflow. What an event says is data to it, never a command.
const hello = `
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata:
  generateName: hello-
spec:
  entrypoint: say
  arguments:
    parameters: [{name: message, value: nothing}]
  templates:
    - name: say
      inputs:
        parameters: [{name: message}]
      container:
        image: busybox
        command: [echo]
        args: ["{{inputs.parameters.message}}"]
`

// flags are what the command line says.
type flags struct{ addr, data, kubeconfig, namespace, key string }

func main() {
	var f flags
	kubeconfig := kube.Flag()
	flag.StringVar(&f.addr, "addr", "127.0.0.1:12000", "`address` of the webhook")
	flag.StringVar(&f.data, "data", filepath.Join("examples", "webhook-workflow", "data"), "`folder` of the bus; empty: in memory")
	flag.StringVar(&f.namespace, "namespace", "", "`namespace` of the Workflows; empty: the kubeconfig's")
	flag.StringVar(&f.key, "key", "", "`path` of the part of the event that is the parameter, such as body.message; empty: the whole")
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

	client := &k8s.Client{Config: cluster, Namespace: namespace}
	hook := &webhook.Source{Verify: webhook.AllowUnauthenticated}
	posts := &hearken.EventSource{Name: "webhook", Event: "post", Source: hook}
	ends := &hearken.EventSource{Name: "workflows", Event: "end", Source: workflow.Completed(client, namespace)}

	post := &hearken.Dependency{EventSource: posts}
	message := params.Event(post)
	if f.key != "" {
		message = params.Data(post, f.key)
	}
	submit := &workflow.Submit{
		Client:    client,
		Manifest:  &k8s.Manifest{Text: hello},
		Arguments: params.Object{"message": message},
	}
	end := &hearken.Dependency{EventSource: ends}
	show := console.Line{Object: params.Object{
		"firing":   params.Data(end, workflow.FiringPath),
		"workflow": params.Data(end, "body.metadata.name"),
		"phase":    params.Data(end, "body.status.phase"),
	}}

	p := &hearken.Pipeline{
		Name:         "webhook-workflow",
		Bus:          b,
		EventSources: []*hearken.EventSource{posts, ends},
		Sensors: []hearken.Sensor{
			{Name: "submit", Actions: []hearken.Action{{When: post, Trigger: submit}}},
			{Name: "show", Actions: []hearken.Action{{When: end, Trigger: show}}},
		},
	}
	mux := http.NewServeMux()
	mux.Handle("/webhook", hook)
	server := &webhook.Server{Addr: f.addr, Handler: mux}
	slog.Info("listening", "url", "http://"+f.addr+"/webhook", "cluster", cluster.Host, "namespace", namespace)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.Run(ctx) })
	g.Go(func() error { return server.Run(ctx) })
	return g.Wait()
}
