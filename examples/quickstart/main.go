// Quickstart is a webhook, over a durable bus inside the process, to a trigger:
//
//	go run ./examples/quickstart
//	curl -d '{"message":"hello"}' 127.0.0.1:12000/webhook
//
// It prints a line of JSON for each greeting, or with -to posts it on. Kill it,
// start it again: no greeting that was answered "success" is lost.
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
	"github.com/hearken-go/hearken/filters"
	"github.com/hearken-go/hearken/sources/webhook"
	"github.com/hearken-go/hearken/triggers/httptrigger"
	"github.com/hearken-go/hearken/triggers/params"
	"golang.org/x/sync/errgroup"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:12000", "`address` of the webhook")
	data := flag.String("data", filepath.Join("examples", "quickstart", "data"), "`folder` of the bus; empty: in memory")
	to := flag.String("to", "", "`URL` to post greetings to; empty: print them")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, *data, *to); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addr, data, to string) (err error) {
	b, err := embedded.Open(ctx, embedded.Config{Dir: data})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()

	hook := &webhook.Source{Verify: webhook.AllowUnauthenticated}
	example := &hearken.EventSource{Name: "webhook", Event: "example", Source: hook}
	greeting := &hearken.Dependency{EventSource: example, Filter: filters.Data("body.message", "hello", "hey")}
	message := params.Data(greeting, "body.message")
	var submit hearken.Trigger = &httptrigger.Trigger{URL: to, Payload: params.Object{"message": message}}
	if to == "" {
		submit = hearken.TriggerFunc(func(_ context.Context, f hearken.Firing) error {
			line, err := params.Object{"firing": f.ID, "sensor": f.Sensor, "message": message}.Payload(f)
			fmt.Println(string(line))
			return err
		})
	}

	p := &hearken.Pipeline{
		Name:         "quickstart",
		Bus:          b,
		EventSources: []*hearken.EventSource{example},
		Sensors:      []hearken.Sensor{{Name: "greet", Actions: []hearken.Action{{When: greeting, Trigger: submit}}}},
	}
	mux := http.NewServeMux()
	mux.Handle("/webhook", hook)
	server := &webhook.Server{Addr: addr, Handler: mux}
	slog.Info("listening", "url", "http://"+addr+"/webhook")
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.Run(ctx) })
	g.Go(func() error { return server.Run(ctx) })
	return g.Wait()
}
