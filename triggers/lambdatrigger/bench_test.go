package lambdatrigger_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/lambdatrigger"
)

// BenchmarkFire compares a firing with the same Invoke made by hand, by the SDK
// over a connection that is kept. The metrics are ratios to it.
func BenchmarkFire(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Amz-Executed-Version", "$LATEST")
		_, _ = io.WriteString(w, `{"ok":true}`)
	}))
	defer server.Close()
	client := newClient(b, server.URL)
	f := firing(b, `{"name":"my-pod"}`)
	trigger := &lambdatrigger.Trigger{Client: client, FunctionName: "hello", Payload: hearken.PayloadFunc(payload)}
	// The same request: a client context is signed, too.
	custom := aws.String("eyJjdXN0b20iOnsiZmlyaW5nIjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYifX0=")
	byHand := func() error {
		_, err := client.Invoke(b.Context(), &lambda.InvokeInput{
			FunctionName: aws.String("hello"), Payload: []byte(`{"name":"my-pod"}`), ClientContext: custom, InvocationType: "RequestResponse",
		})
		return err
	}
	var nanoseconds, allocs float64
	measure := func(b *testing.B, call func() error) (float64, float64) {
		n := testing.AllocsPerRun(100, func() {
			if err := call(); err != nil {
				b.Fatal(err)
			}
		})
		b.ReportAllocs()
		for b.Loop() {
			if err := call(); err != nil {
				b.Fatal(err)
			}
		}
		return float64(b.Elapsed()) / float64(b.N), n
	}
	b.Run("invoke", func(b *testing.B) { nanoseconds, allocs = measure(b, byHand) })
	b.Run("trigger", func(b *testing.B) {
		ns, n := measure(b, func() error { return trigger.Fire(b.Context(), f) })
		if allocs > 0 {
			b.ReportMetric(ns/nanoseconds, "x-time")
			b.ReportMetric(n/allocs, "x-allocs")
		}
	})
}
