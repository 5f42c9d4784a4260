package eventbridgetrigger_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/eventbridgetrigger"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

func TestConformance(t *testing.T) {
	broken := map[string]hearken.Trigger{
		"Client": &eventbridgetrigger.Trigger{Source: "s", DetailType: "t", Payload: text("{}")},
		"Source": &eventbridgetrigger.Trigger{Client: newClient("http://events.test", nil), DetailType: "t", Payload: text("{}")},
	}
	// How a throttle is said: for the event, or for the request.
	for name, throttle := range map[string]*answer{
		"entry":   failed("ThrottlingException", "Rate exceeded"),
		"request": refused(400, "ThrottlingException", "Rate exceeded"),
	} {
		t.Run(name, func(t *testing.T) {
			triggertest.Run(t, triggertest.Harness{
				New:    func(tb testing.TB) triggertest.Target { return target(tb, throttle) },
				Needs:  push(),
				Broken: broken,
			})
		})
	}
}

func target(tb testing.TB, throttle *answer) triggertest.Target {
	tb.Helper()
	service := new(bus)
	server := httptest.NewServer(service)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	reached, end := make(chan struct{}, 1), make(chan struct{})
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		close(end)
		server.Close()
	})
	return triggertest.Target{
		Trigger: &eventbridgetrigger.Trigger{
			Client:     newClient(server.URL, &http.Client{Transport: transport}),
			Source:     "com.example.ci",
			DetailType: "push",
			Payload:    hearken.PayloadFunc(payload),
		},
		Keys: func() []string {
			var keys []string
			for _, e := range service.all() {
				keys = append(keys, e.key())
			}
			return keys
		},
		Refuse: func() func() {
			service.set(throttle, nil)
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
