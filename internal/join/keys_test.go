package join

import (
	"testing"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestKeys holds on to the keys of what is stored, which a later release must find.
func TestKeys(t *testing.T) {
	e := engine(t, new(memory.Store))
	entry := entryKey("action", true, "key")
	assert.Equal(t, "vZOMaI9J/"+hashed("truekey", keyLen), entry)
	assert.Equal(t, "join/e/"+entry, e.entry(entry))
	r := ref{pos: bus.Pos{Log: "log", Seq: 255}}
	waits := e.part(entry, &r)
	assert.Equal(t, "join/w/"+flat(entry)+".ff-"+hashed("log", actionLen), waits)
	r.bucket = 125
	due := e.part(entry, &r)
	assert.Equal(t, "join/d/2/125/"+flat(entry)+".ff-"+hashed("log", actionLen), due)
	assert.Equal(t, "join/d/2/125/"+flat(entry), e.forgetting(125, entry))

	for key, isPart := range map[string]bool{waits: true, due: true, e.forgetting(125, entry): false} {
		got, part, ok := unflat(key)
		assert.True(t, ok)
		assert.Equal(t, entry, got)
		assert.Equal(t, isPart, part)
	}
	assert.Equal(t, int64(125), e.bucketOf(due))
	for _, key := range []string{waits, "join/d/2/x/y", "join/d/", "other/d/2/125/z"} {
		assert.Zero(t, e.bucketOf(key), key)
	}
	for _, key := range []string{"", "join/w/", "join/w/short", "join/w/" + entry, "join/w/" + flat(entry) + "x", "." + flat(entry)} {
		_, _, ok := unflat(key)
		assert.False(t, ok, key)
	}
}

// TestHours holds on to the register of hours.
func TestHours(t *testing.T) {
	for _, hours := range [][]int64{{}, {-5, 0, 473_000, 473_001, 480_000}} {
		b := encodeHours(hours)
		got, err := decodeHours(b)
		require.NoError(t, err)
		assert.Equal(t, hours, got)
		_, err = decodeHours(b[:len(b)-1])
		require.ErrorIs(t, err, errCorrupt)
	}
	none, err := decodeHours(nil)
	require.NoError(t, err)
	assert.Empty(t, none)
}
