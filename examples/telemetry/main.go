// Telemetry shows what a pipeline tells OpenTelemetry: the traces from the requests
// of two webhooks, over a join, to what its trigger calls, and the metrics.
//
//	go run ./examples/telemetry
//	curl -d '{"commit":"4ac7"}' 127.0.0.1:12000/image
//	curl -d '{"commit":"4ac7"}' 127.0.0.1:12000/tests
//
// On Ctrl-C it prints both as text.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/sources/webhook"
	"github.com/hearken-go/hearken/triggers/httptrigger"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"
	"golang.org/x/sync/errgroup"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:12000", "`address` of the webhooks")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err == nil {
		err = run(ctx, l, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, l net.Listener, out io.Writer) (err error) {
	spans, numbers := new(forest), metric.NewManualReader()
	tracing := trace.NewTracerProvider(trace.WithSyncer(spans))
	metering := metric.NewMeterProvider(metric.WithReader(numbers))
	defer func() {
		ctx := context.WithoutCancel(ctx)
		err = errors.Join(err, spans.print(out), printMetrics(ctx, out, numbers), tracing.Shutdown(ctx), metering.Shutdown(ctx))
	}()
	ofHTTP := []otelhttp.Option{
		otelhttp.WithTracerProvider(tracing), otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method + " " + r.URL.Path }),
	}

	imageHook := &webhook.Source{Verify: webhook.AllowUnauthenticated}
	testsHook := &webhook.Source{Verify: webhook.AllowUnauthenticated}
	image := &hearken.EventSource{Name: "webhook", Event: "image", Source: imageHook}
	tests := &hearken.EventSource{Name: "webhook", Event: "tests", Source: testsHook}
	built := &hearken.Dependency{EventSource: image, Key: hearken.DataKey("body.commit")}
	passed := &hearken.Dependency{EventSource: tests, Key: hearken.DataKey("body.commit")}
	deploy := &httptrigger.Trigger{
		URL:    "http://" + l.Addr().String() + "/deploy",
		Client: &http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport, ofHTTP...)},
	}
	p := &hearken.Pipeline{
		Name:         "telemetry",
		Bus:          &memory.Bus{},
		EventSources: []*hearken.EventSource{image, tests},
		Sensors: []hearken.Sensor{{Name: "deploy", Actions: []hearken.Action{{
			When: hearken.All(built, passed), Within: time.Hour,
			Trigger: deploy,
		}}}},
		TracerProvider: tracing,
		MeterProvider:  metering,
	}
	mux, traced := http.NewServeMux(), http.NewServeMux()
	traced.Handle("/image", imageHook)
	traced.Handle("/tests", testsHook)
	traced.HandleFunc("/deploy", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintln(out, "deployed by firing", r.Header.Get("Idempotency-Key"))
	})
	mux.Handle("/", otelhttp.NewHandler(traced, "", ofHTTP...))
	mux.Handle("/livez", p.LiveHandler())
	mux.Handle("/readyz", p.ReadyHandler())
	server := &webhook.Server{Listener: l, Handler: mux}
	slog.Info("listening", "url", "http://"+l.Addr().String())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.Run(ctx) })
	g.Go(func() error { return server.Run(ctx) })
	return g.Wait()
}
