package params_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestValues(t *testing.T) {
	d, gone := newDependency("hook"), newDependency("gone")
	f := newFiring(t, d, sample)
	fn := params.Func(func(f hearken.Firing) (any, error) { return map[string]string{"id": f.ID}, nil })
	tests := []struct {
		name  string
		value params.Value
		alone string // as a payload of its own
		json  string // within an object
		text  string
	}{
		{"string", params.Data(d, "body.s"), `"a\"b<é\n"`, `"a\"b<é\n"`, "a\"b<é\n"},
		{"number, digit by digit", params.Data(d, "body.n"), `1.50`, `1.50`, `1.50`},
		{"large number", params.Data(d, "body.big"), `12345678901234567890`, `12345678901234567890`, `12345678901234567890`},
		{"bool", params.Data(d, "body.t"), `true`, `true`, `true`},
		{"null", params.Data(d, "body.nil"), `null`, `null`, `null`},
		{"empty string", params.Data(d, "body.empty"), `""`, `""`, ``},
		{"object", params.Data(d, "body.obj"), `{"x": 1}`, `{"x": 1}`, `{"x": 1}`},
		{"list", params.Data(d, "body.list"), `[1,"two",{"k":"v"}]`, `[1,"two",{"k":"v"}]`, `[1,"two",{"k":"v"}]`},
		{"query", params.Data(d, `body.list.#(k=="v").k`), `"v"`, `"v"`, `v`},
		{"length", params.Data(d, "body.list.#"), `3`, `3`, `3`},
		{"JSON in a string", params.Data(d, "body.wrapped.@fromstr.inner"), `[7]`, `[7]`, `[7]`},
		{"selection", params.Data(d, "body.{n,t}"), `{"n":1.50,"t":true}`, `{"n":1.50,"t":true}`, `{"n":1.50,"t":true}`},

		{"string as text", params.Data(d, "body.s").AsText(), "a\"b<é\n", `"a\"b\u003cé\n"`, "a\"b<é\n"},
		{"number as text", params.Data(d, "body.n").AsText(), `1.50`, `"1.50"`, `1.50`},
		{"object as text", params.Data(d, "body.obj").AsText(), `{"x": 1}`, `"{\"x\": 1}"`, `{"x": 1}`},

		{"id", params.Context(d, "id"), `id-1`, `"id-1"`, `id-1`},
		{"type", params.Context(d, "type"), `com.example.test`, `"com.example.test"`, `com.example.test`},
		{"source", params.Context(d, "source"), `https://example.com/a?b=c&d`, `"https://example.com/a?b=c\u0026d"`, `https://example.com/a?b=c&d`},
		{"subject", params.Context(d, "subject"), `sub`, `"sub"`, `sub`},
		{"time", params.Context(d, "time"), `2026-03-01T08:30:00Z`, `"2026-03-01T08:30:00Z"`, `2026-03-01T08:30:00Z`},
		{"content type", params.Context(d, "datacontenttype"), `application/json`, `"application/json"`, `application/json`},
		{"version", params.Context(d, "specversion"), `1.0`, `"1.0"`, `1.0`},
		{"extension", params.Context(d, "count"), `5`, `"5"`, `5`},

		{"default not needed", params.Data(d, "body.t").Or(false), `true`, `true`, `true`},
		{"null is there", params.Data(d, "body.nil").Or("x"), `null`, `null`, `null`},
		{"default for a path", params.Data(d, "body.x").Or("nobody"), `"nobody"`, `"nobody"`, `nobody`},
		{"default of a number", params.Data(d, "body.x").Or(1.5), `1.5`, `1.5`, `1.5`},
		{"default of null", params.Data(d, "body.x").Or(nil), `null`, `null`, `null`},
		{"default of an object", params.Data(d, "body.x").Or(params.Object{"id": params.Context(d, "id")}), `{"id":"id-1"}`, `{"id":"id-1"}`, `{"id":"id-1"}`},
		{"default for an event", params.Data(gone, "a").Or("x"), `"x"`, `"x"`, `x`},
		{"default for an attribute", params.Context(d, "other").Or("x"), `"x"`, `"x"`, `x`},
		{"another value", params.Data(gone, "a").Or(params.Data(d, "body.t")), `true`, `true`, `true`},
		{"chain", params.Data(gone, "a").Or(params.Data(d, "x")).Or(params.Data(d, "y")).Or(3), `3`, `3`, `3`},
		{"default as text", params.Data(gone, "a").Or(3).AsText(), `3`, `"3"`, `3`},

		{"constant", params.Const("x"), `"x"`, `"x"`, `x`},
		{"constant list", params.Const([]int{1, 2}), `[1,2]`, `[1,2]`, `[1,2]`},
		{"concat", params.Concat("n=", params.Data(d, "body.n"), ` "`, true), `n=1.50 "true`, `"n=1.50 \"true"`, `n=1.50 "true`},
		{"concat of nothing", params.Concat(), ``, `""`, ``},
		{"func", fn, `{"id":"f1"}`, `{"id":"f1"}`, `{"id":"f1"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.alone, payload(t, tt.value, f))
			assert.Equal(t, `{"v":`+tt.json+`}`, payload(t, params.Object{"v": tt.value}, f))
			text, err := tt.value.Text(f)
			require.NoError(t, err)
			assert.Equal(t, tt.text, text)
		})
	}
}

func TestAbsentValues(t *testing.T) {
	d, gone := newDependency("hook"), newDependency("gone")
	f := newFiring(t, d, sample)
	text := newFiring(t, d, "plain")
	e := text.Events["hook"]
	e.SetDataContentType("text/plain")
	text.Events["hook"] = e
	empty := hearken.Firing{ID: "f1", Events: map[string]hearken.Event{"hook": {}}}
	noData := newFiring(t, d, "")
	tests := []struct {
		name  string
		value params.Value
		f     hearken.Firing
		want  string
	}{
		{"path", params.Data(d, "body.x"), f, `data "body.x" of dependency "hook" is absent`},
		{"below a scalar", params.Data(d, "body.s.x"), f, `data "body.s.x" of dependency "hook" is absent`},
		{"event", params.Data(gone, "a"), f, `firing f1 has no event of dependency "gone"`},
		{"attribute", params.Context(d, "other"), f, `attribute other of dependency "hook" is absent`},
		{"not JSON", params.Data(d, "a"), text, `data of dependency "hook" is "text/plain", not JSON`},
		{"no word of JSON", params.Data(d, "a"), newFiring(t, d, `{"a":tru,"b":1}`), `data "a" of dependency "hook" is no JSON`},
		{"no number", params.Data(d, "a"), newFiring(t, d, `{"a":01}`), `data "a" of dependency "hook" is no JSON`},
		{"no end of an object", params.Data(d, "a"), newFiring(t, d, `{"a":{"x":1`), `data "a" of dependency "hook" is no JSON`},
		{"no string of JSON", params.Data(d, "a"), newFiring(t, d, "{\"a\":\"\n\"}"), `data "a" of dependency "hook" is no JSON`},
		{"path that makes no JSON", params.Data(d, "!1x"), f, `data "!1x" of dependency "hook" is no JSON`},
		{"empty event", params.Event(d), empty, `the event of dependency "hook" is empty`},
		{"no data", params.RawData(d), noData, `the event of dependency "hook" has no data`},
		{"no data for a path", params.Data(d, "a"), noData, `data "a" of dependency "hook" is absent`},
		{"as text", params.Data(d, "x").AsText(), f, `data "x" of dependency "hook" is absent`},
		{"in a concat", params.Concat("a", params.Data(d, "x")), f, `data "x" of dependency "hook" is absent`},
		{
			"both", params.Data(d, "x").Or(params.Context(d, "y")), f,
			`data "x" of dependency "hook" is absent, and attribute y of dependency "hook" is absent`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.NoError(t, tt.value.Validate())
			_, err := tt.value.Payload(tt.f)
			require.EqualError(t, err, tt.want)
			assert.True(t, hearken.IsPermanent(err))

			_, err = tt.value.Text(tt.f)
			assert.True(t, hearken.IsPermanent(err))

			_, err = params.Object{"a": []any{1, tt.value}}.Payload(tt.f)
			require.EqualError(t, err, `"a": [1]: `+tt.want)
			assert.True(t, hearken.IsPermanent(err))

			assert.Equal(t, `"x"`, payload(t, tt.value.Or("x"), tt.f))
		})
	}
}

func TestFuncErrorsAreItsOwn(t *testing.T) {
	errTry := errors.New("try again")
	for _, mark := range []bool{false, true} {
		v := params.Func(func(hearken.Firing) (any, error) {
			if mark {
				return nil, hearken.Permanent(errTry)
			}
			return nil, errTry
		})
		_, err := params.Object{"a": v.Or("a failure is no absence")}.Payload(hearken.Firing{})
		require.ErrorIs(t, err, errTry)
		assert.Equal(t, mark, hearken.IsPermanent(err))
	}
	_, err := params.Func(func(hearken.Firing) (any, error) { return make(chan int), nil }).Payload(hearken.Firing{})
	assert.True(t, hearken.IsPermanent(err), "what is no JSON stays so")
}

func TestReads(t *testing.T) {
	a, b := newDependency("a"), newDependency("b")
	tests := []struct {
		name  string
		value params.Value
		want  []hearken.Read
	}{
		{"data", params.Data(a, "x"), []hearken.Read{{Dependency: a}}},
		{"context", params.Context(a, "id").AsText(), []hearken.Read{{Dependency: a}}},
		{"constant", params.Const(1), nil},
		{"default", params.Event(a).Or("x"), []hearken.Read{{Dependency: a, Optional: true}}},
		{"two paths of one event", params.Data(a, "x").Or(params.Data(a, "y")), []hearken.Read{{Dependency: a}, {Dependency: a}}},
		{
			"two paths and a default", params.Data(a, "x").Or(params.Data(a, "y")).Or(1),
			[]hearken.Read{{Dependency: a, Optional: true}, {Dependency: a, Optional: true}},
		},
		{
			"default within", params.Data(a, "x").Or(params.Data(b, "y").Or(1)),
			[]hearken.Read{{Dependency: a, Optional: true}, {Dependency: b, Optional: true}},
		},
		{
			"two events", params.RawData(a).Or(params.RawData(b)),
			[]hearken.Read{{Dependency: a, Optional: true}, {Dependency: b, Optional: true}},
		},
		{
			"concat", params.Concat(params.Data(a, "x"), "-", params.Data(b, "x").Or("")),
			[]hearken.Read{{Dependency: a}, {Dependency: b, Optional: true}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, tt.value.Reads()) })
	}
}

func TestMistakesOfValues(t *testing.T) {
	d := newDependency("a")
	tests := []struct {
		name  string
		value params.Value
		want  string
	}{
		{"zero", params.Value{}, "the Value is empty: params.Data and its like make one"},
		{"nil dependency", params.Context(nil, "id"), "the dependency is nil"},
		{"nil dependency and path", params.Data(nil, ""), "the dependency is nil; the path is empty: params.RawData is the whole data"},
		{"JSONPath", params.Data(d, "$.a"), `path "$.a" is JSONPath: gjson's begins with the first key`},
		{"leading dot", params.Data(d, ".a"), `path ".a" begins with a dot: gjson's begins with the first key`},
		{"trailing dot", params.Data(d, "a."), `path "a." ends with a dot`},
		{"open query", params.Data(d, `a.#(b==1`), `path "a.#(b==1" has a query #(...) that is not closed`},
		{"open query after another", params.Data(d, `a\#(.#(b=="(").#(c.#(d==1)`), `path "a\\#(.#(b==\"(\").#(c.#(d==1)" has a query #(...) that is not closed`},
		{"attribute", params.Context(d, "My-Ext"), `"My-Ext" is no attribute: their names are lower-case letters and digits (CloudEvents 1.0, section 3.1)`},
		{"data as attribute", params.Context(d, "data"), `"data" is no attribute: their names are lower-case letters and digits (CloudEvents 1.0, section 3.1)`},
		{"nil function", params.Func(nil), "Func of nil"},
		{"channel", params.Const(make(chan int)), "chan int is no JSON: json: unsupported type: chan int"},
		{"secret", params.Data(d, "a").Or(hearken.Secret("x")), "a Secret would be sent as ***: convert it to string"},
		{"payload", params.Const(&params.Template{}), "*params.Template is a payload, not a value"},
		{
			"in a concat", params.Concat(params.Data(d, ""), params.Value{}),
			"the path is empty: params.RawData is the whole data; the Value is empty: params.Data and its like make one",
		},
		{"as text", params.Value{}.AsText(), "the Value is empty: params.Data and its like make one"},
		{"in an object", params.Data(d, "a").Or(params.Object{"b": params.Value{}}), `["b"]: the Value is empty: params.Data and its like make one`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.EqualError(t, tt.value.Validate(), tt.want)
			var c *hearken.ConfigError
			assert.ErrorAs(t, tt.value.Validate(), &c)
			assert.NotPanics(t, func() {
				_, err := tt.value.Payload(hearken.Firing{})
				assert.True(t, hearken.IsPermanent(err))
			})
			assert.NotPanics(t, func() { tt.value.Reads() })
		})
	}
}

func TestValueHasNoJSONOfItsOwn(t *testing.T) {
	_, err := json.Marshal(params.Const(1))
	assert.ErrorContains(t, err, "a params.Value must stand in")
}
