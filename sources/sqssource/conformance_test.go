package sqssource_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/hearken-go/hearken/sources/sqssource"
)

// upstream is a source on a queue, whose happenings are messages.
func upstream(queue string) func(testing.TB) sourcetest.Upstream {
	return func(testing.TB) sourcetest.Upstream {
		s := &awstest.SQS{}
		s.CreateQueueWithDLQ(queue, 5)
		var mu sync.Mutex
		ids := map[int]string{}
		in := func(queue string, n int) (awstest.Message, bool) {
			mu.Lock()
			defer mu.Unlock()
			all := s.Messages(queue)
			i := slices.IndexFunc(all, func(m awstest.Message) bool { return m.ID == ids[n] })
			if i < 0 {
				return awstest.Message{}, false
			}
			return all[i], true
		}
		return sourcetest.Upstream{
			Source: &sqssource.Source{Client: newClient("http://sqs.test", s.Client()), Queue: queue, Visibility: 2 * time.Second},
			Produce: func(_ context.Context, n int) error {
				mu.Lock()
				defer mu.Unlock()
				ids[n] = s.Send(queue, fmt.Sprintf(`{"n":%d}`, n), fmt.Sprint("group", n))
				return nil
			},
			Outcome: func(n int) sourcetest.Outcome {
				if m, ok := in(queue, n); ok {
					if m.Visible && m.Receives > 0 {
						return sourcetest.Later
					}
					return sourcetest.Pending
				}
				if _, ok := in(deadLetters(queue), n); ok {
					return sourcetest.Refused
				}
				return sourcetest.Settled
			},
		}
	}
}

func deadLetters(queue string) string {
	if queue == "q.fifo" {
		return "q-dead.fifo"
	}
	return queue + "-dead"
}

func TestConformance(t *testing.T) {
	for _, queue := range []string{"q", "q.fifo"} {
		t.Run(queue, func(t *testing.T) {
			sourcetest.Run(t, sourcetest.Harness{New: upstream(queue), Concurrent: true, Bubble: true})
		})
	}
}
