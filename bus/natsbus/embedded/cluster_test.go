package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/hearken-go/hearken/internal/freeport"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// cluster is three servers, which keep three copies of what a bus holds.
type cluster struct {
	servers []*server.Server
	buses   atomic.Int64
	links   atomic.Int64
}

func startCluster(t testing.TB) *cluster {
	c := &cluster{}
	ports, routes := freePorts(t, 3)
	for i, port := range ports {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprint("server", i), Host: "127.0.0.1", Port: server.RANDOM_PORT,
			JetStream: true, StoreDir: filepath.Join(t.TempDir(), "data"),
			Cluster: server.ClusterOpts{Name: "cluster", Host: "127.0.0.1", Port: port}, Routes: routes,
			NoSigs: true, NoLog: true, MaxPayload: 1<<20 + 32<<10, DisableJetStreamBanner: true,
		})
		require.NoError(t, err)
		s.Start()
		c.servers = append(c.servers, s)
		t.Cleanup(func() {
			s.Shutdown()
			s.WaitForShutdown()
		})
	}
	for _, s := range c.servers {
		require.True(t, s.ReadyForConnections(2*time.Minute))
	}
	require.Eventually(t, func() bool {
		leaders := 0
		for _, s := range c.servers {
			if s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == 3 {
				leaders++
			}
		}
		return leaders == 1
	}, 2*time.Minute, 50*time.Millisecond)
	return c
}

// freePorts returns ports for servers that must know of each other beforehand.
func freePorts(t testing.TB, n int) (ports []int, urls []*url.URL) {
	found, err := freeport.Find(t.Context(), n)
	require.NoError(t, err)
	for _, text := range found {
		port, err := strconv.Atoi(text)
		require.NoError(t, err)
		ports = append(ports, port)
		urls = append(urls, &url.URL{Scheme: "nats", Host: net.JoinHostPort("127.0.0.1", text)})
	}
	return ports, urls
}

// connect opens a bus by way of the next server.
func (c *cluster) connect(t testing.TB, cfg natsbus.Config) (*natsbus.Bus, *nats.Conn) {
	s := c.servers[c.links.Add(1)%3]
	nc, err := nats.Connect(s.ClientURL(), nats.MaxReconnects(-1), nats.Timeout(time.Minute))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var b *natsbus.Bus
	require.EventuallyWithT(t, func(ct *assert.CollectT) {
		b, err = natsbus.Open(ctx, nc, cfg)
		assert.False(ct, noPeers(err), "%v", err)
	}, 2*time.Minute, 100*time.Millisecond)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = b.Close(context.Background()) // the connection may be gone on purpose
		nc.Close()
	})
	return b, nc
}

// noPeers says that a server of the cluster is taken for offline: for a while after
// its start, when what it told of itself before its JetStream was there comes last.
func noPeers(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == 10005
}

func (c *cluster) config() natsbus.Config {
	return natsbus.Config{
		Name: fmt.Sprint("bus", c.buses.Add(1)), Replicas: 3, AckWait: time.Second,
		MaxBytes: 16 << 20, DeadLetterMaxBytes: 16 << 20, StoreMaxBytes: 16 << 20, PublishTimeout: time.Minute,
	}
}

// A group's floor in a cluster passes what is not its, at once by position and
// later by time, and never what it has not settled.
func TestFloorInACluster(t *testing.T) {
	c := startCluster(t)
	cfg := c.config()
	b, _ := c.connect(t, cfg)
	early := subscribe(t, b, "early", created)
	require.NoError(t, b.Publish(t.Context(), created, benchEvent(1)))
	d := receive(t, early)
	other, _ := c.connect(t, cfg)
	late := subscribe(t, other, "late", created)
	floor := func(s bus.Subscription) bus.Floor {
		f, err := s.Floor(t.Context())
		require.NoError(t, err)
		return f
	}
	f := floor(early)
	assert.Equal(t, map[string]uint64{d.Pos.Log: 0}, f.Logs)
	f = floor(late)
	assert.Equal(t, map[string]uint64{d.Pos.Log: 1}, f.Logs)
	assert.WithinRange(t, f.Time, time.Now().Add(-time.Minute), time.Now().Add(-20*time.Second))

	require.NoError(t, b.Publish(t.Context(), created, benchEvent(2)))
	assert.Equal(t, map[string]uint64{d.Pos.Log: 1}, floor(late).Logs)
}

// What a bus keeps is in as many copies as its Config says, the store's values
// too, also when it was made with fewer.
func TestReplicasAreChanged(t *testing.T) {
	c := startCluster(t)
	cfg := c.config()
	cfg.Replicas = 1
	b, nc := c.connect(t, cfg)
	s, err := b.Store(t.Context())
	require.NoError(t, err)
	set(t, s, "key", []byte("value"))
	cfg.Replicas = 3
	other, _ := c.connect(t, cfg)
	for _, name := range []string{cfg.Name, cfg.Name + "-deadletters", cfg.Name + "-groups", "KV_" + cfg.Name} {
		st, err := jetStream(t, nc).Stream(t.Context(), name)
		require.NoError(t, err)
		assert.Equal(t, 3, st.CachedInfo().Config.Replicas, name)
	}
	s, err = other.Store(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"key"}, keys(t, s, ""))
}
