// Command memory is Hearken on the bus in memory.
package main

import (
	"context"
	"net"
	"os"

	"github.com/hearken-go/hearken/bench/internal/child"
	"github.com/hearken-go/hearken/bench/internal/pipeline"
	"github.com/hearken-go/hearken/bus/memory"
)

func main() { os.Exit(child.Run(serve)) }

func serve(ctx context.Context, l net.Listener, c child.Config) error {
	return pipeline.Serve(ctx, l, c, &memory.Bus{MaxEvents: int(c.MaxEvents)})
}
