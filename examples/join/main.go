// Join is a deployment that waits for two things to be told of the same commit,
// in any order: its image is built, and its tests passed.
//
//	go run ./examples/join
//	curl -d '{"commit":"abc"}' 127.0.0.1:12000/image
//	curl -d '{"commit":"abc"}' 127.0.0.1:12000/tests
//
// It prints a line of JSON for each deployment, or with -to posts the commit on.
// Kill it between the two, start it again: the half that was answered "success"
// still waits.
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
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
	"github.com/hearken-go/hearken/sources/webhook"
	"github.com/hearken-go/hearken/triggers/httptrigger"
	"github.com/hearken-go/hearken/triggers/params"
	"golang.org/x/sync/errgroup"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:12000", "`address` of the webhooks")
	data := flag.String("data", filepath.Join("examples", "join", "data"), "`folder` of the bus; empty: in memory")
	within := flag.Duration("within", time.Hour, "how long one half waits for the other")
	to := flag.String("to", "", "`URL` to post commits to; empty: print them")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, *data, *within, *to); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addr, data string, within time.Duration, to string) (err error) {
	b, err := embedded.Open(ctx, embedded.Config{Dir: data})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()

	mux := http.NewServeMux()
	image, tests := source(mux, "image"), source(mux, "tests")
	built := &hearken.Dependency{EventSource: image, Key: hearken.DataKey("body.commit")}
	passed := &hearken.Dependency{EventSource: tests, Key: hearken.DataKey("body.commit")}
	commit := params.Data(built, "body.commit")

	var deploy hearken.Trigger = hearken.TriggerFunc(func(_ context.Context, f hearken.Firing) error {
		line, err := params.Object{"commit": commit, "firing": f.ID}.Payload(f)
		if err != nil {
			return err
		}
		_, err = fmt.Println(string(line))
		return err
	})
	if to != "" {
		deploy = &httptrigger.Trigger{URL: to, Payload: params.Object{"commit": commit}}
	}

	p := &hearken.Pipeline{
		Name:         "join",
		Bus:          b,
		EventSources: []*hearken.EventSource{image, tests},
		Sensors: []hearken.Sensor{{Name: "deploy", Actions: []hearken.Action{
			{When: hearken.All(built, passed), Within: within, Trigger: deploy},
		}}},
	}
	server := &webhook.Server{Addr: addr, Handler: mux}
	slog.Info("listening", "image", "http://"+addr+"/image", "tests", "http://"+addr+"/tests")
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.Run(ctx) })
	g.Go(func() error { return server.Run(ctx) })
	return g.Wait()
}

// source mounts a webhook under the name of its event.
func source(mux *http.ServeMux, event string) *hearken.EventSource {
	hook := &webhook.Source{Verify: webhook.AllowUnauthenticated}
	mux.Handle("/"+event, hook)
	return &hearken.EventSource{Name: "ci", Event: event, Source: hook}
}
