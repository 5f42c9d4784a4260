//go:build cluster

package embedded_test

import (
	"sync"
	"testing"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/bustest"
	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/nats-io/nats.go"
)

// TestCluster proves the contract on three servers with three copies. It takes
// some minutes: make test-cluster.
func TestCluster(t *testing.T) {
	c := startCluster(t)
	type link struct {
		cfg natsbus.Config
		nc  *nats.Conn
	}
	var links sync.Map
	of := func(b bus.Bus) link {
		l, _ := links.Load(b)
		return l.(link)
	}
	open := func(t testing.TB, cfg natsbus.Config) bus.Bus {
		b, nc := c.connect(t, cfg)
		links.Store(b, link{cfg, nc})
		return b
	}
	// In a subtest, for the cases, which run at the same time, to end before the servers do.
	t.Run("Kit", func(t *testing.T) {
		bustest.Run(t, bustest.Harness{
			Open: func(t testing.TB) bus.Bus { return open(t, c.config()) },
			Small: func(t testing.TB, events int) bus.Bus {
				cfg := c.config()
				cfg.MaxEvents, cfg.DeadLetterMaxBytes = int64(events), int64(events)*500
				return open(t, cfg)
			},
			Connect:  func(t testing.TB, b bus.Bus) bus.Bus { return open(t, of(b).cfg) },
			Kill:     func(_ testing.TB, b bus.Bus) { of(b).nc.Close() },
			TooLarge: 2 << 20, TooLargeValue: 2 << 20, Hold: 3 * time.Second, Wait: 2 * time.Minute,
			Parallel: true,
		})
	})
}
