// Command direct is the least that a webhook which leads to a sink can cost: a
// handler that reads, filters and posts before it answers. It stores nothing.
package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/hearken-go/hearken/bench/internal/child"
)

func main() { os.Exit(child.Run(serve)) }

func serve(ctx context.Context, l net.Listener, c child.Config) error {
	sink := child.NewPoster(c.Sink, 64)
	return child.ServeHTTP(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if child.Wanted(body) {
			if err := sink.Post(r.Context(), body); err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
		}
		_, _ = io.WriteString(w, "success")
	}))
}
