package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hearken-go/hearken/bus/bustest"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// serveEnv makes the test binary a NATS server: its value is the folder and the
// address, separated by a space.
const serveEnv = "EMBEDDED_TEST_SERVE"

func TestMain(m *testing.M) {
	if v := os.Getenv(serveEnv); v != "" {
		if err := serve(v); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	if n := flag.Lookup("test.parallel"); n.Value.String() == n.DefValue { // the cases wait more than they compute
		if err := n.Value.Set("4"); err != nil {
			panic(err)
		}
	}
	// On a machine that is very busy a stopped server was seen to leave these two,
	// and nothing else, behind. One that was never stopped has many more.
	const server = "github.com/nats-io/nats-server/v2/server"
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction(server+".(*fileStore).flushStreamStateLoop"), goleak.IgnoreTopFunction(server+"/ats.Register.func1"))
}

// serve runs a server until the process is killed, or its parent has gone.
func serve(v string) error {
	dir, address, _ := strings.Cut(v, " ")
	s, err := embedded.Start(context.Background(), embedded.Config{Dir: dir, Listen: address})
	if err != nil {
		return err
	}
	fmt.Println(s.URL())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// process is a server that is a process of its own, on a port of the loopback
// interface, another one each time, and dies by SIGKILL.
type process struct {
	dir     string
	address atomic.Pointer[string] // nil: it does not run
	cmd     *exec.Cmd
}

func (p *process) start(t testing.TB) {
	cmd := exec.CommandContext(context.Background(), os.Args[0])
	cmd.Env = append(os.Environ(), serveEnv+"="+p.dir+" 127.0.0.1:0")
	cmd.Stderr = os.Stderr
	_, err := cmd.StdinPipe() // closed with this process, which ends the server
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	url, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	p.cmd = cmd
	address := strings.TrimSpace(strings.TrimPrefix(url, "nats://"))
	p.address.Store(&address)
}

func (p *process) stop(t testing.TB) {
	p.address.Store(nil) // whose port it is next nobody knows
	require.NoError(t, p.cmd.Process.Kill())
	require.Error(t, p.cmd.Wait(), "a killed process ended in order")
}

func (p *process) dial() (net.Conn, error) {
	address := p.address.Load()
	if address == nil {
		return nil, errors.New("the server is away")
	}
	return (&net.Dialer{}).DialContext(context.Background(), "tcp", *address)
}

func TestKilledProcess(t *testing.T) {
	l := &lab{newBackend: func(t testing.TB) backend {
		return &process{dir: filepath.Join(t.TempDir(), "data")}
	}}
	bustest.Run(t, l.surviving())
}
