package main

import (
	"archive/zip"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestWriteProxy(t *testing.T) {
	root, dir := write(t, sound()), t.TempDir()
	mods, err := loadModules(root)
	wantError(t, err, "")
	wantError(t, writeProxy(dir, root, mods, "v0.1.0"), "")

	v := filepath.Join(dir, "example.com", "core", "@v")
	for name, want := range map[string]string{
		"list":        "v0.1.0\n",
		"v0.1.0.info": `{"Version":"v0.1.0"}`,
		"v0.1.0.mod":  "module example.com/core\n\ngo 1.26.0\n",
	} {
		if got, err := os.ReadFile(filepath.Join(v, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	archive, err := zip.OpenReader(filepath.Join(v, "v0.1.0.zip"))
	wantError(t, err, "")
	defer archive.Close()
	var names []string
	for _, f := range archive.File {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	want := []string{"allmodules", "core.go", "core_test.go", "go.mod", "go.work", "internal/engine/engine.go", "sources/webhook/webhook.go"}
	for i := range want {
		want[i] = "example.com/core@v0.1.0/" + want[i]
	}
	if !slices.Equal(names, want) {
		t.Errorf("zip holds %q, want %q", names, want)
	}
}

func TestCheckConsumer(t *testing.T) {
	tests := []struct {
		name            string
		file, old, text string
		want            string
	}{
		{name: "sound"},
		{"a core without what the first program calls", "core.go", "func (p *Pipeline) Validate() error { return nil }", "", "p.Validate undefined"},
		{"an adapter that needs what only the workspace has", "bus/adapter/go.mod", "require example.com/core v0.1.0", "", "adapter"},
		{"a version that does not exist", "examples/go.mod", "core v0.1.0", "core v0.2.0", "requires v0.1.0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := sound()
			if tt.file != "" {
				files = with(files, tt.file, tt.old, tt.text)
			}
			wantError(t, checkConsumer(t.Context(), write(t, files)), tt.want)
		})
	}
}

// The second run in one tree must see what changed since the first, new files
// too: the go command takes what lies in a module cache for immutable.
func TestCheckConsumerIsNeverStale(t *testing.T) {
	root := write(t, sound())
	wantError(t, checkConsumer(t.Context(), root), "")
	hook := filepath.Join(root, "sources", "webhook", "webhook.go")
	wantError(t, os.Rename(hook, filepath.Join(filepath.Dir(hook), "source.go")), "")
	wantError(t, checkConsumer(t.Context(), root), "")
	wantError(t, os.WriteFile(filepath.Join(filepath.Dir(hook), "source.go"), []byte("package webhook\n"), 0o644), "")
	wantError(t, checkConsumer(t.Context(), root), "undefined: webhook.Source")
}

func TestJudge(t *testing.T) {
	const core = "example.com/core"
	tests := []struct{ name, path, module, want string }{
		{"the core", core, core, ""},
		{"the core's package", core + "/bus", core, ""},
		{"an adapter's module", core + "/bus/adapter", core + "/bus/adapter", "not allowed"},
		{"the event package", "github.com/cloudevents/sdk-go/v2/event/datacodec", "github.com/cloudevents/sdk-go/v2", ""},
		{"another of the SDK", "github.com/cloudevents/sdk-go/v2/client", "github.com/cloudevents/sdk-go/v2", "not allowed"},
		{"a longer name", "github.com/tidwall/gjsonx", "github.com/tidwall/gjsonx", "not allowed"},
		{"OpenTelemetry's API", "go.opentelemetry.io/otel/trace", "go.opentelemetry.io/otel/trace", ""},
		{"OpenTelemetry's SDK", "go.opentelemetry.io/otel/sdk/trace", "go.opentelemetry.io/otel/sdk", "not allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := listed{ImportPath: tt.path, Module: &listedModule{Path: tt.module, Version: "v1.0.0"}}
			wantError(t, judgePackages([]listed{p}, core), tt.want)
		})
	}
	wantError(t, judgePackages([]listed{{ImportPath: "net/http", Standard: true}}, core), "")
}

func TestJudgeGraph(t *testing.T) {
	const core = "example.com/core"
	wantError(t, judgeGraph("example.com/consumer\nexample.com/core v0.1.0\ngithub.com/tidwall/gjson v1.0.0\n", core), "")
	wantError(t, judgeGraph("k8s.io/client-go v0.31.0\n", core), "k8s.io/client-go")
	wantError(t, judgeGraph("example.com/core/bus/adapter v0.1.0\n", core), "bus/adapter")
}
