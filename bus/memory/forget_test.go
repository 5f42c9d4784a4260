package memory_test

import (
	"runtime"
	"strconv"
	"testing"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A group that was forgotten leaves nothing with the letters that are kept.
func TestForgottenGroupsTakeNoMemory(t *testing.T) {
	const dead, groups = 2000, 200
	var b memory.Bus
	for i := range dead {
		require.NoError(t, b.Publish(t.Context(), letters(), newEvent(strconv.Itoa(i))))
	}
	before := live()
	for range groups {
		_, err := b.Subscribe(t.Context(), bus.Group{Name: "group", Topics: []bus.Topic{letters()}, InFlight: 1})
		require.NoError(t, err)
		require.NoError(t, b.Forget(t.Context(), "group"))
	}
	assert.Less(t, live()-before, int64(dead*groups*10), "bytes")
	runtime.KeepAlive(&b)
}

// live is how many bytes of the heap are in use.
func live() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
