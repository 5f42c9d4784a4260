package hearken_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// asked is a part that says of itself what the function returns.
type asked func() error

func (a asked) Validate() error { return a() }

func (asked) Reads() []hearken.Read { return []hearken.Read{{Path: "[0]"}, {Path: "Body"}, {}} }

type pointerPart struct{}

func (*pointerPart) Validate() error       { panic("asked though it is nil") }
func (*pointerPart) Reads() []hearken.Read { panic("asked though it is nil") }

func ExampleMistakes() {
	payload := asked(func() error { return &hearken.ConfigError{Path: "Template", Msg: "is no JSON"} })

	var m hearken.Mistakes
	m.Add("URL", "is empty; say where to post")
	m.Ask("Payload", payload)
	fmt.Println(m.Err())
	// Output:
	// URL: is empty; say where to post
	// Payload.Template: is no JSON
}

func TestMistakesOfAPart(t *testing.T) {
	errPlain := errors.New("is bad")
	at := &hearken.ConfigError{Path: "URL", Msg: "is empty"}
	element := &hearken.ConfigError{Path: "[1]", Msg: "is empty"}
	for name, tt := range map[string]struct {
		part any
		want string
	}{
		"not set":            {nil, ""},
		"not a Validator":    {42, ""},
		"no mistake":         {asked(func() error { return nil }), ""},
		"plain":              {asked(func() error { return errPlain }), "Part: is bad"},
		"with a place":       {asked(func() error { return at }), "Part.URL: is empty"},
		"an element":         {asked(func() error { return element }), "Part[1]: is empty"},
		"several":            {asked(func() error { return errors.Join(at, errors.Join(element, errPlain)) }), "Part.URL: is empty\nPart[1]: is empty\nPart: is bad"},
		"wrapped":            {asked(func() error { return fmt.Errorf("file x: %w", at) }), "Part: file x: URL: is empty"},
		"a joint with words": {asked(func() error { return fmt.Errorf("both %w and %w", at, errPlain) }), "Part: both URL: is empty and is bad"},
		"nil pointer":        {(*pointerPart)(nil), "Part: is a nil *hearken_test.pointerPart"},
		"panic":              {asked(func() error { panic("no") }), "Part: panicked when it was asked: no"},
	} {
		t.Run(name, func(t *testing.T) {
			var m hearken.Mistakes
			m.Ask("Part", tt.part)
			if tt.want == "" {
				require.NoError(t, m.Err())
				return
			}
			require.EqualError(t, m.Err(), tt.want)
		})
	}
}

func TestReadsAt(t *testing.T) {
	var paths []string
	for _, r := range hearken.ReadsAt("Payload", asked(func() error { return nil })) {
		paths = append(paths, r.Path)
	}
	assert.Equal(t, []string{"Payload[0]", "Payload.Body", "Payload"}, paths)
	assert.Empty(t, hearken.ReadsAt("Payload", nil))
	assert.Empty(t, hearken.ReadsAt("Payload", 42), "not a Reader")
	assert.Empty(t, hearken.ReadsAt("Payload", (*pointerPart)(nil)))
}
