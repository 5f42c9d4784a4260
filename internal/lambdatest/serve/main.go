// Command serve runs an emulated AWS Lambda until it is interrupted:
//
//	go run ./internal/lambdatest/serve -function hello=./path/to/handler
//
// It prints the environment that leads the AWS SDKs to it, as lines for a
// shell. The handler is a program for the runtime provided.al2023, such as one
// of github.com/aws/aws-lambda-go, and is started when it is invoked. With
// -access-key requests that are signed with another key are refused.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/hearken-go/hearken/internal/lambdatest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:forbidigo // a command's exit status; there is nothing left that stop would matter to
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:0", "where to listen")
	timeout := flags.Duration("timeout", 3*time.Second, "how long an invocation may take")
	key := flags.String("access-key", "", "the `id` of the only access key that is known; empty: any is")
	var functions []lambdatest.Function
	flags.Func("function", "a function, as name=program [argument...]; may be given again", func(s string) error {
		name, command, ok := strings.Cut(s, "=")
		if !ok || name == "" || len(strings.Fields(command)) == 0 {
			return fmt.Errorf("want name=program, not %q", s)
		}
		functions = append(functions, lambdatest.Function{Name: name, Command: strings.Fields(command)})
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	for i := range functions {
		functions[i].Timeout = *timeout
	}
	emulator, err := lambdatest.StartAt(ctx, *addr, functions...)
	if err != nil {
		return err
	}
	if *key != "" {
		emulator.Refuse(func(i lambdatest.Invocation) *lambdatest.Error {
			if i.AccessKey == *key {
				return nil
			}
			return lambdatest.UnknownKey()
		})
	}
	_, err = fmt.Fprintf(out, "export AWS_ENDPOINT_URL_LAMBDA=%s AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=test\n", emulator.URL, cmp.Or(*key, "test"))
	if err == nil {
		<-ctx.Done()
	}
	return errors.Join(err, emulator.Close())
}
