package filters_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/filters"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMistakes(t *testing.T) {
	one := filters.Data("a", 1)
	tests := []struct {
		name   string
		filter hearken.Filter
		want   string
	}{
		{"no values", filters.Data("a"), `Data("a"): no values: filters.Exists asks for any`},
		{"empty path", filters.Data("", 1), `Data(""): the path is empty: @this is the whole data`},
		{"JSONPath", filters.Data("$.a", 1), `Data("$.a"): the path is JSONPath: gjson's begins with the first key`},
		{"leading dot", filters.Data(".a", 1), `Data(".a"): the path begins with a dot: gjson's begins with the first key`},
		{"trailing dot", filters.Data("a.", 1), `Data("a."): the path ends with a dot`},
		{"open query", filters.Data(`a.#(b==")"`, 1), `Data("a.#(b==\")\""): the path has a query #(...) that is not closed`},
		{
			"bad regexp", filters.Data("a", filters.Regexp("(")),
			"Data(\"a\"): Regexp(\"(\"): error parsing regexp: missing closing ): `(`",
		},
		{"nil regexp", filters.Data("a", (*regexp.Regexp)(nil)), `Data("a"): the *regexp.Regexp is nil`},
		{"NaN", filters.Data("a", math.NaN()), `Data("a"): NaN is no JSON number`},
		{"infinity", filters.Data("a", filters.Less(math.Inf(1))), `Data("a"): +Inf is no JSON number`},
		{"NaN in a range", filters.Data("a", filters.Between(1, math.NaN())), `Data("a"): NaN is no JSON number`},
		{"empty range", filters.Data("a", filters.Between(2, 1)), `Data("a"): Between(2, 1): nothing lies between`},
		{"json.Number", filters.Data("a", json.Number("x")), `Data("a"): json.Number("x") is no number`},
		{"slice", filters.Data("a", []string{"x"}), `Data("a"): []string is no value: filters.In takes a slice of alternatives`},
		{"channel", filters.Data("a", make(chan int)), `Data("a"): chan int is no value: a string, number, bool, nil or Matcher is`},
		{
			"secret", filters.Data("a", hearken.Secret("x")),
			`Data("a"): a Secret would show in debug lines: convert it to string if it may`,
		},
		{"within In", filters.Data("a", filters.In([]any{struct{}{}})), `Data("a"): struct {} is no value: a string, number, bool, nil or Matcher is`},
		{"within Except", filters.Data("a", filters.Except()), `Data("a"): no values: filters.Exists asks for any`},
		{
			"within Element", filters.Data("a", filters.Element(filters.Regexp("["))),
			"Data(\"a\"): Regexp(\"[\"): error parsing regexp: missing closing ]: `[`",
		},
		{"several", filters.Data("", math.NaN()), `Data(""): NaN is no JSON number; the path is empty: @this is the whole data`},

		{
			"attribute name", filters.Context("my-ext", "x"),
			`Context("my-ext"): attribute names are lower-case letters and digits (CloudEvents 1.0, section 3.1)`,
		},
		{
			"upper case", filters.Context("Type", "x"),
			`Context("Type"): attribute names are lower-case letters and digits (CloudEvents 1.0, section 3.1)`,
		},
		{"data is no attribute", filters.Context("data", "x"), `Context("data"): data is no attribute: filters.Data looks into it`},
		{
			"null attribute", filters.Context("subject", nil),
			`Context("subject"): an attribute is never null: filters.Absent asks for one that is not there`,
		},

		{
			"no time", filters.TimeOfDay("9", "10:00", nil),
			`TimeOfDay("9", "10:00"): "9" is no time of day: HH:MM or HH:MM:SS, from 00:00 to 23:59:59, is`,
		},
		{
			"24:00", filters.TimeOfDay("22:00", "24:00", nil),
			`TimeOfDay("22:00", "24:00"): "24:00" is no time of day: HH:MM or HH:MM:SS, from 00:00 to 23:59:59, is`,
		},
		{
			"fraction", filters.TimeOfDay("09:00:00.5", "10:00", nil),
			`TimeOfDay("09:00:00.5", "10:00"): "09:00:00.5" is no time of day: HH:MM or HH:MM:SS, from 00:00 to 23:59:59, is`,
		},
		{"equal times", filters.TimeOfDay("09:00", "09:00:00", nil), `TimeOfDay("09:00", "09:00:00"): start and stop are equal`},

		{"empty All", filters.All(), "All: no filters"},
		{"empty Any", filters.Any(), "Any: no filters"},
		{"nil member", filters.All(one, nil), "All[1]: the filter is nil"},
		{"nil in Not", filters.Not(nil), "Not: the filter is nil"},
		{"nil function", filters.Not(filters.Func(nil)), "Not: is a nil filters.Func"},
		{
			"nested", filters.All(one, filters.Not(filters.Data("", 1))),
			`All[1].Not.Data(""): the path is empty: @this is the whole data`,
		},
		{
			"all of them", filters.Any(filters.Data("a"), filters.Data("a", 2), filters.Context("b")),
			"Any[0].Data(\"a\"): no values: filters.Exists asks for any\nAny[2].Context(\"b\"): no values: filters.Exists asks for any",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := mistakesOf(tt.filter)
			require.EqualError(t, err, tt.want)
			var c *hearken.ConfigError
			assert.ErrorAs(t, err, &c)

			ok, err := tt.filter.Match(t.Context(), newEvent(t, `{"a":1}`))
			assert.False(t, ok)
			assert.Error(t, err, "a mistake is no answer")
		})
	}
}

type strange struct {
	hearken.Filter
	err error
}

func (s strange) Validate() error { return s.err }

func TestMistakesOfOtherFilters(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"plain error", errors.New("bad"), "All[0]: bad"},
		{"place of its own", &hearken.ConfigError{Path: "Expr", Msg: "bad"}, "All[0].Expr: bad"},
		{"index", &hearken.ConfigError{Path: "[2]", Msg: "bad"}, "All[0][2]: bad"},
		{"said of a place of its own", fmt.Errorf("config: %w", &hearken.ConfigError{Path: "Expr", Msg: "bad"}), "All[0]: config: Expr: bad"},
		{"joined", errors.Join(errors.New("one"), errors.New("two")), "All[0]: one\nAll[0]: two"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.EqualError(t, mistakesOf(filters.All(strange{err: tt.err})), tt.want)
		})
	}
}

type custom struct{ path string }

func (c *custom) Match(context.Context, hearken.Event) (bool, error) { return c.path != "", nil }

type panicky struct{ hearken.Filter }

func (panicky) Validate() error { panic("boom") }

func TestMistakesBesideABrokenFilter(t *testing.T) {
	err := mistakesOf(filters.Any((*custom)(nil), filters.Not((*custom)(nil)), panicky{}, filters.Data("a")))
	assert.EqualError(t, err, `Any[0]: is a nil *filters_test.custom
Any[1].Not: is a nil *filters_test.custom
Any[2]: panicked when it was asked: boom
Any[3].Data("a"): no values: filters.Exists asks for any`)
}

func TestNilFunc(t *testing.T) {
	assert.Error(t, filters.Func(nil).Validate())
	_, err := filters.Func(nil).Match(t.Context(), newEvent(t, `{}`))
	assert.Error(t, err)
}
