package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/hearken-go/hearken/bench/internal/child"
)

// The systems that are measured, each a command in the folder systems.
const (
	direct    = "direct"
	memoryBus = "memory"
	inProcess = "jetstream"
	durable   = "durable"
)

// build compiles all systems into dir.
func build(ctx context.Context, dir string) error {
	out, err := exec.CommandContext(ctx, "go", "build", "-o", dir, "./systems/...").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build the systems: %w\n%s", err, out)
	}
	return nil
}

// system is a process that is measured, and the sink that it posts to.
type system struct {
	child.Hello
	sink *sink
	next int // sequence number

	cmd  *exec.Cmd
	stop func() error // closes its standard input
}

// start starts a system that build has compiled into dir. It stores below data.
func start(ctx context.Context, dir, name, data string, flags ...string) (*system, error) {
	s := &system{}
	var err error
	if s.sink, err = newSink(ctx); err != nil {
		return nil, err
	}
	s.cmd = exec.CommandContext(ctx, filepath.Join(dir, name), append([]string{"-sink", s.sink.URL, "-dir", data}, flags...)...) //nolint:gosec // one of ours
	s.cmd.Stderr = os.Stderr
	in, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, errors.Join(err, s.sink.close())
	}
	s.stop = in.Close
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, s.sink.close())
	}
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(err, s.sink.close())
	}
	err = json.NewDecoder(out).Decode(&s.Hello)
	if err == nil {
		err = s.awaitReady(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("system %s: %w", name, err), s.close())
	}
	return s, nil
}

// awaitReady posts until the system takes it.
func (s *system) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		r, err := s.load(1).run(ctx, s.sink)
		switch {
		case err != nil:
			return err
		case r.accepted == 1 && r.lost == 0:
			return nil
		}
		if err := sleepUntil(ctx, time.Now().Add(10*time.Millisecond)); err != nil {
			return err
		}
	}
}

// load returns n events that follow those of the last load.
func (s *system) load(n int) load {
	l := load{address: s.Intake, first: s.next, n: n}
	s.next += n
	return l
}

// usage asks the system what it has cost. With gc it collects its garbage first.
func (s *system) usage(ctx context.Context, gc bool) (u child.Usage, err error) {
	url := "http://" + s.Control + "/usage"
	if gc {
		url += "?gc"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return u, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return u, err
	}
	defer func() { _ = resp.Body.Close() }()
	return u, json.NewDecoder(resp.Body).Decode(&u)
}

// close ends the system, which has time to do so in order, and its sink.
func (s *system) close() error {
	killer := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
	defer killer.Stop()
	return errors.Join(s.stop(), s.cmd.Wait(), s.sink.close())
}
