// Command repocheck checks what no compiler or linter does: that the modules
// of the repository fit together, that their exported API and dependencies are
// the recorded ones, and that a stranger's module can use them as published.
//
// It is a module of its own so that what it needs never reaches the core's
// go.mod, and runs from anywhere inside the repository:
//
//	go run ./internal/repocheck modules     compare allmodules with the go.mod files and go.work
//	go run ./internal/repocheck api         record the exported API and dependencies under api/
//	go run ./internal/repocheck api-check   compare them with what is recorded
//	go run ./internal/repocheck consumer    use every library module as a stranger would
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

const usage = "usage: repocheck modules|api|api-check|consumer"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New(usage)
	}
	root, err := findRoot()
	if err != nil {
		return err
	}
	switch args[0] {
	case "modules":
		return checkModules(root)
	case "api":
		return recordAPI(ctx, root)
	case "api-check":
		return checkAPI(ctx, root)
	case "consumer":
		return checkConsumer(ctx, root)
	default:
		return errors.New(usage)
	}
}

// findRoot returns the nearest folder upwards that holds allmodules.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, listFile)); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no %s here or in a folder above", listFile)
		}
		dir = parent
	}
}

// goCommand runs the go command in dir with env added, and returns what it
// printed on standard output; an error holds what it printed on the other.
func goCommand(ctx context.Context, dir string, env []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s (in %s): %w\n%s", strings.Join(args, " "), dir, err, stderr.String())
	}
	return out, nil
}
