package freeport_test

import (
	"net"
	"strconv"
	"testing"

	"github.com/hearken-go/hearken/internal/freeport"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFind(t *testing.T) {
	t.Parallel()
	const n = 20 // not many: each is taken from who runs beside this test, while Find looks
	ports, err := freeport.Find(t.Context(), n)
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, port := range ports {
		seen[port] = true
		number, err := strconv.Atoi(port)
		require.NoError(t, err)
		assert.Less(t, number, 32768, "from there on Linux gives them to whoever asks for any")
	}
	assert.Len(t, seen, n, "they differ")
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:"+ports[0])
	require.NoError(t, err, "it is free")
	require.NoError(t, l.Close())
}
