package params_test

import (
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestObject(t *testing.T) {
	d := newDependency("hook")
	f := newFiring(t, d, sample)
	o := params.Object{
		"z":      params.Data(d, "body.n"),
		"a":      params.Object{"k\"": params.Context(d, "id"), "e": params.Object{}},
		"m":      map[string]any{"x": 1},
		"list":   []any{params.Data(d, "body.t"), "s", nil, 2.5, []any{}},
		"go":     struct{ Field []string }{[]string{"x"}},
		"string": "<x>",
	}
	assert.JSONEq(t, `{"z":1.5,"a":{"k\"":"id-1","e":{}},"m":{"x":1},"list":[true,"s",null,2.5,[]],"go":{"Field":["x"]},"string":"<x>"}`, payload(t, o, f))
	assert.Equal(t, payload(t, o, f), payload(t, o, f), "the order of keys is fixed")
	assert.Equal(t, `{}`, payload(t, params.Object{}, f))
}

func TestObjectReads(t *testing.T) {
	d := newDependency("hook")
	o := params.Object{
		"b": []any{1, params.Data(d, "x").Or(1)},
		"a": map[string]any{"c": params.Data(d, "y")},
	}
	assert.Equal(t, []hearken.Read{
		{Dependency: d, Path: `["a"]["c"]`},
		{Dependency: d, Path: `["b"][1]`, Optional: true},
	}, o.Reads())
}

func TestMistakesOfObjects(t *testing.T) {
	d := newDependency("hook")
	type named struct{ V params.Value }
	o := params.Object{
		"a": []any{params.Value{}},
		"b": hearken.Secret("x"),
		"c": named{params.Data(d, "x")},
		"d": make(chan int),
		"e": params.Data(d, "x"),
		"f": map[string]params.Value{"x": params.Data(d, "x")},
	}
	err := o.Validate()
	require.EqualError(t, err, `["a"][0]: the Value is empty: params.Data and its like make one
["b"]: a Secret would be sent as ***: convert it to string
["c"]: params_test.named is no JSON: json: error calling MarshalJSON for type params.Value: a params.Value must stand in a params.Object, a map[string]any or a []any
["d"]: chan int is no JSON: json: unsupported type: chan int
["f"]: map[string]params.Value is no JSON: json: error calling MarshalJSON for type params.Value: a params.Value must stand in a params.Object, a map[string]any or a []any`)
	var c *hearken.ConfigError
	assert.ErrorAs(t, err, &c)
	_, err = o.Payload(newFiring(t, d, sample))
	assert.True(t, hearken.IsPermanent(err))
}
