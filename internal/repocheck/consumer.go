package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// coreProgram is what a stranger writes first, with %[1]s for the core's path.
const coreProgram = `package main

import (
	"fmt"

	"%[1]s"
	"%[1]s/sources/webhook"
)

func main() {
	hook := &webhook.Source{}
	p := &hearken.Pipeline{
		Name:         "consumer",
		EventSources: []*hearken.EventSource{{Name: "webhook", Event: "example", Source: hook}},
	}
	fmt.Println(p.Validate())
}
`

// allowedPackages are the prefixes of what a program of core and webhook may
// link besides the standard library and the core itself; a "$" ends a whole
// path.
func allowedPackages() []string {
	return []string{
		"github.com/cloudevents/sdk-go/v2/event",
		"github.com/cloudevents/sdk-go/v2/types$",
		"github.com/json-iterator/go$", // by the SDK's event package
		"github.com/modern-go/",        // by json-iterator
		"github.com/tidwall/gjson$",
		"github.com/tidwall/sjson$",
		"github.com/tidwall/match$",  // by gjson
		"github.com/tidwall/pretty$", // by gjson
		"go.opentelemetry.io/otel",
		"go.opentelemetry.io/auto/sdk", // by the OpenTelemetry API
		"github.com/go-logr/",          // by the OpenTelemetry API
		"github.com/cespare/xxhash/v2", // by the OpenTelemetry API
	}
}

// forbiddenPackages are exceptions from allowedPackages: the OpenTelemetry SDK
// and its exporters are the application's choice.
func forbiddenPackages() []string {
	return []string{"go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/otel/exporters"}
}

// raisedModules are the modules of which the core must not even name a version,
// since that raises the one in a user's go.mod.
func raisedModules() []string {
	return []string{"k8s.io/", "sigs.k8s.io/", "github.com/aws/", "github.com/nats-io/", "github.com/segmentio/", "github.com/twmb/", "go.opentelemetry.io/otel/sdk"}
}

// checkConsumer uses every library module as a stranger would: fetched from a
// module proxy, with no workspace and no replace directive.
func checkConsumer(ctx context.Context, root string) error {
	mods, err := loadModules(root)
	if err != nil {
		return err
	}
	version, err := commonVersion(mods)
	if err != nil {
		return err
	}
	mods = slices.DeleteFunc(mods, func(m module) bool { return !m.library() })
	tmp, err := os.MkdirTemp("", "consumer")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	proxy := filepath.Join(tmp, "proxy")
	if err := writeProxy(proxy, root, mods, version); err != nil {
		return err
	}
	env, err := consumerEnv(ctx, root, proxy, mods[0].path())
	if err != nil {
		return err
	}
	c := consumer{root: root, tmp: tmp, version: version, env: env}
	err = c.checkCore(ctx, mods[0])
	for _, m := range mods {
		err = errors.Join(err, c.checkModule(ctx, m))
	}
	if err != nil {
		return fmt.Errorf("consumer check failed:\n%w", err)
	}
	fmt.Printf("consumer check passed: %d modules at %s\n", len(mods), version)
	return nil
}

// consumerEnv is the environment of a stranger's go command. Its module cache
// is one of its own, so that modules of the tree never lie in the user's under
// a version that may be published one day; what is already in the user's cache
// is not downloaded again.
func consumerEnv(ctx context.Context, root, proxy, core string) ([]string, error) {
	out, err := goCommand(ctx, root, nil, "env", "GOPROXY", "GOMODCACHE")
	if err != nil {
		return nil, err
	}
	user := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(user) != 2 {
		return nil, fmt.Errorf("go env GOPROXY GOMODCACHE printed %q", out)
	}
	cache := filepath.Join(root, ".cache", "consumer")
	for _, stale := range []string{core, "cache/download/" + core} {
		if err := os.RemoveAll(filepath.Join(cache, filepath.FromSlash(stale))); err != nil {
			return nil, err
		}
	}
	// The core itself lies beside its folder, as NAME@VERSION.
	old, err := filepath.Glob(filepath.Join(cache, filepath.FromSlash(core)) + "@*")
	if err != nil {
		return nil, err
	}
	for _, dir := range old {
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
	}
	return []string{
		"GOWORK=off",
		"GOFLAGS=-mod=mod -modcacherw",
		"GOMODCACHE=" + cache,
		"GOPROXY=" + strings.Join([]string{fileURL(proxy), fileURL(filepath.Join(user[1], "cache", "download")), user[0]}, ","),
		"GONOSUMDB=" + core + "," + core + "/*",
		"GOVCS=" + core + ":off", // never ask a host for what the proxy lacks
		// The go command takes a module cache for immutable and would answer
		// from its index of an earlier run.
		"GODEBUG=goindex=0",
	}, nil
}

func fileURL(dir string) string {
	dir = filepath.ToSlash(dir)
	if !strings.HasPrefix(dir, "/") {
		dir = "/" + dir
	}
	return "file://" + dir
}

// consumer makes scratch modules and builds them.
type consumer struct {
	root, tmp, version string
	env                []string
}

// checkCore builds the first program and judges what it links.
func (c consumer) checkCore(ctx context.Context, core module) error {
	dir, err := c.build(ctx, "core", core, fmt.Sprintf(coreProgram, core.path()))
	if err != nil {
		return err
	}
	out, err := goCommand(ctx, dir, c.env, "list", "-deps", "-json=ImportPath,Standard,Module", ".")
	if err != nil {
		return err
	}
	pkgs, err := decodePackages(out)
	if err != nil {
		return err
	}
	graph, err := goCommand(ctx, dir, c.env, "list", "-m", "all")
	if err != nil {
		return err
	}
	fmt.Printf("core and webhook link:\n%s", linkedModules(pkgs))
	return errors.Join(judgePackages(pkgs, core.path()), judgeGraph(string(graph), core.path()))
}

// checkModule builds a program of every public package of a module.
func (c consumer) checkModule(ctx context.Context, m module) error {
	pkgs, err := listPackages(ctx, c.root, m)
	if err != nil {
		return err
	}
	var program strings.Builder
	program.WriteString("package main\n\nimport (\n")
	for _, p := range pkgs {
		if p.public() {
			fmt.Fprintf(&program, "\t_ %q\n", p.ImportPath)
		}
	}
	program.WriteString(")\n\nfunc main() {}\n")
	if _, err := c.build(ctx, "all-"+strings.ReplaceAll(m.dir, "/", "-"), m, program.String()); err != nil {
		return err
	}
	fmt.Printf("builds: every package of %s\n", m.path())
	return nil
}

// build makes a scratch module with one program, gets m and builds it.
func (c consumer) build(ctx context.Context, name string, m module, program string) (string, error) {
	dir := filepath.Join(c.tmp, name)
	sums, err := os.ReadFile(filepath.Join(c.root, filepath.FromSlash(m.dir), "go.sum"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	files := map[string]string{
		"go.mod":  "module example.com/consumer\n\ngo " + m.file.Go.Version + "\n",
		"go.sum":  string(sums), // what is known needs no checksum database
		"main.go": program,
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	if _, err := goCommand(ctx, dir, c.env, "get", m.path()+"@"+c.version); err != nil {
		return "", err
	}
	_, err = goCommand(ctx, dir, c.env, "build", "-o", os.DevNull, ".")
	return dir, err
}

// linkedModules lists the modules of pkgs with their versions, one a line.
func linkedModules(pkgs []listed) string {
	var lines []string
	for _, p := range pkgs {
		if p.Module != nil && !p.Module.Main {
			lines = append(lines, "  "+p.Module.Path+" "+p.Module.Version+"\n")
		}
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "")
}

// judgePackages refuses each package that is not allowed.
func judgePackages(pkgs []listed, core string) error {
	var errs []error
	for _, p := range pkgs {
		if p.Standard || (p.Module != nil && (p.Module.Main || p.Module.Path == core)) {
			continue
		}
		if !matches(p.ImportPath, allowedPackages()) || matches(p.ImportPath, forbiddenPackages()) {
			errs = append(errs, fmt.Errorf("core and webhook link %s, which is not allowed", p.ImportPath))
		}
	}
	return errors.Join(errs...)
}

// judgeGraph refuses each module, linked or not, whose version would rise.
func judgeGraph(graph, core string) error {
	var errs []error
	for line := range strings.Lines(graph) {
		if mod := strings.TrimSpace(line); matches(mod, append(raisedModules(), core+"/")) {
			errs = append(errs, fmt.Errorf("the core's module graph holds %s, and would raise a user's version", mod))
		}
	}
	return errors.Join(errs...)
}

// matches reports whether path begins with one of the prefixes.
func matches(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		if whole, ok := strings.CutSuffix(prefix, "$"); ok {
			return path == whole
		}
		return strings.HasPrefix(path, prefix)
	})
}
