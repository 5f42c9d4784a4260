package httptrigger_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/httptrigger"
)

func TestConnectionsAreReused(t *testing.T) {
	page := strings.Repeat("x", 100_000)
	tests := []struct {
		name   string
		answer http.HandlerFunc
		fails  bool
	}{
		{"no body", nil, false},
		{"unread body", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) }, false},
		{"unread body of an error", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, page)
		}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSink(t, tt.answer)
			tr := use(t, &httptrigger.Trigger{URL: s.URL})
			const workers = 16
			for range 5 {
				var wg sync.WaitGroup
				for range workers {
					wg.Go(func() {
						err := tr.Fire(t.Context(), firing(t))
						assert.Equal(t, tt.fails, err != nil, "%v", err)
					})
				}
				wg.Wait()
			}
			assert.Len(t, s.all(), 5*workers)
			// A transport may dial while a connection comes free, so somewhat
			// more than workers; without reuse it would be all of them.
			assert.LessOrEqual(t, s.connections(), 2*workers)
		})
	}
}

func TestOneFiringAfterTheOtherUsesOneConnection(t *testing.T) {
	s := newSink(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 1<<19)) })
	tr := use(t, &httptrigger.Trigger{URL: s.URL, Check: func(hearken.Firing, *http.Response) error { return nil }})
	for range 20 {
		require.NoError(t, tr.Fire(t.Context(), firing(t)))
	}
	assert.Equal(t, 1, s.connections())
}

// A body without end is not read to the end.
func TestHugeBody(t *testing.T) {
	var written atomic.Int64
	s := newSink(t, func(w http.ResponseWriter, r *http.Request) {
		chunk := make([]byte, 64<<10)
		for written.Load() < 1<<30 {
			n, err := w.Write(chunk)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	require.NoError(t, use(t, &httptrigger.Trigger{URL: s.URL}).Fire(t.Context(), firing(t)))
	s.Close() // waits for the handler
	assert.Less(t, written.Load(), int64(64<<20), "socket buffers included")
}

func TestConnectionRefused(t *testing.T) {
	s := newSink(t, nil)
	s.Close()
	u := strings.Replace(s.URL, "http://", "http://me:secret@", 1) + "/hook?key=secret"
	err := (&httptrigger.Trigger{URL: u}).Fire(t.Context(), firing(t))
	require.ErrorContains(t, err, "POST "+s.URL+"/hook: dial tcp")
	assert.False(t, hearken.IsPermanent(err))
	assert.NotContains(t, err.Error(), "secret")
}

func TestAnswerInPlainHTTPIsSaidToBeOne(t *testing.T) {
	s := newSink(t, nil)
	tr := use(t, &httptrigger.Trigger{URL: strings.Replace(s.URL, "http:", "https:", 1)})
	err := tr.Fire(t.Context(), firing(t))
	assert.ErrorIs(t, err, http.ErrSchemeMismatch)
	assert.False(t, hearken.IsPermanent(err))
}

func TestTLS(t *testing.T) {
	s := newTLSSink(t, nil)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	config := &tls.Config{RootCAs: pool}
	require.NoError(t, use(t, &httptrigger.Trigger{URL: s.URL, TLS: config}).Fire(t.Context(), firing(t)))
	assert.NotNil(t, s.only(t).TLS)

	err := use(t, &httptrigger.Trigger{URL: s.URL}).Fire(t.Context(), firing(t))
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown)
	assert.False(t, hearken.IsPermanent(err), "a certificate can be replaced")
}

func TestHTTP2(t *testing.T) {
	s := unstarted(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	s.EnableHTTP2 = true
	s.StartTLS()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	require.NoError(t, use(t, &httptrigger.Trigger{URL: s.URL, TLS: &tls.Config{RootCAs: pool}}).Fire(t.Context(), firing(t)))
	assert.Equal(t, 2, s.only(t).ProtoMajor)
}

func TestTheApplicationsClient(t *testing.T) {
	s := newTLSSink(t, nil)
	require.NoError(t, (&httptrigger.Trigger{URL: s.URL, Client: s.Client()}).Fire(t.Context(), firing(t)))
	assert.Nil(t, s.Client().CheckRedirect, "the client is not changed")
}

func TestATimeoutOfTheClientIsNoEndOfTheAttempt(t *testing.T) {
	end := make(chan struct{})
	s := newSink(t, func(http.ResponseWriter, *http.Request) { <-end })
	t.Cleanup(func() { close(end) })
	client := &http.Client{Timeout: 1, Transport: s.Client().Transport}
	err := (&httptrigger.Trigger{URL: s.URL, Client: client}).Fire(t.Context(), firing(t))
	require.ErrorContains(t, err, "Client.Timeout")
	assert.False(t, hearken.IsPermanent(err))
}
