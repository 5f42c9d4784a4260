package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// goldenDir holds the record: a file for each public package, and below deps
// one for each library module.
const goldenDir = "api"

// recordAPI makes the record anew.
func recordAPI(ctx context.Context, root string) error {
	want, err := describeAll(ctx, root)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(root, goldenDir)); err != nil {
		return err
	}
	for name, text := range want {
		file := filepath.Join(root, goldenDir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	fmt.Printf("%d files written to %s\n", len(want), goldenDir)
	return nil
}

// checkAPI compares the record with the tree and prints each line that differs.
func checkAPI(ctx context.Context, root string) error {
	now, err := describeAll(ctx, root)
	if err != nil {
		return err
	}
	recorded, err := readRecord(filepath.Join(root, goldenDir))
	if err != nil {
		return err
	}
	if diff := compare(recorded, now); diff != "" {
		return fmt.Errorf("the exported API or the dependencies changed; if that is meant, run \"make api\", commit %s and say so in CHANGELOG.md\n%s", goldenDir, diff)
	}
	fmt.Printf("%d files agree\n", len(now))
	return nil
}

// describeAll returns what belongs into the record, by file name.
func describeAll(ctx context.Context, root string) (map[string]string, error) {
	mods, err := loadModules(root)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, m := range mods {
		if !m.library() {
			continue
		}
		all, err := listPackages(ctx, root, m)
		if err != nil {
			return nil, err
		}
		files["deps/"+goldenName(mods[0], m.path())] = dependencies(m, all)
		for _, p := range all {
			if !p.public() {
				continue
			}
			if files[goldenName(mods[0], p.ImportPath)], err = exportedAPI(p.ImportPath, all); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

// goldenName is the path below the core's, or the core's own name.
func goldenName(core module, importPath string) string {
	rel := strings.TrimPrefix(strings.TrimPrefix(importPath, core.path()), "/")
	if rel == "" {
		rel = path.Base(core.path())
	}
	return rel + ".txt"
}

func readRecord(dir string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && p == dir {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		files[filepath.ToSlash(rel)] = string(data)
		return err
	})
	return files, err
}

// compare returns the lines that only one side has, by file, or "".
func compare(recorded, now map[string]string) string {
	names := slices.Sorted(maps.Keys(recorded))
	for name := range now {
		if _, ok := recorded[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		old, now := recorded[name], now[name]
		if old == now {
			continue
		}
		fmt.Fprintf(&b, "%s/%s\n", goldenDir, name)
		for _, line := range missing(old, now) {
			fmt.Fprintf(&b, "  - %s\n", line)
		}
		for _, line := range missing(now, old) {
			fmt.Fprintf(&b, "  + %s\n", line)
		}
	}
	return b.String()
}

// missing returns the lines of text that other lacks.
func missing(text, other string) []string {
	has := strings.Split(other, "\n")
	return slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool {
		return line == "" || slices.Contains(has, line)
	})
}
