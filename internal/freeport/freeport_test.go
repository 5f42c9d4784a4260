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
	ports, err := freeport.Find(t.Context(), 500)
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, port := range ports {
		seen[port] = true
		n, err := strconv.Atoi(port)
		require.NoError(t, err)
		assert.Less(t, n, 32768, "from there on Linux gives them to whoever asks for any")
	}
	assert.Len(t, seen, 500, "they differ")
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:"+ports[0])
	require.NoError(t, err, "it is free")
	require.NoError(t, l.Close())
}
