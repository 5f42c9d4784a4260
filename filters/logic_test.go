package filters_test

import (
	"context"
	"errors"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/filters"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errLookup = errors.New("lookup failed")

func say(ok bool, err error) hearken.Filter {
	return filters.Func(func(context.Context, hearken.Event) (bool, error) { return ok, err })
}

func TestLogic(t *testing.T) {
	yes, no, fail := say(true, nil), say(false, nil), say(true, errLookup)
	tests := []struct {
		name    string
		filter  hearken.Filter
		want    bool
		wantErr error
	}{
		{"all", filters.All(yes, yes), true, nil},
		{"all but one", filters.All(yes, no), false, nil},
		{"all with an error", filters.All(yes, fail), false, errLookup},
		{"all, false before the error", filters.All(no, fail), false, nil},
		{"all, false after the error", filters.All(fail, no), false, nil},
		{"any", filters.Any(no, yes), true, nil},
		{"any of none", filters.Any(no, no), false, nil},
		{"any with an error", filters.Any(fail, no), false, errLookup},
		{"any, true before the error", filters.Any(yes, fail), true, nil},
		{"any, true after the error", filters.Any(fail, yes), true, nil},
		{"not", filters.Not(no), true, nil},
		{"not true", filters.Not(yes), false, nil},
		{"not of an error", filters.Not(fail), false, errLookup},
		{"nested", filters.All(yes, filters.Any(no, filters.Not(no))), true, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.NoError(t, mistakesOf(tt.filter))
			ok, err := tt.filter.Match(t.Context(), newEvent(t, `{}`))
			assert.Equal(t, tt.want, ok)
			assert.ErrorIs(t, err, tt.wantErr)
		})
	}
}

func TestDecidedFiltersAreNotAskedOn(t *testing.T) {
	asked := 0
	count := filters.Func(func(context.Context, hearken.Event) (bool, error) {
		asked++
		return true, nil
	})
	e := newEvent(t, `{}`)
	assert.False(t, matches(t, filters.All(say(false, nil), count), e))
	assert.True(t, matches(t, filters.Any(say(true, nil), count), e))
	assert.Zero(t, asked)
}

func TestFuncGetsContext(t *testing.T) {
	type key struct{}
	f := filters.All(filters.Func(func(ctx context.Context, _ hearken.Event) (bool, error) {
		return ctx.Value(key{}) == "here", ctx.Err()
	}))
	ok, err := f.Match(context.WithValue(t.Context(), key{}, "here"), newEvent(t, `{}`))
	require.NoError(t, err)
	assert.True(t, ok)
}

func TestErrorsSayWhichMember(t *testing.T) {
	_, err := filters.All(say(true, nil), filters.Any(say(false, errLookup))).Match(t.Context(), newEvent(t, `{}`))
	require.EqualError(t, err, "All[1]: Any[0]: lookup failed")
}

func TestGroupKeepsItsMembers(t *testing.T) {
	members := []hearken.Filter{say(true, nil)}
	f := filters.All(members...)
	members[0] = say(false, nil)
	assert.True(t, matches(t, f, newEvent(t, `{}`)))
}
