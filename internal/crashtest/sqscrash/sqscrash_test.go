package sqscrash_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const messages = 10_000

// sink is told of messages, and remembers under which idempotency keys.
type sink struct {
	mu     sync.Mutex
	keys   map[string]map[string]int // by message: how often under each key
	repeat int                       // told again
}

func (s *sink) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	message, err := io.ReadAll(r.Body)
	if err != nil {
		return // the process was killed while it told
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := s.keys[string(message)]
	if keys == nil {
		keys = map[string]int{}
		s.keys[string(message)] = keys
	} else {
		s.repeat++
	}
	keys[r.Header.Get("Idempotency-Key")]++
}

func (s *sink) told() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys)
}

// TestKilledTwice sends messages to a queue, and kills the process that makes
// events of them when a third, and two thirds, have arrived.
func TestKilledTwice(t *testing.T) {
	t.Parallel()
	queue := &awstest.SQS{}
	c := child{Dir: t.TempDir(), SQS: queue.Start(t), Queue: "q", Visibility: 5 * time.Second}
	queue.CreateQueueWithDLQ("q", 5)
	var sent []string
	for n := range messages {
		sent = append(sent, queue.Send("q", fmt.Sprintf(`{"n":%d}`, n), ""))
	}
	told := &sink{keys: map[string]map[string]int{}}
	server := httptest.NewServer(told)
	t.Cleanup(server.Close)
	c.Sink = server.URL
	var log bytes.Buffer // each child has ended before the next writes
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what the processes said last:\n%s", log.Bytes()[max(0, log.Len()-4000):])
		}
	})

	for kill := range 2 {
		p := c.start(t, &log)
		awaited(t, func() bool { return told.told() > (kill+1)*messages/3 })
		p.kill(t)
	}
	p := c.start(t, &log)
	awaited(t, func() bool { return told.told() == messages && len(queue.Messages("q")) == 0 })
	p.terminate(t)

	for _, id := range sent {
		require.Len(t, told.keys[id], 1, "message %s: told under one key, however often", id)
	}
	assert.Len(t, told.keys, messages, "and nothing that was not sent")
	assert.Empty(t, queue.Messages("q-dead"))
	received := queue.Calls("ReceiveMessage")
	t.Logf("%d messages, process killed twice: none lost, %d told again, all under the same key; %d receives, %d batches deleted",
		messages, told.repeat, received, queue.Calls("DeleteMessageBatch"))
}

// TestLargeMessages has messages of 1 MiB, the most that SQS takes: the server in the
// process takes them by default, and one with a smaller limit leaves them to the
// queue's redrive policy.
func TestLargeMessages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limit, told, dead int
	}{"taken": {0, 21, 0}, "too large": {1 << 19, 20, 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			queue := &awstest.SQS{}
			told := &sink{keys: map[string]map[string]int{}}
			server := httptest.NewServer(told)
			t.Cleanup(server.Close)
			p := child{Dir: t.TempDir(), SQS: queue.Start(t), Queue: "q", Sink: server.URL, Visibility: 5 * time.Second, MaxEvent: c.limit}
			queue.CreateQueueWithDLQ("q", 2)
			queue.Send("q", strings.Repeat("x", 1<<20), "")
			for n := range 20 {
				queue.Send("q", fmt.Sprint(n), "")
			}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- p.run(ctx) }()
			awaited(t, func() bool { return told.told() == c.told && len(queue.Messages("q")) == 0 })
			stop()
			require.NoError(t, <-ended)
			assert.Len(t, queue.Messages("q-dead"), c.dead)
		})
	}
}

// awaited waits until f holds.
func awaited(t *testing.T, f func() bool) {
	t.Helper()
	require.Eventually(t, f, 4*time.Minute, 5*time.Millisecond)
}
