package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	modpath "golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// writeProxy lays out the library modules below dir as a module proxy serves
// them (go help goproxy), all at one version.
func writeProxy(dir, root string, mods []module, version string) error {
	for _, m := range mods {
		if err := writeModule(dir, root, m, version); err != nil {
			return fmt.Errorf("module %s: %w", m.path(), err)
		}
	}
	return nil
}

func writeModule(dir, root string, m module, version string) error {
	escaped, err := modpath.EscapePath(m.path())
	if err != nil {
		return err
	}
	dir = filepath.Join(dir, filepath.FromSlash(escaped), "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files := map[string]string{
		"list":            version + "\n",
		version + ".info": fmt.Sprintf(`{"Version":%q}`, version),
		version + ".mod":  string(modfile.Format(m.file.Syntax)),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return writeZip(filepath.Join(dir, version+".zip"), filepath.Join(root, filepath.FromSlash(m.dir)), modpath.Version{Path: m.path(), Version: version})
}

func writeZip(name, dir string, v modpath.Version) error {
	files, err := moduleFiles(dir)
	if err != nil {
		return err
	}
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := zip.Create(out, v, files); err != nil {
		_ = out.Close() // the first error is the one to tell
		return err
	}
	return out.Close()
}

// moduleFiles returns the files of the module in dir: not those of modules
// below it, nor of hidden folders (version control, caches).
func moduleFiles(dir string) ([]zip.File, error) {
	var files []zip.File
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != dir && (strings.HasPrefix(d.Name(), ".") || isFile(filepath.Join(p, "go.mod"))):
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		rel, err := filepath.Rel(dir, p)
		files = append(files, diskFile{name: filepath.ToSlash(rel), file: p})
		return err
	})
	return files, err
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// diskFile is a file on disk as an entry of a module's zip.
type diskFile struct{ name, file string }

func (f diskFile) Path() string                 { return f.name }
func (f diskFile) Lstat() (fs.FileInfo, error)  { return os.Lstat(f.file) }
func (f diskFile) Open() (io.ReadCloser, error) { return os.Open(f.file) }
