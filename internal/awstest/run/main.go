// Command run runs a small Amazon SQS to try the examples against, until it is
// interrupted:
//
//	go run ./internal/awstest/run -queue orders
//
// It prints the environment that leads the AWS SDKs to it, as a line for a shell.
// Each -queue is made, with a dead-letter queue; what is in them is gone with it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hearken-go/hearken/internal/awstest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:9324", "where to listen")
	receives := flags.Int("receives", 3, "after how many `receives` a message goes to the dead-letter queue")
	var queues []string
	flags.Func("queue", "the `name` of a queue; may be given again", func(name string) error {
		queues = append(queues, name)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	url := "http://" + listener.Addr().String()
	s := &awstest.SQS{URL: url}
	for _, q := range queues {
		if _, err := fmt.Fprintln(out, "#", s.CreateQueueWithDLQ(q, *receives)); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(out, "export AWS_ENDPOINT_URL_SQS=%s AWS_REGION=%s AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test\n", url, awstest.Region); err != nil {
		return err
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })() // polls under way are cut
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
