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
	go func() {
		done <- run(ctx, []string{"-function", "hello=/bin/false -x", "-timeout", "1s", "-access-key", "known"}, w)
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	assert.Contains(t, line, "AWS_ACCESS_KEY_ID=known ")
	endpoint := strings.TrimPrefix(strings.Fields(line)[1], "AWS_ENDPOINT_URL_LAMBDA=")

	invoke := func(key string) (status int, failure, body string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint+"/2015-03-31/functions/hello/invocations", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+key+"/20260102")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode, resp.Header.Get("X-Amz-Function-Error"), string(text)
	}
	_, failure, body := invoke("known")
	assert.Equal(t, "Unhandled", failure)
	assert.Contains(t, body, "Runtime exited with error: exit status 1")
	status, _, _ := invoke("another")
	assert.Equal(t, http.StatusForbidden, status)
	http.DefaultClient.CloseIdleConnections()

	cancel()
	assert.NoError(t, <-done)
}

func TestRunFailures(t *testing.T) {
	for _, args := range [][]string{{"-function", "hello"}, {"-function", "=x"}, {"-function", "hello= "}, {"-addr", "256.0.0.1:1"}, {"-unknown"}} {
		assert.Error(t, run(t.Context(), args, io.Discard), args)
	}
}
