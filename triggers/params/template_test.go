package params_test

import (
	"sync"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTemplate(t *testing.T) {
	d := newDependency("hook")
	f := newFiring(t, d, sample)
	num, str, obj := params.Data(d, "body.n"), params.Data(d, "body.s"), params.Data(d, "body.obj")
	list, id := params.Data(d, "body.list"), params.Context(d, "id")
	const workflow = `{"spec":{"args":[{"name":"a","value":"x"},{"name":"b"}]}}`
	set := func(dest string, v any) params.Param { return params.Param{Dest: dest, Value: v} }
	tests := []struct {
		name   string
		json   string
		params []params.Param
		want   string
	}{
		{"overwrite", `{"a": 1, "b": [1]}`, []params.Param{set("a", num)}, `{"a": 1.50, "b": [1]}`},
		{"nothing to set", ` {"a":1} `, nil, `{"a":1}`},
		{"new keys", `{}`, []params.Param{set("a.b", num), set("a.c", id)}, `{"a":{"b":1.50,"c":"id-1"}}`},
		{"no document", ``, []params.Param{set("a", num)}, `{"a":1.50}`},
		{"no document, list", ``, []params.Param{set("1", num)}, `[null,1.50]`},
		{"document is a list", `[1,2]`, []params.Param{set("0", str)}, `["a\"b<é\n",2]`},
		{"add to a list", `{"l":["a"]}`, []params.Param{set("l.-1", id), set("l.-1", num)}, `{"l":["a","id-1",1.50]}`},
		{"new list", `{}`, []params.Param{set("l.-1", id), set("l.-1.k", num)}, `{"l":["id-1",{"k":1.50}]}`},
		{"gap in a list", `{"l":[]}`, []params.Param{set("l.2", num)}, `{"l":[null,null,1.50]}`},
		{"gap after a value", `{"l":[]}`, []params.Param{set("l.0", obj), set("l.2", num)}, `{"l":[{"x": 1},null,1.50]}`},
		{"numeric key", `{}`, []params.Param{set("m.:5", num)}, `{"m":{"5":1.50}}`},
		{"dot in a key", `{"a.b":1}`, []params.Param{set(`a\.b`, num)}, `{"a.b":1.50}`},
		{"special keys", `{}`, []params.Param{set(`a\*b.\[0].\@c`, num)}, `{"a*b":{"[0]":{"@c":1.50}}}`},
		{"through null", `{"a":null}`, []params.Param{set("a.b", num)}, `{"a":{"b":1.50}}`},
		{"constants", `{}`, []params.Param{set("a", 5), set("b", "x"), set("c", params.Object{"d": num})}, `{"a":5,"b":"x","c":{"d":1.50}}`},
		{"below a constant", `{}`, []params.Param{set("a", params.Const(map[string]int{"x": 1})), set("a.y", num)}, `{"a":{"x":1,"y":1.50}}`},
		{"overwritten", `{}`, []params.Param{set("a", num), set("a", id)}, `{"a":"id-1"}`},
		{"overwritten by a constant", `{}`, []params.Param{set("a.b", num), set("a", 1)}, `{"a":1}`},

		{"append", `{"a":"x\u0041"}`, []params.Param{{Dest: "a", Value: str, Operation: params.Append}}, `{"a":"x\u0041a\"b\u003cé\n"}`},
		{"prepend", `{"a":"x"}`, []params.Param{{Dest: "a", Value: num, Operation: params.Prepend}}, `{"a":"1.50x"}`},
		{"both", `{"a":"x"}`, []params.Param{
			{Dest: "a", Value: num, Operation: params.Prepend},
			{Dest: "a", Value: "-", Operation: params.Append},
			{Dest: "a", Value: id, Operation: params.Append},
		}, `{"a":"1.50x-id-1"}`},
		{"append to nothing", `{}`, []params.Param{{Dest: "a", Value: num, Operation: params.Append}}, `{"a":"1.50"}`},
		{"append an object", `{"a":"x "}`, []params.Param{{Dest: "a", Value: obj, Operation: params.Append}}, `{"a":"x {\"x\": 1}"}`},
		{"append to a value", `{}`, []params.Param{set("a", str), {Dest: "a", Value: id, Operation: params.Append}}, `{"a":"a\"b<é\nid-1"}`},

		{"query", workflow, []params.Param{set(`spec.args.#(name=="a").value`, num)}, `{"spec":{"args":[{"name":"a","value":1.50},{"name":"b"}]}}`},
		{"query, new key", workflow, []params.Param{set(`spec.args.#(name=="b").value`, num)}, `{"spec":{"args":[{"name":"a","value":"x"},{"name":"b","value":1.50}]}}`},
		{
			"queries one after the other", workflow,
			[]params.Param{set(`spec.args.#(name=="a").value`, num), set(`spec.args.#(name=="b").value`, id)},
			`{"spec":{"args":[{"name":"a","value":1.50},{"name":"b","value":"id-1"}]}}`,
		},
		{"query for a whole element", workflow, []params.Param{set(`spec.args.#(name=="a")`, num)}, `{"spec":{"args":[1.50,{"name":"b"}]}}`},
		{
			"query that a value decides", workflow,
			[]params.Param{set(`spec.args.1.name`, id), set(`spec.args.#(name=="id-1").value`, num)},
			`{"spec":{"args":[{"name":"a","value":"x"},{"name":"id-1","value":1.50}]}}`,
		},
		{"below a value", `{}`, []params.Param{set("a", obj), set("a.y", num)}, `{"a":{"x": 1,"y":1.50}}`},
		{"into a list that is a value", `{}`, []params.Param{set("a", list), set(`a.#(k=="v").k`, num)}, `{"a":[1,"two",{"k":1.50}]}`},
		{"add to a list that is a value", `{}`, []params.Param{set("a", list), set(`a.-1`, id)}, `{"a":[1,"two",{"k":"v"},"id-1"]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &params.Template{JSON: []byte(tt.json), Params: tt.params}
			assert.Equal(t, tt.want, payload(t, p, f))
			assert.Equal(t, tt.want, payload(t, p, f), "again")
		})
	}
}

func TestTemplateFailsInAFiring(t *testing.T) {
	d := newDependency("hook")
	f := newFiring(t, d, sample)
	set := func(dest string, v any) params.Param { return params.Param{Dest: dest, Value: v} }
	tests := []struct {
		name   string
		params []params.Param
		want   string
	}{
		{"absent", []params.Param{set("a", 1), set("b.c", params.Data(d, "x"))}, `Params[1] (b.c): data "x" of dependency "hook" is absent`},
		{"absent and overwritten", []params.Param{set("a", params.Data(d, "x")), set("a", 1)}, `Params[0] (a): data "x" of dependency "hook" is absent`},
		{
			"absent, in turn",
			[]params.Param{set("a", params.Data(d, "body")), set("a.b", params.Data(d, "x"))},
			`Params[1] (a.b): data "x" of dependency "hook" is absent`,
		},
		{
			"below a string",
			[]params.Param{set("a", params.Data(d, "body.s")), set("a.b", 1)},
			`Params[1] (a.b): destination "a.b": a is no object or array`,
		},
		{
			"append to a number",
			[]params.Param{set("a", params.Data(d, "body.n")), {Dest: "a", Value: "x", Operation: params.Append}},
			`Params[1] (a): destination "a": only to a string text can be added`,
		},
		{
			"no element",
			[]params.Param{set("a", params.Data(d, "body.list")), set(`a.#(k=="w").k`, 1)},
			`Params[1] (a.#(k=="w").k): destination "a.#(k==\"w\").k": a has no element #(k=="w")`,
		},
		{
			"key of a list",
			[]params.Param{set("a", params.Data(d, "body.list")), set(`a.k`, 1)},
			`Params[1] (a.k): destination "a.k": cannot set array element for non-numeric key 'k'`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &params.Template{Params: tt.params}
			require.NoError(t, p.Validate())
			_, err := p.Payload(f)
			require.EqualError(t, err, tt.want)
			assert.True(t, hearken.IsPermanent(err))
		})
	}
}

func TestTemplateRefusesBytes(t *testing.T) {
	d := newDependency("hook")
	f := newFiring(t, d, "\xff")
	for _, op := range []params.Operation{params.Overwrite, params.Append} {
		for _, before := range [][]params.Param{nil, {{Dest: "b", Value: params.Func(func(hearken.Firing) (any, error) { return params.Object{}, nil })}, {Dest: "b.c", Value: 1}}} {
			p := &params.Template{Params: append(before, params.Param{Dest: "a", Value: params.RawData(d), Operation: op})}
			_, err := p.Payload(f)
			assert.ErrorContains(t, err, "bytes that are not UTF-8 cannot stand in JSON")
			assert.True(t, hearken.IsPermanent(err))
		}
	}
}

func TestMistakesOfTemplates(t *testing.T) {
	d := newDependency("hook")
	v := params.Data(d, "x")
	set := func(dest string) []params.Param { return []params.Param{{Dest: dest, Value: v}} }
	tests := []struct {
		name   string
		json   string
		params []params.Param
		want   string
	}{
		{"nothing", ` `, nil, `JSON: there is no document, and no Params make one`},
		{"not JSON", `{"a":}`, set("a"), `JSON: the document is not valid JSON`},
		{"scalar", `5`, set("a"), `JSON: the document is no object or array: a Value is a payload of its own`},
		{"empty destination", `{}`, set(""), `Params[0].Dest: destination "": a key is empty`},
		{"empty key", `{}`, set("a..b"), `Params[0].Dest: destination "a..b": a key is empty`},
		{"end", `{}`, set("a."), `Params[0].Dest: destination "a.": a key is empty`},
		{"only a colon", `{}`, set("a.:"), `Params[0].Dest: destination "a.:": a key is empty`},
		{"open escape", `{}`, set(`a\`), `Params[0].Dest: destination "a\\": a \ must be followed by a character`},
		{"wildcard", `{}`, set(`a.b*`), `Params[0].Dest: destination "a.b*": it must name one place: a key with * is written \*`},
		{"modifier", `{}`, set(`@this`), `Params[0].Dest: destination "@this": it must name one place: a key with @ is written \@`},
		{"pipe", `{}`, set(`a|b`), `Params[0].Dest: destination "a|b": it must name one place: a key with | is written \|`},
		{"all elements", `{}`, set(`a.#.b`), `Params[0].Dest: destination "a.#.b": it must name one place: a key with # is written \#`},
		{"all that a query selects", `{}`, set(`a.#(b==1)#.c`), `Params[0].Dest: destination "a.#(b==1)#.c": after a query #(...) comes a dot or the end`},
		{"selection", `{}`, set(`a.[0]`), `Params[0].Dest: destination "a.[0]": a key that begins with [ is written \[`},
		{"large index", `{}`, set(`a.99999999999999999999`), `Params[0].Dest: destination "a.99999999999999999999": index 99999999999999999999 is too large: a key is written :99999999999999999999`},
		{"open query", `{}`, set(`a.#(b==")"`), `Params[0].Dest: destination "a.#(b==\")\"": a query #(...) is not closed`},
		{"no element", `{"a":[{"b":1}]}`, set(`a.#(b==2).c`), `Params[0].Dest: destination "a.#(b==2).c": a has no element #(b==2)`},
		{"query on no list", `{"a":{"b":1}}`, set(`a.#(b==1).c`), `Params[0].Dest: destination "a.#(b==1).c": a has no element #(b==1)`},
		{"query on nothing", `{}`, set(`a.b.#(b==1).c`), `Params[0].Dest: destination "a.b.#(b==1).c": a.b has no element #(b==1)`},
		{"below a string", `{"a":"{\"b\":1}"}`, set(`a.b`), `Params[0].Dest: destination "a.b": a is no object or array`},
		{"key of a list", `{"a":[]}`, set(`a.b`), `Params[0].Dest: destination "a.b": cannot set array element for non-numeric key 'b'`},
		{
			"append to a number", `{"a":1}`,
			[]params.Param{{Dest: "a", Value: v, Operation: params.Append}},
			`Params[0].Dest: destination "a": only to a string text can be added`,
		},
		{
			"prepend to null", `{"a":null}`,
			[]params.Param{{Dest: "a", Value: v, Operation: params.Prepend}},
			`Params[0].Dest: destination "a": only to a string text can be added`,
		},
		{"unknown operation", `{}`, []params.Param{{Dest: "a", Value: v, Operation: 7}}, `Params[0].Operation: 7 is no operation`},
		{
			"several", `{`,
			[]params.Param{{Dest: "a", Value: params.Value{}}, {Value: v}},
			"JSON: the document is not valid JSON\nParams[0].Value: the Value is empty: params.Data and its like make one\nParams[1].Dest: destination \"\": a key is empty",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &params.Template{JSON: []byte(tt.json), Params: tt.params}
			err := p.Validate()
			require.EqualError(t, err, tt.want)
			var c *hearken.ConfigError
			assert.ErrorAs(t, err, &c)

			_, err = p.Payload(newFiring(t, d, `{"x":1}`))
			require.EqualError(t, err, tt.want, "without Validate too")
			assert.True(t, hearken.IsPermanent(err))
		})
	}
}

func TestTemplateReads(t *testing.T) {
	d := newDependency("hook")
	p := &params.Template{Params: []params.Param{
		{Dest: "a", Value: 1},
		{Dest: "b", Value: params.Data(d, "x").Or(1)},
		{Dest: "c", Value: params.Object{"k": params.Data(d, "x")}},
	}}
	assert.Equal(t, []hearken.Read{
		{Dependency: d, Path: `Params[1].Value`, Optional: true},
		{Dependency: d, Path: `Params[2].Value["k"]`},
	}, p.Reads())
}

func TestTemplateIsUsedConcurrently(t *testing.T) {
	d := newDependency("hook")
	f := newFiring(t, d, sample)
	p := &params.Template{JSON: []byte(`{"a":{}}`), Params: []params.Param{{Dest: "a.b", Value: params.Data(d, "body.n")}}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				got, err := p.Payload(f)
				assert.NoError(t, err)
				assert.Equal(t, `{"a":{"b":1.50}}`, string(got))
			}
		})
	}
	wg.Wait()
}
