package httptrigger_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/httptrigger"
)

func TestStatus(t *testing.T) {
	tests := []struct {
		status    int
		allow     []int
		ok        bool
		permanent bool
	}{
		{status: 200, ok: true},
		{status: 204, ok: true},
		{status: 299, ok: true},
		{status: 300, permanent: true},
		{status: 304, permanent: true},
		{status: 400, permanent: true},
		{status: 404, permanent: true},
		{status: 408},
		{status: 409},
		{status: 413, permanent: true},
		{status: 425},
		{status: 429},
		{status: 499, permanent: true},
		{status: 500},
		{status: 503},
		{status: 599},
		{status: 200, allow: []int{202}},
		{status: 202, allow: []int{202}, ok: true},
		{status: 404, allow: []int{200, 404}, ok: true},
		{status: 303, allow: []int{303}, ok: true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.status, tt.allow), func(t *testing.T) {
			s := newSink(t, status(tt.status))
			err := use(t, &httptrigger.Trigger{URL: s.URL, AllowStatus: tt.allow}).Fire(t.Context(), firing(t))
			if tt.ok {
				require.NoError(t, err)
				return
			}
			var answer *httptrigger.StatusError
			require.ErrorAs(t, err, &answer)
			assert.Equal(t, tt.status, answer.StatusCode)
			assert.Equal(t, tt.permanent, hearken.IsPermanent(err))
		})
	}
}

func TestStatusErrorShowsTheAnswer(t *testing.T) {
	s := newSink(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "no \"branch\"\n"+strings.Repeat("x", 1<<20))
	})
	err := use(t, &httptrigger.Trigger{URL: s.URL + "/hook"}).Fire(t.Context(), firing(t))
	require.ErrorContains(t, err, "POST "+s.URL+`/hook: 400 Bad Request: "no \"branch\"\nxxx`)
	assert.Less(t, len(err.Error()), 700)
}

// A 4xx that says when to come again is not Permanent.
func TestRetryAfterIsNoEnd(t *testing.T) {
	s := newSink(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	})
	err := use(t, &httptrigger.Trigger{URL: s.URL}).Fire(t.Context(), firing(t))
	require.Error(t, err)
	assert.False(t, hearken.IsPermanent(err))
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const year = 365 * 24 * time.Hour
	tests := []struct {
		value, date string
		want        time.Duration
		ok          bool
	}{
		{value: ""},
		{value: "soon"},
		{value: "-5"},
		{value: "1.5"},
		{value: "Fri, 99 Jan 2026 03:04:05 GMT"},
		{value: "0", ok: true},
		{value: " 120 ", want: 2 * time.Minute, ok: true},
		{value: "99999999999", want: year, ok: true},
		{value: "99999999999999999999999999", want: year, ok: true},
		{value: "Fri, 02 Jan 2026 03:05:05 GMT", want: time.Minute, ok: true},
		{value: "Friday, 02-Jan-26 03:05:05 GMT", want: time.Minute, ok: true},
		{value: "Fri, 02 Jan 2026 03:00:00 GMT", want: 0, ok: true},
		{value: "Fri, 02 Jan 2099 03:00:00 GMT", want: year, ok: true},
		{value: "Fri, 02 Jan 2026 09:00:30 GMT", date: "Fri, 02 Jan 2026 09:00:00 GMT", want: 30 * time.Second, ok: true},
		{value: "Fri, 02 Jan 2026 03:05:05 GMT", date: "now", want: time.Minute, ok: true},
	}
	for _, tt := range tests {
		h := http.Header{"Retry-After": {tt.value}, "Date": {tt.date}}
		got, ok := httptrigger.RetryAfter(h, now)
		assert.Equal(t, tt.ok, ok, tt.value)
		assert.Equal(t, tt.want, got, tt.value)
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120", "")
	f.Add("Fri, 02 Jan 2026 03:05:05 GMT", "Fri, 02 Jan 2026 03:04:05 GMT")
	f.Add("00000000000000000000000000000000001", "x")
	f.Fuzz(func(t *testing.T, value, date string) {
		wait, ok := httptrigger.RetryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, time.Now())
		if wait < 0 || wait > 365*24*time.Hour || !ok && wait != 0 {
			t.Errorf("%q at %q: %v, %t", value, date, wait, ok)
		}
	})
}

func TestCheckJudgesTheBody(t *testing.T) {
	s := newSink(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })
	errNo := errors.New("it said no")
	check := func(f hearken.Firing, r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.NotEmpty(t, f.ID)
		if string(body) == "/no" {
			return hearken.Permanent(errNo)
		}
		return nil
	}
	require.NoError(t, use(t, &httptrigger.Trigger{URL: s.URL + "/yes", Check: check}).Fire(t.Context(), firing(t)))
	err := use(t, &httptrigger.Trigger{URL: s.URL + "/no", Check: check}).Fire(t.Context(), firing(t))
	require.ErrorIs(t, err, errNo)
	assert.True(t, hearken.IsPermanent(err))
	assert.ErrorContains(t, err, "POST "+s.URL+"/no: it said no")
}

func TestCheckSeesOnlyAllowedAnswers(t *testing.T) {
	s := newSink(t, status(http.StatusBadGateway))
	check := func(hearken.Firing, *http.Response) error {
		t.Error("called")
		return nil
	}
	require.Error(t, use(t, &httptrigger.Trigger{URL: s.URL, Check: check}).Fire(t.Context(), firing(t)))
}

func TestCheckOfALongBody(t *testing.T) {
	for size, ok := range map[int]bool{1<<20 - 1: true, 1 << 20: true, 1<<20 + 1: false, 5 << 20: false} {
		s := newSink(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", size))
		})
		tr := use(t, &httptrigger.Trigger{URL: s.URL, Check: func(_ hearken.Firing, r *http.Response) error {
			body, err := io.ReadAll(r.Body)
			assert.Len(t, body, min(size, 1<<20))
			return err
		}})
		err := tr.Fire(t.Context(), firing(t))
		if ok {
			require.NoError(t, err, size)
		} else {
			require.ErrorContains(t, err, "longer than 1 MiB", size)
		}
	}
}

// brokenOff answers 200 with half of the body that it announced.
func brokenOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, "half")
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func TestServerClosesInTheMiddle(t *testing.T) {
	s := newSink(t, brokenOff)
	require.NoError(t, use(t, &httptrigger.Trigger{URL: s.URL}).Fire(t.Context(), firing(t)), "the status was said")

	err := use(t, &httptrigger.Trigger{URL: s.URL, Check: func(_ hearken.Firing, r *http.Response) error {
		_, err := io.ReadAll(r.Body)
		return err
	}}).Fire(t.Context(), firing(t))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.False(t, hearken.IsPermanent(err))
}

func TestServerClosesInsteadOfAnAnswer(t *testing.T) {
	s := newSink(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	err := use(t, &httptrigger.Trigger{URL: s.URL}).Fire(t.Context(), firing(t))
	require.ErrorIs(t, err, io.EOF)
	assert.False(t, hearken.IsPermanent(err))
}

// answers is a transport that needs no network.
type answers func(*http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

// silent is a body that begins and never ends, as long as its request lives.
type silent struct {
	io.Reader
	ctx context.Context //nolint:containedctx // as the body of a real answer does
}

func (s *silent) Read(p []byte) (int, error) {
	if n, err := s.Reader.Read(p); err == nil {
		return n, nil
	}
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func (s *silent) Close() error { return nil }

func TestABodyThatNeverEnds(t *testing.T) {
	tests := []struct {
		name   string
		status int
		check  func(hearken.Firing, *http.Response) error
		took   time.Duration
		want   string
	}{
		{"good answer", 200, nil, time.Second, ""},
		{"bad answer", 503, nil, time.Second, `503 Service Unavailable: "begin"`},
		{"checked answer", 200, func(_ hearken.Firing, r *http.Response) error {
			_, err := io.ReadAll(r.Body)
			return err
		}, time.Minute, "deadline exceeded"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := &http.Client{Transport: answers(func(r *http.Request) (*http.Response, error) {
					body := &silent{strings.NewReader("begin"), r.Context()}
					return &http.Response{StatusCode: tt.status, Body: body, Header: http.Header{}}, nil
				})}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start := time.Now()
				err := (&httptrigger.Trigger{URL: "http://a", Client: client, Check: tt.check}).Fire(ctx, firing(t))
				assert.Equal(t, tt.took, time.Since(start))
				if tt.want == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, tt.want)
				}
			})
		})
	}
}

// pipes is a listener whose connections are made by dialling it.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p <- there
	return here, nil
}

// net/http's own bodies are closed while they are read.
func TestABodyThatNeverEndsOverAConnection(t *testing.T) {
	for _, major := range []int{1, 2} {
		for _, status := range []int{200, 503} {
			t.Run(fmt.Sprintf("HTTP/%d %d", major, status), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var protocols http.Protocols
					protocols.SetHTTP1(major == 1)
					protocols.SetUnencryptedHTTP2(major == 2)
					conns := make(pipes)
					served := make(chan error)
					server := &http.Server{Protocols: &protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						assert.Equal(t, major, r.ProtoMajor)
						w.WriteHeader(status)
						_, _ = io.WriteString(w, "begin")
						_ = http.NewResponseController(w).Flush()
						<-r.Context().Done()
					})}
					go func() { served <- server.Serve(conns) }()
					transport := &http.Transport{DialContext: conns.dial, Protocols: &protocols}
					tr := &httptrigger.Trigger{URL: "http://a", Client: &http.Client{Transport: transport}}

					start := time.Now()
					err := tr.Fire(t.Context(), firing(t))
					assert.Equal(t, time.Second, time.Since(start))
					if status == 200 {
						require.NoError(t, err)
					} else {
						require.ErrorContains(t, err, `503 Service Unavailable: "begin"`)
					}
					tr.CloseIdleConnections()
					close(conns)
					require.ErrorIs(t, <-served, net.ErrClosed)
					require.NoError(t, server.Close())
				})
			})
		}
	}
}

func TestTheErrorOfAnEndedContext(t *testing.T) {
	client := &http.Client{Transport: answers(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, context.Cause(r.Context())
	})}
	errShutdown := errors.New("shutdown")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errShutdown)
	err := (&httptrigger.Trigger{URL: "http://a", Client: client}).Fire(ctx, firing(t))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, errShutdown)
}
