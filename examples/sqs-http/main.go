// Sqs-http posts the messages of an Amazon SQS queue to an HTTP endpoint, over a
// durable bus inside the process.
//
//	go run ./examples/sqs-http -queue orders -to http://127.0.0.1:12000/webhook
//
// Region, credentials and endpoint are those of the AWS SDK's default chain. A
// message is deleted once the bus has stored it: kill the program, start it again,
// and each is posted that the queue had, perhaps twice under one Idempotency-Key.
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
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
	"github.com/hearken-go/hearken/sources/sqssource"
	"github.com/hearken-go/hearken/triggers/httptrigger"
	"github.com/hearken-go/hearken/triggers/params"
)

// flags are what the command line says.
type flags struct {
	queue, to, data  string
	visibility, wait time.Duration
}

func main() {
	var f flags
	flag.StringVar(&f.queue, "queue", "orders", "`name` or URL of the queue")
	flag.StringVar(&f.to, "to", "http://127.0.0.1:12000/webhook", "`URL` to post messages to")
	flag.StringVar(&f.data, "data", filepath.Join("examples", "sqs-http", "data"), "`folder` of the bus; empty: in memory")
	flag.DurationVar(&f.visibility, "visibility", 30*time.Second, "after which `time` the messages of a killed process come again")
	flag.DurationVar(&f.wait, "wait", 10*time.Second, "for which `time` a poll waits for messages, and Ctrl-C for the poll")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, f); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags) (err error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	if cfg.Region == "" {
		return errors.New("no region: set AWS_REGION")
	}
	b, err := embedded.Open(ctx, embedded.Config{Dir: f.data})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()

	messages := &hearken.EventSource{Name: "sqs", Event: "message", Source: &sqssource.Source{
		Client:     sqs.NewFromConfig(cfg),
		Queue:      f.queue,
		Visibility: f.visibility,
		Wait:       f.wait,
	}}
	message := &hearken.Dependency{EventSource: messages}

	p := &hearken.Pipeline{
		Name:         "sqs-http",
		Bus:          b,
		EventSources: []*hearken.EventSource{messages},
		Sensors: []hearken.Sensor{{Name: "post", Actions: []hearken.Action{{
			When:    message,
			Trigger: &httptrigger.Trigger{URL: f.to, Payload: params.Data(message, "body")},
		}}}},
	}
	slog.Info("polling", "queue", f.queue, "region", cfg.Region, "to", f.to)
	return p.Run(ctx)
}
