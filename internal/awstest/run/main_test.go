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
	go func() { done <- run(ctx, []string{"-addr", "127.0.0.1:0", "-queue", "orders"}, w) }()
	lines := bufio.NewScanner(r)
	require.True(t, lines.Scan())
	queue, ok := strings.CutPrefix(lines.Text(), "# ")
	require.True(t, ok, lines.Text())
	require.True(t, lines.Scan())
	endpoint := strings.TrimPrefix(strings.Fields(lines.Text())[1], "AWS_ENDPOINT_URL_SQS=")
	assert.Equal(t, endpoint+"/000000000000/orders", queue)
	assert.Contains(t, lines.Text(), "AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=")

	call := func(operation, input string) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(input))
		require.NoError(t, err)
		req.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, "%s", body)
		return string(body)
	}
	call("SendMessage", `{"QueueUrl":"`+queue+`","MessageBody":"hello"}`)
	assert.Contains(t, call("ReceiveMessage", `{"QueueUrl":"`+queue+`"}`), `"Body":"hello"`)
	assert.Contains(t, call("GetQueueUrl", `{"QueueName":"orders-dead"}`), queue+"-dead")

	cancel()
	assert.NoError(t, <-done)
}

func TestRunFailures(t *testing.T) {
	for _, args := range [][]string{{"-addr", "256.0.0.1:1"}, {"-unknown"}} {
		assert.Error(t, run(t.Context(), args, io.Discard), args)
	}
}
