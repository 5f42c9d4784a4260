package crashtest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"
)

// process is a child that runs.
type process struct {
	addr   string
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // how it exited
	asked  atomic.Bool
}

// start starts a child and returns when it is ready. ctx governs the start only.
// Its errors and its log go to stderr.
func start(ctx context.Context, c childConfig, stderr *os.File) (*process, error) {
	config, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program)
	// The race detector would sleep for a second before the process ends.
	cmd.Env = append(os.Environ(), ChildEnv+"="+string(config), "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = stderr
	_, pipeErr := cmd.StdinPipe() // ends with this process, and the child with it
	stdout, err := cmd.StdoutPipe()
	if err := errors.Join(pipeErr, err); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	p := &process{cmd: cmd, exited: make(chan struct{})}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	if err == nil {
		var h hello
		err = json.Unmarshal(line, &h)
		p.addr = h.Addr
	}
	if !stop() { // it is being killed, even if it was ready in the last moment
		err = errors.Join(err, ctx.Err())
	}
	if err != nil {
		p.kill()
		return nil, fmt.Errorf("the child did not start: %w; %w", err, p.err)
	}
	return p, nil
}

// kill sends SIGKILL and waits for the end.
func (p *process) kill() {
	p.asked.Store(true)
	_ = p.cmd.Process.Kill() // it may have exited already
	<-p.exited
}

// terminate sends SIGTERM and returns how long the process took to end. After
// limit it is killed.
func (p *process) terminate(limit time.Duration) (time.Duration, error) {
	p.asked.Store(true)
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	select {
	case <-p.exited:
	case <-time.After(limit):
		p.kill()
		return time.Since(began), fmt.Errorf("a process did not end within %v of SIGTERM", limit)
	}
	if p.err != nil {
		return time.Since(began), fmt.Errorf("a process ended after SIGTERM with: %w", p.err)
	}
	return time.Since(began), nil
}
