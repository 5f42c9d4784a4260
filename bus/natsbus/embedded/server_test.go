package embedded_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func start(t testing.TB, c embedded.Config) *embedded.Server {
	s, err := embedded.Start(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Shutdown(context.Background())) })
	return s
}

func TestFolderHasOneServer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	first, err := embedded.Start(t.Context(), embedded.Config{Dir: dir})
	require.NoError(t, err)
	_, err = embedded.Start(t.Context(), embedded.Config{Dir: dir})
	require.ErrorIs(t, err, embedded.ErrLocked)
	require.ErrorContains(t, err, dir)
	require.NoError(t, first.Shutdown(t.Context()))
	require.NoError(t, first.Shutdown(t.Context()), "again")
	start(t, embedded.Config{Dir: dir})
}

func TestFolderOfAnotherProcess(t *testing.T) {
	p := &process{dir: t.TempDir()}
	p.start(t)
	_, err := embedded.Start(t.Context(), embedded.Config{Dir: p.dir})
	require.ErrorIs(t, err, embedded.ErrLocked)
	p.stop(t)
	start(t, embedded.Config{Dir: p.dir})
}

func TestNoFolder(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	s, err := embedded.Start(t.Context(), embedded.Config{})
	require.NoError(t, err)
	require.NoError(t, s.Shutdown(t.Context()))
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := embedded.Start(t.Context(), embedded.Config{Dir: file})
	require.ErrorContains(t, err, file)
}

func TestPort(t *testing.T) {
	assert.Empty(t, start(t, embedded.Config{}).URL(), "no port unless asked")

	s := start(t, embedded.Config{Listen: "127.0.0.1:0"})
	nc, err := nats.Connect(s.URL())
	require.NoError(t, err)
	nc.Close()

	_, err = embedded.Start(t.Context(), embedded.Config{Listen: s.URL()[len("nats://"):]})
	require.Error(t, err, "the port is taken")
}

func TestConfigMistakes(t *testing.T) {
	for name, c := range map[string]embedded.Config{
		"MaxEvent": {MaxEvent: 1}, "MaxEvent ": {MaxEvent: 1 << 30}, "Sync": {Sync: -1},
		"Listen": {Listen: "nowhere"}, "Listen ": {Listen: "localhost:x"},
	} {
		_, err := embedded.Start(t.Context(), c)
		require.ErrorContains(t, err, "Config."+name[:4])
	}
	_, err := embedded.Start(t.Context(), embedded.Config{MaxEvent: 1, Sync: -1, MaxDisk: -2, MaxMemory: -3, Listen: "nowhere"})
	for _, field := range []string{"MaxEvent 1", "Sync -1ns", "MaxDisk -2", "MaxMemory -3", "Listen"} {
		require.ErrorContains(t, err, "Config."+field, "all at once")
	}
}

func TestSync(t *testing.T) {
	for _, tt := range []struct {
		sync     time.Duration
		always   bool
		interval time.Duration
	}{{0, false, time.Second}, {time.Minute, false, time.Minute}, {embedded.SyncAlways, true, 0}} {
		o, err := embedded.Options(embedded.Config{Sync: tt.sync})
		require.NoError(t, err)
		assert.Equal(t, tt.always, o.SyncAlways)
		assert.Equal(t, tt.interval, o.SyncInterval)
	}
}

func TestSyncAlwaysStores(t *testing.T) {
	b, err := embedded.Open(t.Context(), embedded.Config{Dir: t.TempDir(), Sync: embedded.SyncAlways})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close(context.Background())) }()
	s := subscribe(t, b, "group", created)
	require.NoError(t, b.Publish(t.Context(), created, benchEvent(1)))
	assert.Equal(t, "1", receive(t, s).Event.ID())
}

func TestMaxEvent(t *testing.T) {
	const size = 4 << 20
	b, err := embedded.Open(t.Context(), embedded.Config{MaxEvent: size})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close(context.Background())) }()
	e := benchEvent(1)
	e.DataEncoded = bytes.Repeat([]byte("x"), size)
	require.NoError(t, b.Publish(t.Context(), created, e))
	e.DataEncoded = bytes.Repeat([]byte("x"), size+headroom)
	require.ErrorIs(t, b.Publish(t.Context(), created, e), bus.ErrRejected)
}

// headroom is what a server takes above MaxEvent for dead letters.
const headroom = 32 << 10

func TestServerLog(t *testing.T) {
	var text bytes.Buffer
	c := embedded.Config{Logger: slog.New(slog.NewTextHandler(&text, nil))}
	s, err := embedded.Start(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, s.Shutdown(t.Context()))
	assert.Empty(t, text.String(), "a server's daily business is no application's")

	c.Logger = slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err = embedded.Start(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, s.Shutdown(t.Context()))
	assert.Contains(t, text.String(), "level=DEBUG")
}

// A server that cannot write does not answer; why not is not in its log alone.
func TestPublishTellsWhatTheServerLogged(t *testing.T) {
	b, nc := newBus(t, natsbus.Config{PublishTimeout: 200 * time.Millisecond})
	require.NoError(t, jetStream(t, nc).DeleteStream(t.Context(), "hearken")) // so that nobody answers
	embedded.Complain(b.Server, "long ago")
	err := b.Publish(t.Context(), created, benchEvent(1))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "long ago")
	_, err = nc.Subscribe("hearken.events.>", func(*nats.Msg) { embedded.Complain(b.Server, "no space left on device") })
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	require.ErrorContains(t, b.Publish(t.Context(), created, benchEvent(1)), "the server says: no space left on device")
}

func TestBusClose(t *testing.T) {
	dir := t.TempDir()
	b, err := embedded.Open(t.Context(), embedded.Config{Dir: dir})
	require.NoError(t, err)
	s := subscribe(t, b, "group", created)
	require.NoError(t, b.Publish(t.Context(), created, benchEvent(1)))
	held := receive(t, s)
	require.NoError(t, b.Close(t.Context()))
	require.NoError(t, b.Close(t.Context()), "again")
	require.ErrorIs(t, held.Ack(t.Context()), bus.ErrClosed)
	require.ErrorIs(t, b.Publish(t.Context(), created, benchEvent(2)), bus.ErrClosed)
	_, err = b.Subscribe(t.Context(), bus.Group{Name: "group", Topics: []bus.Topic{created}, InFlight: 1})
	require.Error(t, err)

	b, err = embedded.Open(t.Context(), embedded.Config{Dir: dir})
	require.NoError(t, err)
	again := receive(t, subscribe(t, b, "group", created))
	assert.Equal(t, held.Pos, again.Pos)
	assert.Equal(t, held.Stored, again.Stored)
	assert.Equal(t, 2, again.Attempt, "closing handed it back")
	require.NoError(t, b.Close(t.Context()))
}

func TestOpenMistakes(t *testing.T) {
	dir := t.TempDir()
	_, err := embedded.OpenWith(t.Context(), embedded.Config{Dir: dir}, natsbus.Config{Name: "not a name"})
	require.ErrorContains(t, err, "Config.Name")
	start(t, embedded.Config{Dir: dir}) // what had been started was stopped
}

func subscribe(t testing.TB, b bus.Bus, group string, topics ...bus.Topic) bus.Subscription {
	s, err := b.Subscribe(t.Context(), bus.Group{Name: group, Topics: topics, InFlight: 10})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close(context.Background()) }) // the server may be gone
	return s
}

func receive(t testing.TB, s bus.Subscription) bus.Delivery {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d, err := s.Receive(ctx)
	require.NoError(t, err)
	return d
}
