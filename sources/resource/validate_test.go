package resource_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

func TestMistakes(t *testing.T) {
	client, config := &cluster{}, &rest.Config{Host: "https://localhost"}
	kind := schema.GroupVersionKind{Kind: "ConfigMap"}
	for name, tt := range map[string]struct {
		source *resource.Source
		want   []string
	}{
		"none":                     {&resource.Source{Client: client, Resource: configMaps}, nil},
		"none, by kind and Config": {&resource.Source{Config: config, Kind: kind}, nil},
		"none, by kind and Mapper": {&resource.Source{Client: client, Kind: kind, Mapper: &mapper{}}, nil},
		"no such host or file": {&resource.Source{Resource: configMaps, Config: &rest.Config{
			Host: "https://a b", TLSClientConfig: rest.TLSClientConfig{CAFile: "no such file"},
		}}, []string{"Config", "Config.Host"}},
		"nothing":                 {&resource.Source{}, []string{"Config", "Resource"}},
		"too much":                {&resource.Source{Client: client, Config: config, Resource: configMaps, Kind: kind}, []string{"Config", "Resource"}},
		"a kind without a mapper": {&resource.Source{Client: client, Kind: kind}, []string{"Mapper"}},
		"no version, no mapper":   {&resource.Source{Client: client, Resource: schema.GroupVersionResource{Resource: "pods"}}, []string{"Mapper"}},
		"no name of the resource": {&resource.Source{Client: client, Resource: schema.GroupVersionResource{Version: "v1"}}, []string{"Resource.Resource"}},
		"no kind":                 {&resource.Source{Config: config, Kind: schema.GroupVersionKind{Version: "v1"}}, []string{"Kind.Kind"}},
		"a subresource":           {&resource.Source{Client: client, Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods/log"}}, []string{"Resource.Resource"}},
		"a kind for a resource":   {&resource.Source{Client: client, Resource: schema.GroupVersionResource{Version: "v1", Resource: "ConfigMap"}}, []string{"Resource.Resource"}},
		"names that are none": {&resource.Source{
			Client: client, Resource: configMaps, Namespaces: []string{"Shop_1", "a/b"}, NamePrefix: "shop/web",
			Lease: &resource.Lease{Namespace: "a/b", Name: "My_Lease", Client: &leases{}},
		}, []string{"Lease.Name", "Lease.Namespace", "NamePrefix", "Namespaces[0]", "Namespaces[1]"}},
		"all at once": {&resource.Source{
			Client: client, Resource: configMaps, Namespaces: []string{"a", "", "a"}, Types: []resource.Type{"ADD", "MODIFIED"}, Labels: "a in b",
			Fields: []resource.Field{
				{Path: "a", Values: []any{1}},
				{},
				{Path: "a"},
				{Path: "a", Operator: "=~", Values: []any{1}},
				{Path: "a", Values: []any{[]string{"x"}}},
				{Path: "a", Operator: resource.Less, Values: []any{"x"}},
				{Path: "a", Operator: resource.AtMost},
				{Path: "a", Operator: resource.Matches},
				{Path: "a", Operator: resource.Matches, Values: []any{1}},
				{Path: "a", Operator: resource.Matches, Values: []any{"("}},
				{Path: "a", Operator: resource.Exists, Values: []any{1}},
			},
			Lease: &resource.Lease{Duration: 1500 * time.Millisecond},
		}, []string{
			"Fields[10]", "Fields[1]", "Fields[2]", "Fields[3]", "Fields[4]", "Fields[5]", "Fields[6]", "Fields[7]", "Fields[8]", "Fields[9]", "Labels",
			"Lease.Client", "Lease.Duration", "Lease.Name", "Lease.Namespace", "Namespaces[1]", "Namespaces[2]", "Types[1]",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			found := mistakes(t, tt.source.Validate())
			assert.Equal(t, tt.want, slices.Sorted(maps.Keys(found)))
			for path, msg := range found {
				assert.NotEmpty(t, msg, path)
			}
			if tt.want != nil {
				err := tt.source.Run(t.Context(), hearken.Output{})
				require.Error(t, err)
				assert.True(t, hearken.IsPermanent(err))
			}
		})
	}
}

func TestFieldsAreTyped(t *testing.T) {
	const object = `{"n":5,"f":5.5,"big":9007199254740993,"s":"5","t":true,"z":null,"list":[{"name":"web","port":80},{"name":"db"}],"a.b":{"c":1}}`
	is := func(path string, values ...any) resource.Field { return resource.Field{Path: path, Values: values} }
	op := func(path string, o resource.Operator, values ...any) resource.Field {
		return resource.Field{Path: path, Operator: o, Values: values}
	}
	for _, tt := range []struct {
		field resource.Field
		want  bool
	}{
		{is("n", 5), true},
		{is("n", 4, 5), true},
		{is("n", 5.0), true},
		{is("n", "5"), false},
		{is("s", "5"), true},
		{is("s", 5), false},
		{is("t", true), true},
		{is("t", false), false},
		{is("t", "true"), false},
		{is("z", nil), true},
		{is("absent", nil), false},
		{is("list", "x"), false},
		{is("big", int64(9007199254740993)), true},
		{is("big", int64(9007199254740992)), false},
		{is(`a\.b.c`, 1), true},
		{is(`list.#(name=="web").port`, 80), true},
		{op("n", resource.NotEqual, 4), true},
		{op("n", resource.NotEqual, 4, 5), false},
		{op("absent", resource.NotEqual, 4), false},
		{op("n", resource.Less, 6), true},
		{op("n", resource.Less, 5), false},
		{op("n", resource.AtMost, 5), true},
		{op("n", resource.AtMost, 4), false},
		{op("f", resource.Greater, 5), true},
		{op("f", resource.Greater, 5.5), false},
		{op("f", resource.AtLeast, 5.5), true},
		{op("f", resource.AtLeast, 6), false},
		{op("s", resource.AtLeast, 1), false},
		{op("absent", resource.Less, 1), false},
		{op("s", resource.Matches, "^x", "^5$"), true},
		{op("s", resource.Matches, "^x"), false},
		{op("n", resource.Matches, "5"), false},
		{op("z", resource.Exists), true},
		{op("absent", resource.Exists), false},
		{op("absent", resource.Absent), true},
		{op("z", resource.Absent), false},
	} {
		assert.Equal(t, tt.want, tt.field.Holds(object), "%+v", tt.field)
	}
}
