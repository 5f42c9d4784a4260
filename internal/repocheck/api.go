package main

import (
	"cmp"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"slices"
	"strings"
)

// exportedAPI returns a package's exported API, one sorted line for each name,
// field and method, so that a change of a signature is a change of one line.
// all holds the package and everything it imports.
func exportedAPI(importPath string, all []listed) (string, error) {
	pkg, err := loadTypes(importPath, all)
	if err != nil {
		return "", err
	}
	var lines []string
	scope := pkg.Scope()
	for _, name := range scope.Names() {
		if obj := scope.Lookup(name); obj.Exported() {
			lines = append(lines, describe(obj)...)
		}
	}
	slices.Sort(lines)
	return fmt.Sprintf("package %s // import %q\n\n%s\n", pkg.Name(), importPath, strings.Join(lines, "\n")), nil
}

// loadTypes reads the types that the compiler recorded for a package.
func loadTypes(importPath string, all []listed) (*types.Package, error) {
	lookup := func(path string) (io.ReadCloser, error) {
		i := slices.IndexFunc(all, func(p listed) bool { return p.ImportPath == path })
		if i < 0 {
			return nil, fmt.Errorf("package %s was not listed", path)
		}
		return os.Open(all[i].Export)
	}
	return importer.ForCompiler(token.NewFileSet(), "gc", lookup).Import(importPath)
}

func describe(obj types.Object) []string {
	short := shortNames(obj.Pkg())
	line := types.ObjectString(obj, short)
	switch obj := obj.(type) {
	case *types.Const:
		line += " = " + obj.Val().ExactString()
	case *types.TypeName:
		if named, ok := obj.Type().(*types.Named); ok && !obj.IsAlias() {
			return append(describeType(named, short), describeMethods(named, short)...)
		}
	}
	return []string{line}
}

// shortNames qualifies names of other packages by the package's name, as code
// does.
func shortNames(of *types.Package) types.Qualifier {
	return func(p *types.Package) string {
		if p == of {
			return ""
		}
		return p.Name()
	}
}

func describeType(named *types.Named, short types.Qualifier) []string {
	name := types.TypeString(named, short)
	switch under := named.Underlying().(type) {
	case *types.Struct:
		return describeStruct("type "+name+" struct", under, short)
	case *types.Interface:
		return describeInterface("type "+name+" interface", under, short)
	default:
		return []string{"type " + name + " " + types.TypeString(under, short)}
	}
}

func describeStruct(head string, s *types.Struct, short types.Qualifier) []string {
	lines := []string{head}
	for f := range s.Fields() {
		switch {
		case !f.Exported():
		case f.Embedded():
			lines = append(lines, head+", embedded "+types.TypeString(f.Type(), short))
		default:
			lines = append(lines, head+", "+f.Name()+" "+types.TypeString(f.Type(), short))
		}
	}
	return lines
}

// describeInterface lists all methods, embedded ones too, since each is one
// more that an implementation needs.
func describeInterface(head string, t *types.Interface, short types.Qualifier) []string {
	lines := []string{head}
	sealed := false
	for m := range t.Methods() {
		if m.Exported() {
			lines = append(lines, head+", "+m.Name()+signature(m, short))
		} else {
			sealed = true
		}
	}
	if sealed {
		lines = append(lines, head+", unexported methods")
	}
	if !t.IsMethodSet() {
		lines = append(lines, head+", "+types.TypeString(t, short))
	}
	return lines
}

// describeMethods lists the methods of a type that is not an interface. Those
// that come by an exported embedded field are left out: the field says it.
func describeMethods(named *types.Named, short types.Qualifier) []string {
	if types.IsInterface(named) {
		return nil
	}
	var lines []string
	value := types.NewMethodSet(named)
	for sel := range types.NewMethodSet(types.NewPointer(named)).Methods() {
		m, ok := sel.Obj().(*types.Func)
		if !ok || !m.Exported() || byExportedField(named, sel) {
			continue
		}
		star := "*"
		if value.Lookup(m.Pkg(), m.Name()) != nil {
			star = ""
		}
		lines = append(lines, fmt.Sprintf("method (%s%s) %s%s", star, named.Obj().Name(), m.Name(), signature(m, short)))
	}
	return lines
}

func byExportedField(named *types.Named, sel *types.Selection) bool {
	s, ok := named.Underlying().(*types.Struct)
	return ok && len(sel.Index()) > 1 && s.Field(sel.Index()[0]).Exported()
}

func signature(f *types.Func, short types.Qualifier) string {
	return strings.TrimPrefix(types.TypeString(f.Signature(), short), "func")
}

// dependencies returns the modules that a program links which imports every
// public package of m, without their versions: those stand in go.mod.
func dependencies(m module, all []listed) string {
	var paths []string
	for _, p := range all {
		if p.Module != nil && !p.Module.Main {
			paths = append(paths, p.Module.Path)
		}
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	return fmt.Sprintf("# Linked by %s\n%s\n", m.path(), cmp.Or(strings.Join(paths, "\n"), "# nothing but the standard library"))
}
