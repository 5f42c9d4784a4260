package webhook

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/hearken-go/hearken"
)

// What a Server bounds.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
	defaultDrain      = 20 * time.Second
)

// Server serves webhooks where the application has no HTTP server of its own. It
// is an http.Server for the open Internet: a request's header has to come
// within 10 seconds and hold at most 64 KiB, the whole request within 30
// seconds; the answer has to be written within 60 seconds of the header, and a
// connection may be idle for two minutes. Who needs other bounds uses http.Server itself.
type Server struct {
	// Handler is what is served: a mux with Sources, or one Source. Required.
	Handler http.Handler

	// Addr is the TCP address to listen on, such as ":8443" or
	// "127.0.0.1:8080". Required without Listener.
	Addr string

	// Listener, if set, is listened on in place of Addr. Run closes it.
	Listener net.Listener

	// TLSConfig, if set, makes the server speak TLS, HTTP/2 included. It holds
	// the certificates. Nil: plain HTTP, for behind a proxy that speaks TLS.
	TLSConfig *tls.Config

	// Drain is how long Run lets requests go on after its context has ended.
	// Zero: 20 s. Negative: none.
	Drain time.Duration

	// Logger gets what net/http has to say of bad connections, as debug lines.
	// Nil: slog.Default().
	Logger *slog.Logger
}

// Validate finds mistakes in the fields.
func (s *Server) Validate() error {
	var errs []error
	if s.Handler == nil {
		errs = append(errs, configError("Handler", "is nil: there is nothing to serve"))
	}
	if s.Addr == "" && s.Listener == nil {
		errs = append(errs, configError("Addr", `is empty; ":8080" listens on all interfaces`))
	}
	if c := s.TLSConfig; c != nil && len(c.Certificates) == 0 && c.GetCertificate == nil && c.GetConfigForClient == nil {
		errs = append(errs, configError("TLSConfig", "has no certificate"))
	}
	return errors.Join(errs...)
}

// Run serves until ctx ends, then lets the requests under way finish. It
// returns nil if they did within Drain, and an error if the server could not
// listen or broke. Run may be called again afterwards, with another Listener if
// one is used.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Validate(); err != nil {
		return hearken.Permanent(err)
	}
	l, err := s.listen(ctx)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	srv := s.server(requests)
	served := make(chan error, 1)
	go func() { served <- s.serve(srv, l) }()
	select {
	case err := <-served:
		return fmt.Errorf("webhook: %w", err)
	case <-ctx.Done():
	}
	err = s.shutdown(requests, srv)
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("webhook: %w", end))
	}
	return err
}

func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	if s.Listener != nil {
		return s.Listener, nil
	}
	var config net.ListenConfig
	return config.Listen(ctx, "tcp", s.Addr)
}

func (s *Server) server(requests context.Context) *http.Server {
	logger := s.Logger
	if logger == nil {
		logger = slog.Default()
	}
	srv := &http.Server{
		Handler:           s.Handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return requests },
	}
	if s.TLSConfig != nil {
		srv.TLSConfig = s.TLSConfig.Clone() // http.Server adds to it
	}
	return srv
}

func (s *Server) serve(srv *http.Server, l net.Listener) error {
	if s.TLSConfig != nil {
		return srv.ServeTLS(l, "", "")
	}
	return srv.Serve(l)
}

// shutdown waits for the requests under way, and cuts off those that are not
// done in time.
func (s *Server) shutdown(ctx context.Context, srv *http.Server) error {
	drain := max(cmp.Or(s.Drain, defaultDrain), 0)
	ctx, cancel := context.WithTimeout(ctx, drain)
	defer cancel()
	err := srv.Shutdown(ctx)
	if err == nil {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("webhook: requests were still under way after %v", drain)
	}
	return errors.Join(err, srv.Close())
}
