package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
)

// listed is what the go command says of a package.
type listed struct {
	ImportPath string
	Name       string
	Export     string // file with the compiled package's types
	Standard   bool
	Module     *listedModule
}

// listedModule is what the go command says of a package's module.
type listedModule struct {
	Path    string
	Version string
	Main    bool
}

// public reports whether others can import p from the module being listed.
func (p listed) public() bool {
	return p.Module != nil && p.Module.Main && p.Name != "main" && !strings.Contains(p.ImportPath+"/", "/internal/")
}

// listPackages returns the packages of a module and all that they import, tests
// left out, without the workspace: the versions are those of its own go.mod.
func listPackages(ctx context.Context, root string, m module) ([]listed, error) {
	dir := filepath.Join(root, filepath.FromSlash(m.dir))
	out, err := goCommand(ctx, dir, []string{"GOWORK=off"}, "list", "-export", "-deps", "-json=ImportPath,Name,Export,Standard,Module", "./...")
	if err != nil {
		return nil, err
	}
	return decodePackages(out)
}

func decodePackages(out []byte) ([]listed, error) {
	var pkgs []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, err
		}
		pkgs = append(pkgs, p)
	}
}
