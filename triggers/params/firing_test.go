package params_test

import (
	"fmt"
	"testing"

	"github.com/hearken-go/hearken/triggers/params"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func ExamplePutFiring() {
	payload, err := params.PutFiring([]byte(`{"name":"my-pod"}`), "meta.firing", "98d2b6e0")
	fmt.Println(string(payload), err)
	// Output: {"name":"my-pod","meta":{"firing":"98d2b6e0"}} <nil>
}

func TestPutFiring(t *testing.T) {
	for _, tt := range []struct{ object, path, want, wrong string }{
		{`{}`, "firing", `{"firing":"1"}`, ""},
		{`{"firing":{"a":1}}`, "firing", `{"firing":"1"}`, ""},
		{`{"a":{"b":2}}`, "a.firing", `{"a":{"b":2,"firing":"1"}}`, ""},
		{`[1]`, "firing", "", "is no JSON object that the firing's ID could be put into at firing (FiringPath)"},
		{`{"a":`, "firing", "", "is no JSON object that the firing's ID could be put into at firing (FiringPath)"},
		{`{"a":2}`, "a.firing", "", "a is no object that the firing's ID could be put into (FiringPath)"},
		{`{"firing":2,"firing":3}`, "firing", "", "holds firing twice (FiringPath)"},
		{`{"a":{},"a":{}}`, "a.firing", "", "holds a.firing twice (FiringPath)"},
	} {
		object := []byte(tt.object)
		got, err := params.PutFiring(object, tt.path, "1")
		assert.Equal(t, tt.object, string(object), "what was given is as it was")
		if tt.wrong != "" {
			assert.EqualError(t, err, tt.wrong, tt.object)
			continue
		}
		require.NoError(t, err, tt.object)
		assert.JSONEq(t, tt.want, string(got))
	}
}

func TestIsFiringPath(t *testing.T) {
	for _, path := range []string{"firing", "meta.firing", "a-b.c_d.e1"} {
		assert.True(t, params.IsFiringPath(path), path)
	}
	for _, path := range []string{"", ".", "a.", "a..b", "0", "a.-1", "a b", "a.#", "a|b", `a\.b`, "ü"} {
		assert.False(t, params.IsFiringPath(path), path)
	}
}
