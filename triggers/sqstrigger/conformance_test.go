package sqstrigger_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/hearken-go/hearken/triggers/sqstrigger"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

func TestConformance(t *testing.T) {
	broken := map[string]hearken.Trigger{
		"Client":   &sqstrigger.Trigger{QueueURL: "https://sqs.test/1/q", Payload: text("x")},
		"QueueURL": &sqstrigger.Trigger{Client: newClient("http://sqs.test", nil), Payload: text("x")},
	}
	for _, queue := range []string{"builds", "builds.fifo"} {
		t.Run(queue, func(t *testing.T) {
			triggertest.Run(t, triggertest.Harness{
				New:    func(tb testing.TB) triggertest.Target { return target(tb, queue) },
				Needs:  push(),
				Broken: broken,
			})
		})
	}
}

// target is a trigger and a queue in this process, reached by real connections.
func target(tb testing.TB, queue string) triggertest.Target {
	tb.Helper()
	var service awstest.SQS
	var refuses, hangs atomic.Bool
	reached, end := make(chan struct{}, 1), make(chan struct{})
	seen := new(recorder)
	service.Intercept(func(ctx context.Context, c awstest.Call, next func() error) error {
		if err := seen.add(c.Input); err != nil {
			return err
		}
		switch {
		case hangs.Load():
			reached <- struct{}{}
			select {
			case <-end:
			case <-ctx.Done():
			}
		case refuses.Load():
			return &awstest.Error{Code: "RequestThrottled", Message: "Rate exceeded"}
		}
		return next()
	})
	server := httptest.NewServer(&service)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		close(end)
		server.Close()
	})
	return triggertest.Target{
		Trigger: &sqstrigger.Trigger{
			Client:   newClient(server.URL, &http.Client{Transport: transport}),
			QueueURL: service.CreateQueue(queue, nil),
			Payload:  hearken.PayloadFunc(payload),
			Group:    group,
		},
		Keys: func() []string {
			var keys []string
			for _, s := range seen.all() {
				keys = append(keys, s.MessageAttributes["firing"].StringValue)
			}
			return keys
		},
		Refuse: func() func() {
			refuses.Store(true)
			return func() { refuses.Store(false) }
		},
		Hang: func() <-chan struct{} {
			hangs.Store(true)
			return reached
		},
		Away:  server.Close,
		Close: transport.CloseIdleConnections,
	}
}
