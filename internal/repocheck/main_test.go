package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sound is a small repository in order: a core whose packages are named as the
// real ones, an adapter that requires it, and a program.
func sound() map[string]string {
	return map[string]string{
		"allmodules": "# comment\n.\nbus/adapter\nexamples\n",
		"go.work":    "go 1.26.0\n\nuse (\n\t.\n\t./bus/adapter\n\t./examples\n)\n",
		"go.mod":     "module example.com/core\n\ngo 1.26.0\n",
		"core.go": `package hearken

type (
	Source      interface{ Run() }
	EventSource struct {
		Name, Event string
		Source      Source
	}
	Pipeline struct {
		Name         string
		EventSources []*EventSource
	}
)

func (p *Pipeline) Validate() error { return nil }
`,
		"core_test.go":               "package hearken\n",
		"internal/engine/engine.go":  "package engine\n\nfunc Hidden() {}\n",
		"sources/webhook/webhook.go": "package webhook\n\ntype Source struct{}\n\nfunc (s *Source) Run() {}\n",
		".cache/bin/tool":            "not part of a module",
		"bus/adapter/go.mod": "module example.com/core/bus/adapter\n\ngo 1.26.0\n\n" +
			"require example.com/core v0.1.0\n\nreplace example.com/core => ../..\n",
		"bus/adapter/adapter.go": "package adapter\n\nimport \"example.com/core\"\n\ntype Bus struct{ Pipeline hearken.Pipeline }\n",
		"examples/go.mod": "module example.com/core/examples\n\ngo 1.26.0\n\n" +
			"require (\n\texample.com/core v0.1.0\n\texample.com/core/bus/adapter v0.1.0\n)\n\n" +
			"replace (\n\texample.com/core => ..\n\texample.com/core/bus/adapter => ../bus/adapter\n)\n",
		"examples/main.go": "package main\n\nfunc main() {}\n",
	}
}

// write lays out a repository and returns its root. No test asks the network.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "")
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// with returns files with one of them changed: old replaced by text in it, or
// the whole file when old is empty.
func with(files map[string]string, name, old, text string) map[string]string {
	files = maps.Clone(files)
	if old == "" {
		files[name] = text
	} else {
		files[name] = strings.ReplaceAll(files[name], old, text)
	}
	return files
}

// wantError fails unless err holds text; an empty text wants no error.
func wantError(t *testing.T, err error, text string) {
	t.Helper()
	switch {
	case text == "" && err != nil:
		t.Fatalf("unexpected error: %v", err)
	case text != "" && err == nil:
		t.Fatalf("no error, want one with %q", text)
	case text != "" && !strings.Contains(err.Error(), text):
		t.Fatalf("error %q, want one with %q", err, text)
	}
}

func TestRunFromBelowTheRoot(t *testing.T) {
	t.Chdir(filepath.Join(write(t, sound()), "bus", "adapter"))
	wantError(t, run(t.Context(), []string{"modules"}), "")
	wantError(t, run(t.Context(), []string{"api-check"}), "+ package hearken")
	wantError(t, run(t.Context(), []string{"api"}), "")
	wantError(t, run(t.Context(), []string{"api-check"}), "")
	wantError(t, run(t.Context(), []string{"no-such-check"}), "usage")
	wantError(t, run(t.Context(), nil), "usage")
}

func TestRunOutsideARepository(t *testing.T) {
	t.Chdir(t.TempDir())
	wantError(t, run(t.Context(), []string{"modules"}), "no allmodules")
}
