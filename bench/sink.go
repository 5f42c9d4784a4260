package bench

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// sink takes what a system posts and notes it in the ledger of the run.
type sink struct {
	URL    string
	book   atomic.Pointer[ledger]
	answer atomic.Pointer[answer]
	server *http.Server
	served chan error
	bodies sync.Pool // of *[bodySize + 1]byte
}

// answer decides what the sink says, and when. An event has arrived when it is
// answered with 2xx. Nil: 204, at once.
type answer func(ctx context.Context) (status int)

// newSink starts a sink on a free port.
func newSink(ctx context.Context) (*sink, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sink{URL: "http://" + l.Addr().String(), served: make(chan error, 1)}
	s.bodies.New = func() any { return new([bodySize + 1]byte) }
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: patience}
	go func() { s.served <- s.server.Serve(l) }()
	return s, nil
}

func (s *sink) close() error {
	err := s.server.Close()
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seq, ok := s.read(r)
	if !ok {
		w.WriteHeader(http.StatusBadRequest) // the event will be missing
		return
	}
	status := http.StatusNoContent
	if f := s.answer.Load(); f != nil && *f != nil {
		status = (*f)(r.Context())
	}
	if status/100 == 2 {
		s.book.Load().arrive(seq)
	}
	w.WriteHeader(status)
}

// read returns the sequence number of an event, which has to be whole.
func (s *sink) read(r *http.Request) (seq int, ok bool) {
	body := s.bodies.Get().(*[bodySize + 1]byte)
	defer s.bodies.Put(body)
	n, err := io.ReadFull(r.Body, body[:])
	if n != bodySize || !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, false
	}
	seq, err = strconv.Atoi(string(body[len(bodyHead) : len(bodyHead)+seqWidth]))
	return seq, err == nil
}

// slow answers after d.
func slow(d time.Duration) answer {
	return func(ctx context.Context) int {
		if sleepUntil(ctx, time.Now().Add(d)) != nil {
			return http.StatusServiceUnavailable
		}
		return http.StatusNoContent
	}
}

// down answers 503 until the time is up.
func down(until time.Time) answer {
	return func(context.Context) int {
		if time.Now().Before(until) {
			return http.StatusServiceUnavailable
		}
		return http.StatusNoContent
	}
}

// shut answers nothing until the gate is opened.
func shut(gate <-chan struct{}) answer {
	return func(ctx context.Context) int {
		select {
		case <-gate:
			return http.StatusNoContent
		case <-ctx.Done():
			return http.StatusServiceUnavailable
		}
	}
}
