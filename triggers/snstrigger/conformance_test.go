package snstrigger_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/snstrigger"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

func TestConformance(t *testing.T) {
	broken := map[string]hearken.Trigger{
		"Client":   &snstrigger.Trigger{TopicARN: topicARN, Payload: text("x")},
		"TopicARN": &snstrigger.Trigger{Client: newClient("http://sns.test", nil), Payload: text("x")},
	}
	for _, arn := range []string{topicARN, topicARN + ".fifo"} {
		t.Run(arn, func(t *testing.T) {
			triggertest.Run(t, triggertest.Harness{
				New:    func(tb testing.TB) triggertest.Target { return target(tb, arn) },
				Needs:  push(),
				Broken: broken,
			})
		})
	}
}

func target(tb testing.TB, arn string) triggertest.Target {
	tb.Helper()
	service := new(topic)
	server := httptest.NewServer(service)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	reached, end := make(chan struct{}, 1), make(chan struct{})
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		close(end)
		server.Close()
	})
	return triggertest.Target{
		Trigger: &snstrigger.Trigger{
			Client:   newClient(server.URL, &http.Client{Transport: transport}),
			TopicARN: arn,
			Payload:  hearken.PayloadFunc(payload),
			Group:    group,
		},
		Keys: func() []string {
			var keys []string
			for _, form := range service.all() {
				keys = append(keys, strings.TrimPrefix(attribute(form, "firing"), "String:"))
			}
			return keys
		},
		Refuse: func() func() {
			service.set(func() *refusal { return &refusal{400, "Throttling", "Rate exceeded"} }, nil)
			return func() { service.set(nil, nil) }
		},
		Hang: func() <-chan struct{} {
			service.set(nil, func(r *http.Request) {
				reached <- struct{}{}
				select {
				case <-end:
				case <-r.Context().Done():
				}
			})
			return reached
		},
		Away:  server.Close,
		Close: transport.CloseIdleConnections,
	}
}
