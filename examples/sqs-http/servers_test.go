//go:build aws

package main

import (
	"testing"

	"github.com/hearken-go/hearken/internal/awstest/servers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestServers(t *testing.T) {
	server, err := servers.Start(t.Context(), servers.ElasticMQ())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	t.Log(server.Kind.Name, server.Kind.Version)
	killedTwice(t, reach(t, server.Endpoint))
}
