package servers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// Server is a server that runs.
type Server struct {
	// Kind is what it is.
	Kind Kind
	// Endpoint is its URL.
	Endpoint string

	leash io.Closer
	ended chan struct{}
}

// startTimeout is how long a server may take until it listens.
const startTimeout = 90 * time.Second

// leash runs a program that is ended when standard input is: by Stop, or because
// the process that started it is gone, however it went: by a signal to all of its
// group, too.
const leash = `"$@" & server=$!; trap '' HUP INT TERM; cat >/dev/null; kill "$server"; wait "$server"`

// Start installs k, unless it is there, and starts it. It returns when the server
// listens.
func Start(ctx context.Context, k Kind) (*Server, error) {
	folder, err := Install(ctx, k)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "sh", append([]string{"-c", leash, "sh"}, k.command(folder)...)...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, input := io.Pipe()
	cmd.Stdout, cmd.Stderr = input, input
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &Server{Kind: k, leash: stdin, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // with whatever status a server has that is told to end
		_ = input.Close()
		close(s.ended)
	}()
	address, err := s.listening(ctx, output)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s %s: %w", k.Name, k.Version, err), s.Stop())
	}
	s.Endpoint = "http://" + address
	return s, nil
}

// listening returns the address that the server says it listens at. The rest of
// its output is read, and dropped.
func (s *Server) listening(ctx context.Context, output io.Reader) (string, error) {
	address := make(chan string, 1)
	said := make(chan string, 1)
	go func() {
		var all strings.Builder
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if m := s.Kind.ready.FindStringSubmatch(lines.Text()); m != nil {
				address <- m[1]
				_, _ = io.Copy(io.Discard, output) // until the server ends
				return
			}
			fmt.Fprintln(&all, lines.Text())
		}
		said <- all.String()
	}()
	select {
	case a := <-address:
		return a, nil
	case text := <-said:
		return "", fmt.Errorf("it ended:\n%s", text)
	case <-time.After(startTimeout):
		return "", fmt.Errorf("it does not listen after %v", startTimeout)
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Stop ends the server and waits for it.
func (s *Server) Stop() error {
	if err := s.leash.Close(); err != nil {
		return err
	}
	<-s.ended
	return nil
}
