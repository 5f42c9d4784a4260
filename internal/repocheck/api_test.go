package main

import (
	"os"
	"path/filepath"
	"testing"
)

const typesSource = `package hearken

import (
	"context"
	"io"
	"time"
)

const (
	Limit   = 1 << 10
	Patience time.Duration = time.Second
	secret  = 1
)

var ErrFull, errHidden error

type (
	Alias   = io.Reader
	Names   []string
	Pair[K comparable, V any] struct {
		Key K
		Val V
	}
	Options struct {
		Inner
		hidden
		Wait  time.Duration
		Retry func(ctx context.Context, n int) error
		count int
	}
	Inner  struct{}
	hidden struct{}
	Sealed interface {
		io.Closer
		Do(ctx context.Context) (n int, err error)
		seal()
	}
	Number interface{ ~int | ~uint }
)

func (Inner) FromInner()         {}
func (hidden) FromHidden()       {}
func (o Options) Value()         {}
func (o *Options) Set(n ...int)  {}
func (o *Options) unset()        {}
func (p *Pair[K, V]) Swap() V    { return p.Val }
func New(name string) *Options   { return nil }
func Map[T any](f func(T) T) []T { return nil }
func private()                   {}
`

const typesAPI = `package hearken // import "example.com/core"

const Limit untyped int = 1024
const Patience time.Duration = 1000000000
func Map[T any](f func(T) T) []T
func New(name string) *Options
method (*Options) Set(n ...int)
method (*Pair) Swap() V
method (Inner) FromInner()
method (Options) FromHidden()
method (Options) Value()
type Alias = io.Reader
type Inner struct
type Names []string
type Number interface
type Number interface, interface{~int | ~uint}
type Options struct
type Options struct, Retry func(ctx context.Context, n int) error
type Options struct, Wait time.Duration
type Options struct, embedded Inner
type Pair[K comparable, V any] struct
type Pair[K comparable, V any] struct, Key K
type Pair[K comparable, V any] struct, Val V
type Sealed interface
type Sealed interface, Close() error
type Sealed interface, Do(ctx context.Context) (n int, err error)
type Sealed interface, unexported methods
var ErrFull error
`

func TestExportedAPI(t *testing.T) {
	root := write(t, map[string]string{
		"go.mod":  "module example.com/core\n\ngo 1.26.0\n",
		"core.go": typesSource,
	})
	m, err := loadModule(root, ".")
	wantError(t, err, "")
	all, err := listPackages(t.Context(), root, m)
	wantError(t, err, "")
	got, err := exportedAPI("example.com/core", all)
	wantError(t, err, "")
	if diff := compare(map[string]string{"x": typesAPI}, map[string]string{"x": got}); diff != "" || got != typesAPI {
		t.Errorf("got:\n%s\ndifference:\n%s", got, diff)
	}
	_, err = exportedAPI("example.com/core/absent", all)
	wantError(t, err, "was not listed")
}

func TestRecord(t *testing.T) {
	root := write(t, sound())
	wantError(t, recordAPI(t.Context(), root), "")
	record, err := readRecord(filepath.Join(root, goldenDir))
	wantError(t, err, "")
	want := map[string]string{
		"core.txt":             record["core.txt"],
		"sources/webhook.txt":  "package webhook // import \"example.com/core/sources/webhook\"\n\nmethod (*Source) Run()\ntype Source struct\n",
		"bus/adapter.txt":      "package adapter // import \"example.com/core/bus/adapter\"\n\ntype Bus struct\ntype Bus struct, Pipeline hearken.Pipeline\n",
		"deps/core.txt":        "# Linked by example.com/core\n# nothing but the standard library\n",
		"deps/bus/adapter.txt": "# Linked by example.com/core/bus/adapter\nexample.com/core\n",
	}
	if diff := compare(want, record); diff != "" {
		t.Error(diff)
	}

	tests := []struct {
		name, file, text, want string
	}{
		{"a changed signature", "sources/webhook/webhook.go", "package webhook\n\ntype Source struct{}\n\nfunc (s *Source) Run(n int) {}\n", "- method (*Source) Run()\n  + method (*Source) Run(n int)"},
		{"a new package", "filters/filters.go", "package filters\n", "+ package filters"},
		{"a stale file", "api/gone.txt", "package gone\n", "- package gone"},
		{"code that does not compile", "core.go", "package", "go list"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := write(t, sound())
			wantError(t, recordAPI(t.Context(), root), "")
			file := filepath.Join(root, filepath.FromSlash(tt.file))
			wantError(t, os.MkdirAll(filepath.Dir(file), 0o755), "")
			wantError(t, os.WriteFile(file, []byte(tt.text), 0o644), "")
			wantError(t, checkAPI(t.Context(), root), tt.want)
		})
	}
}
