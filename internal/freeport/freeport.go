// Package freeport finds ports for servers that tests start as processes of
// their own, which cannot be handed a listener.
package freeport

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"
)

// The ports are from below the range of which the kernels of Linux and macOS give
// one to whoever asks for any: in the seconds between Find and the server's
// listening, and while a server is restarted, no other server and no connection
// is given them.
const (
	least = 20000
	count = 10000
	// tries bounds how many are found taken.
	tries = 1000
)

// Find returns n different ports that nobody listens on, on 127.0.0.1. Another
// process that calls it may find the same, which is rare.
func Find(ctx context.Context, n int) ([]string, error) {
	var listen net.ListenConfig
	var ports []string
	for try := 1; len(ports) < n; try++ {
		port := strconv.Itoa(least + rand.IntN(count)) //nolint:gosec // no secret
		l, err := listen.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
		if errors.Is(err, syscall.EADDRINUSE) && try < tries {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // all at the end, so that they differ
		ports = append(ports, port)
	}
	return ports, nil
}
