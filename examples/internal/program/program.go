// Package program runs an example as a process of its own, so that its tests can
// kill it.
package program

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/hearken-go/hearken/internal/freeport"
)

// variable says to the test binary that it is the example.
const variable = "RUN_THE_EXAMPLE"

// Main is what the TestMain of an example calls, with its main: the test binary is
// the example too.
func Main(m *testing.M, main func()) {
	if os.Getenv(variable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// Process is an example that runs, at the latest until the test ends.
type Process struct {
	*exec.Cmd
	// Addr is the host and port that it was given as -addr.
	Addr string
	// Lines are those of its stdout. What it writes to stderr is the test's output,
	// and see Logged.
	Lines *bufio.Scanner
	log   *log
}

// Start starts the example with -addr and the flags.
func Start(t *testing.T, flags ...string) *Process {
	t.Helper()
	addr := freeAddr(t)
	p := Run(t, append([]string{"-addr", addr}, flags...)...)
	p.Addr = addr
	return p
}

// Run starts an example that has no -addr.
func Run(t *testing.T, flags ...string) *Process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], flags...)
	// What it leaves among temporary files when it is killed goes with the test.
	cmd.Env = append(os.Environ(), variable+"=1", "TMPDIR="+t.TempDir())
	log := new(log)
	cmd.Stderr = io.MultiWriter(t.Output(), log)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return &Process{cmd, "", bufio.NewScanner(out), log}
}

// freeAddr returns an address that is free, and none of those that the system
// gives to whoever asks for any: another test could have it before the example.
func freeAddr(t *testing.T) string {
	t.Helper()
	ports, err := freeport.Find(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", ports[0])
}

// Interrupt asks it to end, as Ctrl-C does.
func (p *Process) Interrupt(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
}

// End interrupts it, and fails the test unless it ends cleanly.
func (p *Process) End(t *testing.T) {
	t.Helper()
	p.Interrupt(t)
	if err := p.Wait(); err != nil {
		t.Errorf("it did not end cleanly: %v", err)
	}
}

// Kill kills it, which it cannot prepare for, and waits until it is gone.
func (p *Process) Kill(t *testing.T) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err == nil {
		t.Error("it had ended before it was killed")
	}
}
