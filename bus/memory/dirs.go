package memory

import "strings"

// dirs are the directories of a store by their path, which is empty or ends with
// a slash. Each one that holds something, names or other directories, is there.
type dirs map[string]*dir

// dir is a directory.
type dir struct {
	names map[string]string   // values by name
	below map[string]struct{} // the paths of the directories right below it
}

// entry is a name and its value, which share their memory: with a million of them
// it counts that they are one allocation.
type entry struct{ name, value string }

func newEntry(name string, value []byte) entry {
	var b strings.Builder
	b.Grow(len(name) + len(value))
	b.WriteString(name)
	b.Write(value)
	return entry{b.String()[:len(name)], b.String()[len(name):]}
}

// maxDepth bounds how deep directories are nested. Further slashes are part of
// the name.
const maxDepth = 16

// split returns the directory and the name of a key, or those that all keys with
// a prefix begin with.
func split(key string) (path, name string) {
	at := strings.LastIndexByte(key, '/') + 1
	if strings.Count(key[:at], "/") > maxDepth {
		at = 0
		for range maxDepth {
			at += strings.IndexByte(key[at:], '/') + 1
		}
	}
	return key[:at], key[at:]
}

// above returns the directory that path, which is not empty, is right below of.
func above(path string) string {
	return path[:strings.LastIndexByte(path[:len(path)-1], '/')+1]
}

func (ds dirs) get(path, name string) (value string, ok bool) {
	d := ds[path]
	if d == nil {
		return "", false
	}
	value, ok = d.names[name]
	return value, ok
}

func (ds dirs) set(path string, e entry) {
	d := ds[path]
	if d == nil {
		d = ds.add(strings.Clone(path))
	}
	if d.names == nil {
		d.names = map[string]string{}
	}
	d.names[e.name] = e.value
}

// add makes the directory and those above it.
func (ds dirs) add(path string) *dir {
	d := &dir{}
	ds[path] = d
	if path == "" {
		return d
	}
	up := ds[above(path)]
	if up == nil {
		up = ds.add(above(path))
	}
	if up.below == nil {
		up.below = map[string]struct{}{}
	}
	up.below[path] = struct{}{}
	return d
}

// remove takes a name out, and the directories that are empty without it.
func (ds dirs) remove(path, name string) {
	d := ds[path]
	delete(d.names, name)
	for len(d.names)+len(d.below) == 0 {
		delete(ds, path)
		if path == "" {
			return
		}
		sub := path
		path = above(path)
		d = ds[path]
		delete(d.below, sub)
	}
}
