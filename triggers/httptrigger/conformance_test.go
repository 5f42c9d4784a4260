package httptrigger_test

import (
	"io"
	"log"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/httptrigger"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

func discard() *log.Logger { return log.New(io.Discard, "", 0) }

func TestConformance(t *testing.T) {
	data := hearken.PayloadFunc(func(f hearken.Firing) ([]byte, error) {
		e, err := f.Event(push)
		return e.Data(), err
	})
	broken := map[string]hearken.Trigger{
		"URL":    &httptrigger.Trigger{},
		"Method": &httptrigger.Trigger{URL: "http://example.com", Method: "GO ON"},
	}
	for name, trigger := range map[string]func(url string) *httptrigger.Trigger{
		"event":   func(url string) *httptrigger.Trigger { return &httptrigger.Trigger{URL: url} },
		"payload": func(url string) *httptrigger.Trigger { return &httptrigger.Trigger{URL: url, Payload: data} },
	} {
		t.Run(name, func(t *testing.T) {
			triggertest.Run(t, triggertest.Harness{
				New:    func(tb testing.TB) triggertest.Target { return target(tb, trigger) },
				Needs:  push,
				Broken: broken,
			})
		})
	}
}

// target is a trigger and its server.
func target(tb testing.TB, newTrigger func(url string) *httptrigger.Trigger) triggertest.Target {
	var refuses, hangs atomic.Bool
	reached := make(chan struct{}, 1)
	end := make(chan struct{})
	s := newSink(tb, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case hangs.Load():
			reached <- struct{}{}
			select {
			case <-end:
			case <-r.Context().Done():
			}
		case refuses.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			_, _ = io.WriteString(w, "ok")
		}
	})
	tb.Cleanup(func() { close(end) })
	trigger := use(tb, newTrigger(s.URL))
	return triggertest.Target{
		Trigger: trigger,
		Keys: func() []string {
			var keys []string
			for _, r := range s.all() {
				keys = append(keys, r.Header.Get("Idempotency-Key"))
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
		Away:  s.Close,
		Close: trigger.CloseIdleConnections,
	}
}
