package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// SyncAlways is the Config.Sync that syncs each event to the disk before its
// Publish returns.
const SyncAlways = time.Duration(math.MinInt64)

const (
	defaultSync     = time.Second
	minSync         = 10 * time.Millisecond
	defaultMaxEvent = 1 << 20
	// maxEventLimit is below what the server takes as max_payload, 64 MiB.
	maxEventLimit = 60 << 20
	// headroom comes on top of the largest event: what natsbus keeps free for
	// its dead letter, and the bus's own headers.
	headroom     = 32 << 10
	startTimeout = 10 * time.Second
)

// Config says where a server keeps its data. The zero value keeps it in memory
// and opens no port.
type Config struct {
	// Dir is the folder of the data, made when it does not exist, and used by
	// one server at a time. Empty: a bus of this server keeps everything in
	// memory, and nothing survives the process.
	Dir string
	// Sync is how often what was stored is synced to the disk, which is what a
	// power cut can take; SyncAlways takes nothing and is some thirty times as
	// slow. A killed process loses nothing at any setting. Zero: 1 second. At
	// least 10 milliseconds.
	Sync time.Duration

	// MaxEvent is the size of the largest event, attributes included. The
	// server warns about more than 8 MiB. Zero: 1 MiB. At most 60 MiB.
	MaxEvent int
	// MaxDisk and MaxMemory bound what the server stores; the limits of its
	// buses are set aside from them. Zero: three quarters of what is there.
	MaxDisk, MaxMemory int64

	// Listen is the TCP address, "host:port", on which other processes and the
	// tools of NATS reach the server, without encryption or authentication;
	// port 0 is any free one. Empty: no port is opened.
	Listen string

	// Logger gets the server's log. Nil: nothing is logged.
	Logger *slog.Logger
}

// Server is a NATS server with JetStream inside this process. Start makes one.
// Its methods may be called concurrently.
type Server struct {
	srv     *server.Server
	log     *errorLog
	lock    *os.File
	tempDir string // of a server without a folder

	stop    sync.Once
	stopped chan struct{}
	err     error // of the stop
}

// Start starts a server and returns once it takes connections. A folder that is
// in use is ErrLocked. ctx governs the call only.
func Start(ctx context.Context, c Config) (*Server, error) {
	opts, err := c.options()
	if err != nil {
		return nil, err
	}
	s := &Server{stopped: make(chan struct{})}
	if err := s.openDir(c.Dir, opts); err != nil {
		return nil, err
	}
	if s.srv, err = server.NewServer(opts); err != nil {
		return nil, errors.Join(fmt.Errorf("embedded: %w", err), s.closeDir())
	}
	logger := c.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	s.log = &errorLog{Logger: serverLog{logger}}
	s.srv.SetLoggerV2(s.log, false, false, false)
	s.srv.Start()
	if err := s.awaitReady(ctx); err != nil {
		return nil, errors.Join(err, s.Shutdown(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// options returns what c asks of the server, or all that is wrong with c.
func (c Config) options() (*server.Options, error) {
	maxEvent := cmp.Or(c.MaxEvent, defaultMaxEvent)
	opts := &server.Options{
		JetStream:              true,
		JetStreamMaxMemory:     c.MaxMemory,
		JetStreamMaxStore:      c.MaxDisk,
		MaxPayload:             int32(min(maxEvent, maxEventLimit) + headroom),
		DontListen:             c.Listen == "",
		NoSigs:                 true,
		NoLog:                  true, // until our logger is set
		NoSystemAccount:        true,
		DisableJetStreamBanner: true,
	}
	if c.Sync == SyncAlways {
		opts.SyncAlways = true
	} else {
		opts.SyncInterval = cmp.Or(c.Sync, defaultSync)
	}
	return opts, errors.Join(c.mistakes(), listen(opts, c.Listen))
}

// mistakes returns what is wrong with c, but for Listen.
func (c Config) mistakes() error {
	var errs []error
	if c.MaxEvent != 0 && (c.MaxEvent < 1<<10 || c.MaxEvent > maxEventLimit) {
		errs = append(errs, fmt.Errorf("embedded: Config.MaxEvent %d: from %d to %d", c.MaxEvent, 1<<10, maxEventLimit))
	}
	if c.Sync != 0 && c.Sync != SyncAlways && c.Sync < minSync {
		errs = append(errs, fmt.Errorf("embedded: Config.Sync %v: SyncAlways, or at least %v", c.Sync, minSync))
	}
	if c.MaxDisk < 0 {
		errs = append(errs, fmt.Errorf("embedded: Config.MaxDisk %d: not negative", c.MaxDisk))
	}
	if c.MaxMemory < 0 {
		errs = append(errs, fmt.Errorf("embedded: Config.MaxMemory %d: not negative", c.MaxMemory))
	}
	return errors.Join(errs...)
}

func listen(opts *server.Options, address string) error {
	if address == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("embedded: Config.Listen: %w", err)
	}
	if opts.Port, err = strconv.Atoi(port); err != nil {
		return fmt.Errorf("embedded: Config.Listen: %w", err)
	}
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	opts.Host = host
	return nil
}

// openDir gives the server a folder: the application's, locked, or a temporary
// one, since the server writes a little even when all is in memory.
func (s *Server) openDir(dir string, opts *server.Options) (err error) {
	if dir == "" {
		if s.tempDir, err = os.MkdirTemp("", "hearken-*"); err != nil {
			return fmt.Errorf("embedded: %w", err)
		}
		opts.StoreDir = s.tempDir
		return nil
	}
	opts.StoreDir = dir
	s.lock, err = lockDir(dir)
	return err
}

func (s *Server) closeDir() error {
	if s.tempDir != "" {
		return os.RemoveAll(s.tempDir)
	}
	return s.lock.Close()
}

// awaitReady waits until the server takes connections and has its streams back.
func (s *Server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for !s.srv.ReadyForConnections(10*time.Millisecond) || !s.srv.JetStreamEnabled() {
		if err := s.log.failed(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("embedded: the server does not start: %w", err)
		}
	}
	return nil
}

// Connect returns a new connection to the server, inside the process, that
// reconnects without end. Close it before the server. Later options win.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) {
	all := append([]nats.Option{nats.InProcessServer(s.srv), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond)}, opts...)
	nc, err := nats.Connect("", all...)
	if err != nil {
		return nil, fmt.Errorf("embedded: connect: %w", err)
	}
	return nc, nil
}

// URL is where the server listens, "nats://host:port". Empty: nowhere.
func (s *Server) URL() string {
	if s.srv.Addr() == nil {
		return ""
	}
	return "nats://" + s.srv.Addr().String()
}

// Shutdown stops the server, writes what is left to the disk, and frees the
// folder. When ctx ends first its error is returned and the server goes on
// stopping. Calling it again waits for the same stop.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop.Do(func() {
		go func() {
			defer close(s.stopped)
			s.srv.Shutdown()
			s.srv.WaitForShutdown()
			s.err = s.closeDir()
		}()
	})
	select {
	case <-s.stopped:
		return s.err
	case <-ctx.Done():
		return fmt.Errorf("embedded: shutdown: %w", ctx.Err())
	}
}
