package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// listFile names the one list of the repository's modules.
const listFile = "allmodules"

// module is one Go module of the repository.
type module struct {
	dir  string // slash-separated, from the root; "." is the core
	file *modfile.File
}

func (m module) path() string { return m.file.Module.Mod.Path }

// library reports whether other repositories may use the module. The rest are
// programs: they have no API to keep and are never published.
func (m module) library() bool {
	return m.dir != "examples" && m.dir != "bench" && !strings.HasPrefix(m.dir, "internal/")
}

// loadModules reads the list and the go.mod file of each of its entries.
func loadModules(root string) ([]module, error) {
	data, err := os.ReadFile(filepath.Join(root, listFile))
	if err != nil {
		return nil, err
	}
	var mods []module
	for line := range strings.Lines(string(data)) {
		dir := strings.TrimSpace(line)
		if dir == "" || strings.HasPrefix(dir, "#") {
			continue
		}
		m, err := loadModule(root, dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", listFile, err)
		}
		mods = append(mods, m)
	}
	if len(mods) == 0 || mods[0].dir != "." {
		return nil, fmt.Errorf(`%s: the first entry must be the core module, "."`, listFile)
	}
	return mods, nil
}

func loadModule(root, dir string) (module, error) {
	name := filepath.Join(root, filepath.FromSlash(dir), "go.mod")
	data, err := os.ReadFile(name)
	if err != nil {
		return module{}, err
	}
	file, err := modfile.Parse(name, data, nil)
	if err != nil {
		return module{}, err
	}
	if file.Module == nil {
		return module{}, fmt.Errorf("%s: no module line", name)
	}
	return module{dir: dir, file: file}, nil
}

// checkModules reports every way in which the go.mod files, go.work and the
// list disagree.
func checkModules(root string) error {
	mods, err := loadModules(root)
	if err != nil {
		return err
	}
	listed := make([]string, len(mods))
	for i, m := range mods {
		listed[i] = m.dir
	}
	found, err := findModules(root)
	if err != nil {
		return err
	}
	work, err := workModules(root)
	if err != nil {
		return err
	}
	errs := []error{
		sameFolders("go.mod files", found, listed),
		sameFolders("go.work", work, listed),
		checkRequires(mods),
	}
	for _, m := range mods {
		errs = append(errs, checkModule(m, mods[0]))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Printf("%d modules agree\n", len(mods))
	return nil
}

// findModules returns the folders that hold a go.mod file. Like the go command
// it passes over testdata and names that begin with a dot or an underscore.
func findModules(root string) ([]string, error) {
	var dirs []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != root && ignored(d.Name()):
			return filepath.SkipDir
		case d.Name() != "go.mod":
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(p))
		dirs = append(dirs, filepath.ToSlash(rel))
		return err
	})
	return dirs, err
}

func ignored(folder string) bool {
	return folder == "testdata" || strings.HasPrefix(folder, ".") || strings.HasPrefix(folder, "_")
}

func workModules(root string) ([]string, error) {
	name := filepath.Join(root, "go.work")
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	work, err := modfile.ParseWork(name, data, nil)
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, use := range work.Use {
		dirs = append(dirs, path.Clean(use.Path))
	}
	return dirs, nil
}

func sameFolders(what string, got, listed []string) error {
	var errs []error
	for _, dir := range got {
		if !slices.Contains(listed, dir) {
			errs = append(errs, fmt.Errorf("%s: %s is not in %s", what, dir, listFile))
		}
	}
	for i, dir := range listed {
		if !slices.Contains(got, dir) {
			errs = append(errs, fmt.Errorf("%s: no %s, which is in %s", what, dir, listFile))
		}
		if slices.Contains(listed[:i], dir) {
			errs = append(errs, fmt.Errorf("%s: %s stands there twice", listFile, dir))
		}
	}
	return errors.Join(errs...)
}

// checkModule compares a module's path and Go version with the core's.
func checkModule(m, core module) error {
	var errs []error
	if want := path.Join(core.path(), m.dir); m.path() != want {
		errs = append(errs, fmt.Errorf("%s/go.mod: module %s, want %s", m.dir, m.path(), want))
	}
	if m.file.Go == nil || core.file.Go == nil || m.file.Go.Version != core.file.Go.Version {
		errs = append(errs, fmt.Errorf("%s/go.mod: the go line differs from the core's", m.dir))
	}
	return errors.Join(errs...)
}

// checkRequires checks how the modules refer to each other: at one version, in
// the order of the list, replaced by the tree; and that nothing else is
// replaced, since a consumer's build would ignore it.
func checkRequires(mods []module) error {
	_, err := commonVersion(mods)
	errs := []error{err}
	for i, m := range mods {
		where := m.dir + "/go.mod"
		for _, req := range m.file.Require {
			at := slices.IndexFunc(mods, func(o module) bool { return o.path() == req.Mod.Path })
			if at < 0 {
				continue
			}
			if at >= i {
				errs = append(errs, fmt.Errorf("%s: %s must stand before %s", listFile, mods[at].dir, m.dir))
			}
			if want := relative(m.dir, mods[at].dir); replaced(m, req.Mod.Path) != want {
				errs = append(errs, fmt.Errorf("%s: want replace %s => %s", where, req.Mod.Path, want))
			}
		}
		for _, rep := range m.file.Replace {
			if !slices.ContainsFunc(mods, func(o module) bool { return o.path() == rep.Old.Path }) {
				errs = append(errs, fmt.Errorf("%s: %s is replaced, which consumers ignore", where, rep.Old.Path))
			}
		}
	}
	return errors.Join(errs...)
}

// commonVersion returns the one version at which the modules require each
// other.
func commonVersion(mods []module) (string, error) {
	var version, first string
	for _, m := range mods {
		for _, req := range m.file.Require {
			if !slices.ContainsFunc(mods, func(o module) bool { return o.path() == req.Mod.Path }) {
				continue
			}
			if version == "" {
				version, first = req.Mod.Version, m.dir
			}
			if req.Mod.Version != version {
				return "", fmt.Errorf("%s/go.mod: %s, but %s requires %s", m.dir, req.Mod, first, version)
			}
		}
	}
	if version == "" {
		return "", errors.New("no module requires another: their version is unknown")
	}
	return version, nil
}

func replaced(m module, modPath string) string {
	for _, rep := range m.file.Replace {
		if rep.Old.Path == modPath {
			return rep.New.Path
		}
	}
	return ""
}

// relative returns the path from one folder of the repository to another.
func relative(from, to string) string {
	rel, err := filepath.Rel(filepath.FromSlash(from), filepath.FromSlash(to))
	if err != nil {
		return to
	}
	rel = filepath.ToSlash(rel)
	if !strings.HasPrefix(rel, "..") {
		rel = "./" + rel
	}
	return rel
}
