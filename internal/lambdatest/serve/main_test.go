package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-function", "hello=/bin/false -x", "-timeout", "1s"}, w) }()
	line, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	assert.Contains(t, line, "AWS_ACCESS_KEY_ID=")
	endpoint := strings.TrimPrefix(strings.Fields(line)[1], "AWS_ENDPOINT_URL_LAMBDA=")

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint+"/2015-03-31/functions/hello/invocations", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 x")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, "Unhandled", resp.Header.Get("X-Amz-Function-Error"))
	assert.Contains(t, string(body), "Runtime exited with error: exit status 1")
	http.DefaultClient.CloseIdleConnections()

	cancel()
	assert.NoError(t, <-done)
}

func TestRunFailures(t *testing.T) {
	for _, args := range [][]string{{"-function", "hello"}, {"-function", "=x"}, {"-function", "hello= "}, {"-addr", "256.0.0.1:1"}, {"-unknown"}} {
		assert.Error(t, run(t.Context(), args, io.Discard), args)
	}
}
