package filters_test

import (
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken"
	"github.com/stretchr/testify/require"
)

// newEvent returns an event with data of the given JSON text.
func newEvent(t testing.TB, data string) hearken.Event {
	t.Helper()
	e, err := hearken.NewEvent("com.example.test", "id-1", []byte(data))
	require.NoError(t, err)
	return e
}

// eventAt returns an event that happened at an RFC 3339 time.
func eventAt(t testing.TB, at string) hearken.Event {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339Nano, at)
	require.NoError(t, err)
	e := event.New()
	e.SetTime(parsed)
	return e
}

// matches asks a filter that must be well made and not fail.
func matches(t testing.TB, f hearken.Filter, e hearken.Event) bool {
	t.Helper()
	require.NoError(t, mistakesOf(f))
	ok, err := f.Match(t.Context(), e)
	require.NoError(t, err)
	return ok
}

func mistakesOf(f hearken.Filter) error { return f.(hearken.Validator).Validate() }

func explain(f hearken.Filter, e hearken.Event) string {
	return f.(interface{ Explain(hearken.Event) string }).Explain(e)
}
