package main

import "testing"

func TestCheckModules(t *testing.T) {
	tests := []struct {
		name            string
		file, old, text string
		want            string
	}{
		{name: "sound"},
		{"testdata holds no modules", "testdata/go.mod", "", "module x\n", ""},
		{"a module that is not listed", "more/go.mod", "", "module example.com/core/more\n", "go.mod files: more is not in allmodules"},
		{"a folder without go.mod", listFile, "examples", "examples\nmore", "more/go.mod"},
		{"listed twice", listFile, "examples", "examples\nexamples", "stands there twice"},
		{"an empty list", listFile, "", "# nothing\n", "the first entry must be the core"},
		{"the core not first", listFile, "", "examples\n.\nbus/adapter\n", "the first entry must be the core"},
		{"a dependency after its user", listFile, "", ".\nexamples\nbus/adapter\n", "bus/adapter must stand before examples"},
		{"not in go.work", "go.work", "./examples", "", "go.work: no examples"},
		{"only in go.work", "go.work", "./examples", "./examples\n\t./more", "go.work: more is not in allmodules"},
		{"go.work that does not parse", "go.work", "", "use use\n", "go.work"},
		{"go.mod that does not parse", "go.mod", "", "module\n", "go.mod"},
		{"go.mod without a module", "go.mod", "", "go 1.26.0\n", "no module line"},
		{"a path that is not the folder's", "bus/adapter/go.mod", "core/bus/adapter", "core/adapter", "want example.com/core/bus/adapter"},
		{"another Go version", "examples/go.mod", "go 1.26.0", "go 1.25.0", "examples/go.mod: the go line"},
		{"another version of the core", "examples/go.mod", "core v0.1.0", "core v0.2.0", "requires v0."},
		{"no replace", "bus/adapter/go.mod", "replace example.com/core => ../..", "", "want replace example.com/core => ../.."},
		{"a wrong replace", "examples/go.mod", "=> ../bus/adapter", "=> ../bus", "want replace example.com/core/bus/adapter => ../bus/adapter"},
		{"a stranger replaced", "go.mod", "go 1.26.0", "go 1.26.0\n\nreplace example.com/x => ../x", "example.com/x is replaced, which consumers ignore"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := sound()
			if tt.file != "" {
				files = with(files, tt.file, tt.old, tt.text)
			}
			wantError(t, checkModules(write(t, files)), tt.want)
		})
	}
}

func TestModulesThatNobodyRequires(t *testing.T) {
	files := map[string]string{
		"allmodules": ".\n",
		"go.work":    "go 1.26.0\n\nuse .\n",
		"go.mod":     "module example.com/core\n\ngo 1.26.0\n",
	}
	wantError(t, checkModules(write(t, files)), "their version is unknown")
}
