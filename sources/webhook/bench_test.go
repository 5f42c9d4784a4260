package webhook_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/sources/webhook"
	"github.com/stretchr/testify/require"
)

// discard is a ResponseWriter that keeps the status only, which is 200 if
// nothing else is said.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header    { return d.header }
func (d *discard) WriteHeader(status int) { d.status = status }

func (d *discard) Write(b []byte) (int, error) {
	d.status = cmp.Or(d.status, http.StatusOK)
	return len(b), nil
}

func (d *discard) WriteString(s string) (int, error) {
	d.status = cmp.Or(d.status, http.StatusOK)
	return len(s), nil
}

// payload returns JSON of about n bytes.
func payload(n int) string {
	return fmt.Sprintf(`{"message":"hello","id":12345,"pad":"%s"}`, strings.Repeat("x", max(n-42, 0)))
}

func BenchmarkServeHTTP(b *testing.B) {
	for _, size := range []int{200, 10 << 10} {
		body := payload(size)
		plain := post("application/json", body)
		binary := binaryEvent("application/json", body)
		github := post("application/json", body)
		github.Header.Set("X-Hub-Signature-256", "sha256="+sign(githubKey, body))
		structured := post(structuredType, `{"specversion":"1.0","id":"1","type":"t","source":"s","data":`+body+`}`)
		for name, bench := range map[string]struct {
			verify webhook.Verifier
			r      *http.Request
		}{
			"plain":      {webhook.AllowUnauthenticated, plain},
			"bearer":     {webhook.Bearer("t"), withHeaders(plain.Clone(b.Context()), "Authorization", "Bearer t")},
			"GitHub":     {webhook.GitHub(githubKey), github},
			"binary":     {webhook.AllowUnauthenticated, binary},
			"structured": {webhook.AllowUnauthenticated, structured},
		} {
			b.Run(fmt.Sprintf("%s/%dB", name, size), func(b *testing.B) { benchmarkServe(b, bench.verify, bench.r, body) })
		}
	}
}

// rewinding is a body that can be read again.
type rewinding struct{ strings.Reader }

func (*rewinding) Close() error { return nil }

func benchmarkServe(b *testing.B, verify webhook.Verifier, r *http.Request, body string) {
	s := &webhook.Source{Verify: verify}
	run(b, s, hearken.Output{
		Topic:  topic,
		Emit:   func(context.Context, hearken.Event) error { return nil },
		Logger: slog.New(slog.DiscardHandler),
	})
	for _, name := range []string{"User-Agent", "Accept", "Content-Length"} {
		r.Header.Set(name, "something")
	}
	if r.Header.Get("Content-Type") == structuredType {
		body = `{"specversion":"1.0","id":"1","type":"t","source":"s","data":` + body + `}`
	}
	reader := &rewinding{}
	r.Body, r.ContentLength = reader, int64(len(body))
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		reader.Reset(body)
		clear(w.header)
		s.ServeHTTP(w, r)
	}
	require.Equal(b, http.StatusOK, w.status)
}
