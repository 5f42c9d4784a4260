package params_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hearken-go/hearken/triggers/params"
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// bySjson does by sjson, one after the other, what a template does that only
// overwrites.
func bySjson(t *testing.T, doc, data string, sets [][2]string) string {
	t.Helper()
	out := []byte(strings.Trim(doc, " \t\r\n"))
	for _, s := range sets {
		dest, path := s[0], s[1]
		var err error
		if out, err = sjson.SetRawBytes(out, dest, []byte(gjson.Get(data, path).Raw)); err != nil {
			t.Fatalf("sjson %q: %v", dest, err)
		}
	}
	return string(out)
}

// compare reports whether the template was made, and fails the test when it
// differs from sjson.
func compare(t *testing.T, doc, data string, sets [][2]string) bool {
	t.Helper()
	d := newDependency("hook")
	f := newFiring(t, d, data)
	tmpl := &params.Template{JSON: []byte(doc)}
	for _, s := range sets {
		tmpl.Params = append(tmpl.Params, params.Param{Dest: s[0], Value: params.Data(d, s[1])})
	}
	invalid := tmpl.Validate()
	got, err := tmpl.Payload(f)
	if invalid != nil && err == nil {
		t.Fatalf("%q %q: used in spite of %v", doc, sets, invalid)
	}
	if err != nil {
		return false
	}
	if !gjson.Valid(string(got)) {
		t.Fatalf("%q %q: %q is no JSON", doc, sets, got)
	}
	for _, s := range sets {
		if strings.Contains(s[0], "#") { // sjson does nothing where the template adds a key
			return false
		}
	}
	if want := bySjson(t, doc, data, sets); string(got) != want {
		t.Fatalf("%q %q of %s:\ngot  %s\nwant %s", doc, sets, data, got, want)
	}
	return true
}

// TestTemplateIsSjsonInTurn compares random templates with sjson.
func TestTemplateIsSjsonInTurn(t *testing.T) {
	const data = `{"n":1.50,"s":"a\"\\b.{\u00e9","o":{"a":{"b":1},"l":[ 1 ]},"l":["x",{"a":2}],"z":null,"e":[],"t":true}`
	docs := []string{"", "{}", "[]", ` {"a": 1, "l":[1, {"b":2} ]}`, `{"a":{"b":{"l":[]}},"a.b":{},"0":{}}`, `[{"a":null},[ ]]`}
	keys := []string{"a", "b", "l", "0", "1", "3", "-1", ":0", `a\.b`, `\{x`, "é"}
	paths := []string{"n", "s", "o", "l", "z", "e", "t", "o.a", "l.1", "o.l"}
	r := rand.New(rand.NewPCG(1, 2))
	same := 0
	for range 30_000 {
		var sets [][2]string
		for range 1 + r.IntN(4) {
			dest := make([]string, 1+r.IntN(3))
			for i := range dest {
				dest[i] = keys[r.IntN(len(keys))]
			}
			sets = append(sets, [2]string{strings.Join(dest, "."), paths[r.IntN(len(paths))]})
		}
		if compare(t, docs[r.IntN(len(docs))], data, sets) {
			same++
		}
	}
	if same < 10_000 {
		t.Errorf("only %d templates were compared", same)
	}
}

// FuzzTemplate looks for panics, for payloads that are no JSON, and for
// differences from sjson.
func FuzzTemplate(f *testing.F) {
	f.Add(`{"a":1}`, `{"x":{"y":[1,"two"]}}`, "a.b", "x", "a.b.y.-1", "x.y.1")
	f.Add(`{"l":[{"n":"a"},{"n":"b"}]}`, `{"x":1}`, `l.#(n=="b").v`, "x", `l.1.n`, "x")
	f.Add(`[]`, `{"x":"\u0000\u0001"}`, "2", "x", `:5.a\.b`, "x")
	f.Add("", `[1]`, "m.:7", "0", "m.7", "#")
	f.Add(`{"a":"{\"b\":1}"}`, `{"x":"{"}`, "b", "x", "b.c", "x")
	f.Fuzz(func(t *testing.T, doc, data, dest1, path1, dest2, path2 string) {
		if !gjson.Valid(data) { // as ingest sees to it
			return
		}
		if strings.ContainsAny(path1+path2, "#@!{[|*?.") { // no plain part of the data
			_, _ = (&params.Template{JSON: []byte(doc), Params: []params.Param{
				{Dest: dest1, Value: params.Data(newDependency("d"), path1), Operation: params.Append},
			}}).Payload(newFiring(t, newDependency("d"), data))
			return
		}
		compare(t, doc, data, [][2]string{{dest1, path1}, {dest2, path2}})
	})
}

// FuzzValue looks for panics, and for values that break the JSON around them.
func FuzzValue(f *testing.F) {
	f.Add([]byte(sample), "body.list.#.k", "application/json")
	f.Add([]byte(`{"a":"\ud800"}`), "a", "text/json")
	f.Add([]byte("\xff{"), "{a,b}", "text/plain")
	f.Add([]byte(`{"a":[1,2]}`), "a|@reverse|0", "")
	f.Fuzz(func(t *testing.T, data []byte, path, contentType string) {
		d := newDependency("d")
		firing := newFiring(t, d, string(data))
		e := firing.Events["d"]
		e.SetDataContentType(contentType)
		firing.Events["d"] = e
		for _, v := range []params.Value{params.Data(d, path), params.RawData(d), params.Event(d), params.Context(d, path)} {
			_ = v.Validate()
			if _, err := v.Text(firing); err != nil {
				continue
			}
			for _, p := range []params.Object{{"v": v}, {"v": v.AsText()}} {
				got, err := p.Payload(firing)
				if err == nil && gjson.ValidBytes(data) && !gjson.ValidBytes(got) {
					t.Fatalf("%q of %q: %q is no JSON", path, data, got)
				}
			}
		}
	})
}
