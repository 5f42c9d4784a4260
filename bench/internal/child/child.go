// Package child is what the systems that are measured share: each is a process
// of its own, so that what it costs is not mixed with what the load costs.
package child

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Config is what a system is told.
type Config struct {
	Sink      string // where to post to
	Dir       string // where to store, if at all
	Workers   int
	MaxEvents int64 // that may be stored; zero: no bound
	Actions   int   // besides the one that posts, to weigh them
	Sensors   int   // likewise
}

// Hello is what a system writes to its standard output, as JSON, when it serves.
type Hello struct {
	Intake  string // host:port of the system
	Control string // host:port of Usage
}

// Usage is what a system has cost so far.
type Usage struct {
	CPU     time.Duration // user and system
	Mallocs uint64
	Heap    uint64 // bytes of live objects
	RSS     uint64 // bytes
}

// Run reads the flags and runs a system until standard input ends. It returns
// the status to exit with.
func Run(serve func(ctx context.Context, l net.Listener, c Config) error) int {
	var c Config
	flag.StringVar(&c.Sink, "sink", "", "URL to post to")
	flag.StringVar(&c.Dir, "dir", "", "folder of the stored events")
	flag.IntVar(&c.Workers, "workers", 16, "how many posts at once")
	flag.Int64Var(&c.MaxEvents, "max-events", 0, "how many events are stored at most")
	flag.IntVar(&c.Actions, "actions", 0, "idle actions in the sensor")
	flag.IntVar(&c.Sensors, "sensors", 0, "idle sensors")
	profile := flag.String("profile", "", "files to write profiles to: this name and .cpu, .allocs")
	flag.Parse()
	if err := profiled(*profile, func() error { return run(serve, c) }); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func run(serve func(context.Context, net.Listener, Config) error, c Config) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var config net.ListenConfig
	intake, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	control, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { _ = control.Close() }()
	go func() { _ = http.Serve(control, controlMux()) }() //nolint:gosec // the load is its only client
	if err := json.NewEncoder(os.Stdout).Encode(Hello{Intake: intake.Addr().String(), Control: control.Addr().String()}); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return serve(ctx, intake, c)
}

// profiled runs f and writes its profiles, if a name is given.
func profiled(name string, f func() error) error {
	if name == "" {
		return f()
	}
	cpu, err := os.Create(name + ".cpu")
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return errors.Join(err, cpu.Close())
	}
	err = f()
	pprof.StopCPUProfile()
	allocs, failed := os.Create(name + ".allocs")
	if failed != nil {
		return errors.Join(err, cpu.Close(), failed)
	}
	return errors.Join(err, cpu.Close(), pprof.Lookup("allocs").WriteTo(allocs, 0), allocs.Close())
}

// ServeHTTP serves h until ctx ends.
func ServeHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := srv.Shutdown(ctx)
	if served := <-served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

func controlMux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/usage", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("gc") {
			debug.FreeOSMemory()
		}
		u, err := usage()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(u)
	})
	return mux
}

func usage() (Usage, error) {
	var u Usage
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return u, err
	}
	u.CPU = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.Mallocs, u.Heap = m.Mallocs, m.HeapAlloc
	var err error
	u.RSS, err = residentSet()
	return u, err
}

// residentSet reads what Linux says of this process.
func residentSet() (uint64, error) {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/self/statm: %q", statm)
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	return pages * uint64(os.Getpagesize()), err //nolint:gosec // positive
}
