package join

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func fullEvent(t testing.TB) event.Event {
	t.Helper()
	e := event.New()
	e.SetID("id")
	e.SetSource("urn:source?a=b#c")
	e.SetType("type")
	e.SetSubject("subject")
	e.SetTime(time.Unix(1_700_000_000, 123_456_789).UTC())
	e.SetDataSchema("https://example.com/schema")
	e.SetExtension("number", 5)
	e.SetExtension("yes", true)
	e.SetExtension("text", "é\u2028<>")
	require.NoError(t, e.SetData(event.ApplicationJSON, map[string]string{"a": "b"}))
	return e
}

// TestEventSurvivesBeingStored stores events of all kinds, those among them that
// only a Transform makes: without a source, an id or a type.
func TestEventSurvivesBeingStored(t *testing.T) {
	full, octets, empty, bare := fullEvent(t), event.New(), event.New(), event.New()
	require.NoError(t, octets.SetData("application/octet-stream", []byte{0, 0xff, 0xfe}))
	empty.DataEncoded = []byte{}
	old := event.New(event.CloudEventsVersionV03)
	old.SetID("id")
	old.SetSource("source")
	old.SetType("type")
	for _, e := range []event.Event{full, octets, empty, bare, old} {
		b, err := encodePart("action", &Arrival{
			Pos: bus.Pos{Log: "log", Seq: 9}, Stored: time.Unix(5, 0),
			Event: Event{Original: e, Dependencies: []string{"a", "b"}, Views: map[string]event.Event{"b": full}},
		})
		require.NoError(t, err)
		p, err := decodePart(b)
		require.NoError(t, err, string(b))
		assertSame(t, e, p.Original)
		assertSame(t, full, p.Views["b"])
	}
}

func assertSame(t *testing.T, want, got event.Event) {
	t.Helper()
	assert.Equal(t, want.Context.GetSpecVersion(), got.Context.GetSpecVersion())
	assert.Equal(t, want.String(), got.String())
	assert.Equal(t, want.DataEncoded, got.DataEncoded)
	assert.Equal(t, want.DataBase64, got.DataBase64)
	assert.Equal(t, bus.IdentityOf(bus.Topic{}, want), bus.IdentityOf(bus.Topic{}, got))
}

// TestLaterVersionIsLeftAlone has an entry of a later version of Hearken met in a
// rolling deploy: it stays where it is, for who can read it.
func TestLaterVersionIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := bothOf("a", "b"), &recorder{}
		e := engine(t, r, a)
		take(t, e, a, arrive("key", 1, "a"))
		later := make(map[string][]byte)
		for _, prefix := range []string{"join/e/", "join/d/"} {
			for item, err := range r.List(t.Context(), prefix) {
				require.NoError(t, err)
				if len(item.Value) < crc32.Size {
					continue // a reminder
				}
				b := item.Value[:len(item.Value)-crc32.Size]
				b[0] = format + 1
				later[item.Key] = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
			}
		}
		require.Len(t, later, 2, "the entry and its part")
		for key, value := range later {
			require.NoError(t, r.Update(t.Context(), key, func([]byte) ([]byte, error) { return bytes.Clone(value), nil }))
		}
		_, err := e.Take(t.Context(), a, arrive("key", 2, "b"))
		require.ErrorIs(t, err, errLater)
		time.Sleep(24 * time.Hour)
		require.ErrorIs(t, e.Sweep(t.Context(), settled(2), nil), errLater)
		for key, want := range later {
			got, err := r.Get(t.Context(), key)
			require.NoError(t, err)
			assert.Equal(t, want, got, key)
		}
	})
}
