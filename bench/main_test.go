package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// programs are the systems that are measured, compiled when the first is
// needed.
type programs struct {
	once sync.Once
	dir  string
	err  error
}

var built programs //nolint:gochecknoglobals // one for all benchmarks of a run

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "hearken-bench-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built.dir = dir
	status := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// run starts a system, which ends with the benchmark. It writes its profiles to
// the folder that BENCH_PROFILES names.
func (p *programs) run(tb testing.TB, name string, flags ...string) *system {
	tb.Helper()
	p.once.Do(func() { p.err = build(context.Background(), p.dir) })
	if p.err != nil {
		tb.Fatal(p.err)
	}
	if folder := os.Getenv("BENCH_PROFILES"); folder != "" {
		flags = append(flags, "-profile", filepath.Join(folder, strings.ReplaceAll(tb.Name(), "/", "-")+"-"+name))
	}
	s, err := start(context.Background(), p.dir, name, tb.TempDir(), flags...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}
