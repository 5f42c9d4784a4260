package params_test

import (
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/stretchr/testify/require"
)

var (
	_ hearken.Payload   = params.Value{}
	_ hearken.Reader    = params.Value{}
	_ hearken.Validator = params.Value{}
	_ hearken.Payload   = params.Object{}
	_ hearken.Reader    = params.Object{}
	_ hearken.Validator = params.Object{}
	_ hearken.Payload   = (*params.Template)(nil)
	_ hearken.Reader    = (*params.Template)(nil)
	_ hearken.Validator = (*params.Template)(nil)
)

// newDependency returns a dependency of the given name.
func newDependency(name string) *hearken.Dependency {
	return &hearken.Dependency{Name: name, EventSource: &hearken.EventSource{Name: "src", Event: name}}
}

// newFiring returns a firing on an event of d with the data.
func newFiring(t testing.TB, d *hearken.Dependency, data string) hearken.Firing {
	t.Helper()
	e, err := hearken.NewEvent("com.example.test", "id-1", []byte(data))
	require.NoError(t, err)
	e.SetSource("https://example.com/a?b=c&d")
	e.SetSubject("sub")
	e.SetTime(time.Date(2026, 3, 1, 9, 30, 0, 0, time.FixedZone("", 3600)))
	e.SetExtension("count", 5)
	e.SetExtension("flag", true)
	e.SetExtension("note", `say "hi"`)
	return hearken.Firing{ID: "f1", Events: map[string]event.Event{d.Name: e}}
}

const sample = `{"body":{"s":"a\"b<é\n","n":1.50,"big":12345678901234567890,"t":true,"nil":null,
	"obj":{"x": 1},"list":[1,"two",{"k":"v"}],"wrapped":"{\"inner\":[7]}","empty":""}}`

// payload asks a payload that must be well made and not fail.
func payload(t testing.TB, p hearken.Payload, f hearken.Firing) string {
	t.Helper()
	require.NoError(t, p.(hearken.Validator).Validate())
	got, err := p.Payload(f)
	require.NoError(t, err)
	return string(got)
}
