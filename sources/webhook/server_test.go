package webhook_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/hearken-go/hearken/sources/webhook"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func listen(t testing.TB) net.Listener {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() }) // a Server has closed it already
	return l
}

func dial(t testing.TB, l net.Listener) (net.Conn, error) {
	t.Helper()
	var dialer net.Dialer
	return dialer.DialContext(t.Context(), "tcp", l.Addr().String())
}

// serve runs s until stop is called, which returns what Run did.
func serve(t testing.TB, s *webhook.Server) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	s.Logger = slog.New(slog.DiscardHandler)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(cancel)
	return func() error {
		cancel()
		return <-ended
	}
}

func postTo(t testing.TB, c *http.Client, url, body string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	return c.Do(r)
}

func TestServerServes(t *testing.T) {
	hook, rec := open(), &sourcetest.Recorder{}
	start(t, hook, rec)
	l := listen(t)
	stop := serve(t, &webhook.Server{Listener: l, Handler: hook})
	client := &http.Client{Transport: &http.Transport{}}
	resp, err := postTo(t, client, "http://"+l.Addr().String(), `{"message":"hello"}`)
	require.NoError(t, err)
	assert.Equal(t, "success", text(t, resp))
	assert.Len(t, rec.Events(), 1)
	client.CloseIdleConnections()
	assert.NoError(t, stop())
	assert.True(t, closed(l), "it listens no longer")
}

// closed reports whether l is closed; its port may be another's by then.
func closed(l net.Listener) bool {
	return errors.Is(l.(*net.TCPListener).SetDeadline(time.Time{}), net.ErrClosed)
}

func TestServerSpeaksTLS(t *testing.T) {
	certificates := httptest.NewUnstartedServer(nil)
	certificates.StartTLS() // for its certificate and the client that trusts it
	defer certificates.Close()
	client := certificates.Client()
	client.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	defer client.CloseIdleConnections()

	hook := open()
	start(t, hook, &sourcetest.Recorder{})
	l := listen(t)
	config := &tls.Config{Certificates: certificates.TLS.Certificates, MinVersion: tls.VersionTLS13}
	stop := serve(t, &webhook.Server{Listener: l, Handler: hook, TLSConfig: config})
	resp, err := postTo(t, client, "https://"+l.Addr().String(), `{}`)
	require.NoError(t, err)
	assert.Equal(t, "success", text(t, resp))
	assert.Equal(t, 2, resp.ProtoMajor)
	assert.Empty(t, config.NextProtos, "the application's config is left alone")
	client.CloseIdleConnections()
	assert.NoError(t, stop())
}

func TestServerLetsRequestsFinish(t *testing.T) {
	hook, gate := open(), &sourcetest.Gate{}
	rec := &sourcetest.Recorder{Then: gate.Emit}
	start(t, hook, rec)
	l := listen(t)
	stop := serve(t, &webhook.Server{Listener: l, Handler: hook})
	answered := make(chan string, 1)
	go func() {
		resp, err := postTo(t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "http://"+l.Addr().String(), `1`)
		if assert.NoError(t, err) {
			answered <- text(t, resp)
		}
	}()
	_, err := rec.WaitAttempts(t.Context(), 1)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	require.Eventually(t, func() bool { return closed(l) }, time.Minute, time.Millisecond, "it is shutting down")
	assert.Empty(t, ended, "Run waits for the request")
	gate.Open()
	assert.NoError(t, <-ended)
	assert.Equal(t, "success", <-answered)
}

func TestServerCutsOffWhatDoesNotFinish(t *testing.T) {
	cancelled := make(chan struct{})
	arrived := make(chan struct{})
	l := listen(t)
	stop := serve(t, &webhook.Server{Listener: l, Drain: -1, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(cancelled)
	})})
	broken := make(chan error, 1)
	go func() {
		resp, err := postTo(t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "http://"+l.Addr().String(), ``)
		if err == nil {
			err = resp.Body.Close()
		}
		broken <- err
	}()
	<-arrived
	assert.EqualError(t, stop(), "webhook: requests were still under way after 0s")
	<-cancelled
	assert.Error(t, <-broken)
}

func TestServerBoundsTheHeader(t *testing.T) {
	hook := open()
	start(t, hook, &sourcetest.Recorder{})
	l := listen(t)
	stop := serve(t, &webhook.Server{Listener: l, Handler: hook})
	c, err := dial(t, l)
	require.NoError(t, err)
	go func() {
		// The server may hang up while this is being written.
		_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\n\r\n", strings.Repeat("x", 100<<10))
	}()
	line, err := bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	assert.Contains(t, line, "431")
	require.NoError(t, c.Close())
	assert.NoError(t, stop())
}

func TestServerThatCannotListen(t *testing.T) {
	l := listen(t)
	s := &webhook.Server{Addr: l.Addr().String(), Handler: open()}
	assert.ErrorContains(t, s.Run(t.Context()), "address already in use")
	require.NoError(t, l.Close())
	s = &webhook.Server{Listener: l, Handler: open()}
	assert.ErrorContains(t, s.Run(t.Context()), "use of closed network connection")
}

func TestServerValidate(t *testing.T) {
	assert.Equal(t, []string{
		"Handler: is nil: there is nothing to serve",
		`Addr: is empty; ":8080" listens on all interfaces`,
		"TLSConfig: has no certificate",
	}, mistakes(t, (&webhook.Server{TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13}}).Validate()))
	assert.True(t, hearken.IsPermanent((&webhook.Server{}).Run(t.Context())))
}

// A sender that hangs up while it sends makes no event.
func TestSenderThatHangsUp(t *testing.T) {
	hook, rec := open(), &sourcetest.Recorder{}
	start(t, hook, rec)
	l := listen(t)
	stop := serve(t, &webhook.Server{Listener: l, Handler: hook})
	c, err := dial(t, l)
	require.NoError(t, err)
	_, err = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{\"a\":")
	require.NoError(t, err)
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	line, err := bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	assert.Contains(t, line, "400")
	require.NoError(t, c.Close())
	assert.NoError(t, stop())
	assert.Empty(t, rec.Attempts())
}
