// Command durable is Hearken on JetStream in the process, on files.
package main

import (
	"context"
	"errors"
	"net"
	"os"

	"github.com/hearken-go/hearken/bench/internal/child"
	"github.com/hearken-go/hearken/bench/internal/pipeline"
	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
)

func main() { os.Exit(child.Run(serve)) }

func serve(ctx context.Context, l net.Listener, c child.Config) error {
	b, err := embedded.OpenWith(ctx, embedded.Config{Dir: c.Dir}, natsbus.Config{MaxEvents: c.MaxEvents})
	if err != nil {
		return err
	}
	return errors.Join(pipeline.Serve(ctx, l, c, b), b.Close(context.WithoutCancel(ctx)))
}
