package httptrigger_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/httptrigger"
)

// BenchmarkFire compares a firing with the same request made by hand, over a
// connection that is kept: with a payload the very same; with the event its
// attributes besides, as headers that both ends pay for. The metrics are ratios
// to the client's.
func BenchmarkFire(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "ok")
	}))
	defer server.Close()
	f := firing(b)
	data := hearken.PayloadFunc(func(f hearken.Firing) ([]byte, error) { return f.Events["push"].Data(), nil })
	payload := &httptrigger.Trigger{URL: server.URL, Payload: data}
	defer payload.CloseIdleConnections()
	event := &httptrigger.Trigger{URL: server.URL}
	defer event.CloseIdleConnections()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()

	byHand := func() error {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL, bytes.NewReader(f.Events["push"].Data()))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", f.ID)
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	measure := func(b *testing.B, fire func() error) (nanoseconds, allocs float64) {
		allocs = testing.AllocsPerRun(200, func() { require.NoError(b, fire()) })
		b.ReportAllocs()
		for b.Loop() {
			if err := fire(); err != nil {
				b.Fatal(err)
			}
		}
		return float64(b.Elapsed()) / float64(b.N), allocs
	}
	var nanoseconds, allocs float64
	b.Run("client", func(b *testing.B) { nanoseconds, allocs = measure(b, byHand) })
	for _, bb := range []struct {
		name    string
		trigger *httptrigger.Trigger
	}{{"payload", payload}, {"event", event}} {
		b.Run(bb.name, func(b *testing.B) {
			ns, n := measure(b, func() error { return bb.trigger.Fire(b.Context(), f) })
			if allocs > 0 {
				b.ReportMetric(ns/nanoseconds, "x-time")
				b.ReportMetric(n/allocs, "x-allocs")
			}
		})
	}
}
