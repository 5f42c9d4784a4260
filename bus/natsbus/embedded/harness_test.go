package embedded_test

import (
	"context"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/bustest"
	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// backend is a server that a test can take away and bring back.
type backend interface {
	start(t testing.TB)
	stop(t testing.TB) // in order, or by SIGKILL
	dial() (net.Conn, error)
}

// inProcess is an embedded server.
type inProcess struct {
	cfg embedded.Config
	srv atomic.Pointer[embedded.Server]
}

func (p *inProcess) start(t testing.TB) {
	s, err := embedded.Start(context.Background(), p.cfg)
	require.NoError(t, err)
	p.srv.Store(s)
}

func (p *inProcess) stop(t testing.TB) {
	require.NoError(t, p.srv.Load().Shutdown(context.Background()))
}

func (p *inProcess) dial() (net.Conn, error) { return embedded.InProcessConn(p.srv.Load()) }

// rig is one server and the buses on it.
type rig struct {
	backend backend
	cfg     natsbus.Config
}

// link is one bus's connection.
type link struct {
	rig    *rig
	nc     *nats.Conn
	losses *losses
}

// InProcessConn lets a connection find the server that runs now, and lose
// messages.
func (l *link) InProcessConn() (net.Conn, error) {
	c, err := l.rig.backend.dial()
	if err != nil {
		return nil, err
	}
	return pass(c, l.losses), nil
}

// lab makes the buses of a bustest run.
type lab struct {
	newBackend func(t testing.TB) backend
	cfg        natsbus.Config

	mu    sync.Mutex
	links map[bus.Bus]*link
}

func (l *lab) open(t testing.TB, c natsbus.Config) bus.Bus {
	r := &rig{backend: l.newBackend(t), cfg: c}
	r.backend.start(t)
	t.Cleanup(func() { r.backend.stop(t) })
	return l.connect(t, r)
}

func (l *lab) connect(t testing.TB, r *rig) bus.Bus {
	k := &link{rig: r, losses: &losses{}}
	var err error
	k.nc, err = nats.Connect("", nats.InProcessServer(k), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.Timeout(time.Minute)) // the cases run at once, on few cores
	require.NoError(t, err)
	b, err := natsbus.Open(t.Context(), k.nc, r.cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = b.Close(context.Background()) // the server may be gone on purpose
		k.nc.Close()
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.links == nil {
		l.links = map[bus.Bus]*link{}
	}
	l.links[b] = k
	return b
}

func (l *lab) of(b bus.Bus) *link {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.links[b]
}

// harness returns what the kit can do with all of the lab's buses.
func (l *lab) harness() bustest.Harness {
	l.cfg.AckWait = 3 * time.Second // with less a busy machine is taken for a dead member
	small := func(t testing.TB, events int) bus.Bus {
		c := l.cfg
		c.MaxEvents = int64(events)
		c.DeadLetterMaxBytes = int64(events) * 500
		return l.open(t, c)
	}
	return bustest.Harness{
		Open:    func(t testing.TB) bus.Bus { return l.open(t, l.cfg) },
		Small:   small,
		Connect: func(t testing.TB, b bus.Bus) bus.Bus { return l.connect(t, l.of(b).rig) },
		Kill:    func(_ testing.TB, b bus.Bus) { l.of(b).nc.Close() },
		LoseAcks: func(_ testing.TB, b bus.Bus, lose bool) {
			l.of(b).losses.acks.Store(lose)
		},
		LoseAnswers: func(_ testing.TB, b bus.Bus, lose bool) {
			l.of(b).losses.answers.Store(lose)
		},
		TooLarge: 2 << 20, TooLargeValue: 2 << 20,
		Hold: 9 * time.Second, Wait: 2 * time.Minute, Parallel: true,
	}
}

// surviving adds what can be done when the server keeps its data.
func (l *lab) surviving() bustest.Harness {
	h := l.harness()
	h.Crash = func(t testing.TB, b bus.Bus) bus.Bus {
		k := l.of(b)
		k.rig.backend.stop(t)
		k.nc.Close()
		k.rig.backend.start(t)
		return l.connect(t, k.rig)
	}
	h.Outage = func(t testing.TB, b bus.Bus, during func()) {
		k := l.of(b)
		k.rig.backend.stop(t)
		during()
		k.rig.backend.start(t)
	}
	return h
}

func TestInMemory(t *testing.T) {
	l := &lab{
		cfg:        natsbus.Config{Storage: jetstream.MemoryStorage},
		newBackend: func(testing.TB) backend { return &inProcess{} },
	}
	bustest.Run(t, l.harness())
}

func TestOnDisk(t *testing.T) {
	l := &lab{newBackend: func(t testing.TB) backend {
		return &inProcess{cfg: embedded.Config{Dir: filepath.Join(t.TempDir(), "data")}}
	}}
	bustest.Run(t, l.surviving())
}
