package kubetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// process is a server, and a guard beside it: a shell that kills the server when
// the pipe to it closes, which it does however this process ends, also by a signal
// to all of its group.
type process struct {
	name  string
	log   string
	cmd   *exec.Cmd
	guard *exec.Cmd
	leash io.Closer
	done  chan struct{} // closed when the server has ended
}

// startProcess starts the server at path, which lives until stop, also when ctx
// has ended.
func startProcess(ctx context.Context, dir, path string, args ...string) (*process, error) {
	ctx = context.WithoutCancel(ctx)
	name := filepath.Base(path)
	log := filepath.Join(dir, name+".log")
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }() // the server has its own
	p := &process{name: name, log: log, cmd: exec.CommandContext(ctx, path, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if err := p.startGuard(ctx); err != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		return nil, err
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // how it ended is in its log
	}()
	return p, nil
}

func (p *process) startGuard(ctx context.Context) error {
	p.guard = exec.CommandContext(ctx, "sh", "-c", "trap '' HUP INT TERM; read _; kill -9 "+strconv.Itoa(p.cmd.Process.Pid)+" 2>/dev/null")
	leash, err := p.guard.StdinPipe()
	if err != nil {
		return err
	}
	p.leash = leash
	return p.guard.Start()
}

// stop ends the server: at once by SIGKILL, or in order by SIGTERM, and by
// SIGKILL if that takes longer than ten seconds.
func (p *process) stop(sig syscall.Signal) {
	_ = p.cmd.Process.Signal(sig) // it may have ended by itself
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	_ = p.guard.Process.Kill() // before it could meet the number of another process
	_ = p.leash.Close()
	_ = p.guard.Wait()
}

// errTaken is that another process has the port.
var errTaken = errors.New("the port is taken")

const (
	// patience is how long a server may take to be ready: seconds, unless the
	// machine has much else to do.
	patience = 3 * time.Minute
	// askTimeout is how long it may take to say so: a request that an API server
	// which is just starting leaves without an answer is made again.
	askTimeout = 30 * time.Second
)

// wait asks ready until it returns nil, and gives up when the server ends or
// patience does.
func (p *process) wait(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var err error // what it says, rather than that the time was over
	for {
		now := askOnce(ctx, ready)
		if now == nil {
			return nil
		}
		if err == nil || ctx.Err() == nil {
			err = now
		}
		select {
		case <-tick.C:
		case <-p.done:
			return p.ended()
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w; its log ends:\n%s", p.name, err, p.tail())
		}
	}
}

func askOnce(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return ready(ctx)
}

// ended says why it ended by itself.
func (p *process) ended() error {
	tail := p.tail()
	err := fmt.Errorf("%s ended; its log ends:\n%s", p.name, tail)
	if bytes.Contains(tail, []byte("address already in use")) {
		return errors.Join(errTaken, err)
	}
	return err
}

// tail returns the last lines of the server's log.
func (p *process) tail() []byte {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-15):], []byte("\n"))
}
