package webhook_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/hearken-go/hearken/sources/webhook"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSourceAnswersOnlyWhileItRuns(t *testing.T) {
	s, rec := open(), &sourcetest.Recorder{}
	unavailable := func(when string) {
		w := send(s, post("", `1`))
		assert.Equal(t, http.StatusServiceUnavailable, w.Code, when)
		assert.Equal(t, "5", w.Header().Get("Retry-After"), when)
		assert.Equal(t, "the webhook is not running\n", w.Body.String(), when)
	}
	unavailable("before Run")
	stop := run(t, s, rec.Output())
	w := send(s, post("", `1`))
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "success", w.Body.String())
	assert.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
	stop()
	unavailable("after Run")
	run(t, s, rec.Output())
	assert.Equal(t, http.StatusOK, send(s, post("", `2`)).Code, "in another Run")
	assert.Len(t, rec.Events(), 2)
}

func TestSourceOfTwoEventSources(t *testing.T) {
	s, rec := open(), &sourcetest.Recorder{}
	start(t, s, rec)
	err := s.Run(t.Context(), rec.Output())
	assert.True(t, hearken.IsPermanent(err))
	assert.ErrorContains(t, err, "the Source of hooks/example runs already")
	assert.Equal(t, http.StatusOK, send(s, post("", `1`)).Code, "the first goes on")
}

func TestSourceEvent(t *testing.T) {
	s := &webhook.Source{
		Verify:   webhook.Bearer("t0ken"),
		Metadata: map[string]string{"team": `"ops"`, "env": "test"},
		Mask:     []string{"x-api-key"},
	}
	rec := &sourcetest.Recorder{}
	start(t, s, rec)
	r := post("application/json", ` {"message": "hello"} `)
	r.Header["X-Many"] = []string{"a", "b\x80\"\x7f\tö"}
	r.Header.Set("Authorization", "Bearer t0ken")
	r.Header.Set("Proxy-Authorization", "Basic x")
	r.Header.Set("X-Api-Key", "key")
	r.Header["Cookie"] = []string{"a=b", "c=d"}
	require.Equal(t, http.StatusOK, send(s, r).Code)

	e := only(t, rec)
	assert.Equal(t, "webhook", e.Type())
	assert.Equal(t, "application/json", e.DataContentType())
	assert.Empty(t, e.ID())
	assert.Empty(t, e.Source())
	assert.Equal(t, `{"header":{"Authorization":["*** Masked Auth Secret ***"],"Content-Type":["application/json"],`+
		`"Cookie":["*** Masked Auth Secret ***"],"Proxy-Authorization":["*** Masked Auth Secret ***"],`+
		`"X-Api-Key":["*** Masked Auth Secret ***"],"X-Many":["a","b`+"\uFFFD"+`\"`+"\x7f"+`\tö"]},`+
		`"body": {"message": "hello"} ,"metadata":{"env":"test","team":"\"ops\""}}`, string(e.Data()))
}

func TestSourceMethods(t *testing.T) {
	tests := []struct {
		name    string
		methods []string
		method  string
		status  int
		allow   string
	}{
		{"POST by default", nil, "POST", 200, ""},
		{"GET is not", nil, "GET", 405, "POST, OPTIONS"},
		{"nor HEAD", nil, "HEAD", 405, "POST, OPTIONS"},
		{"OPTIONS tells", nil, "OPTIONS", 204, "POST, OPTIONS"},
		{"listed", []string{"PUT", "DELETE"}, "DELETE", 200, ""},
		{"listed of one's own", []string{"NOTIFY"}, "NOTIFY", 200, ""},
		{"HEAD is not GET", []string{"GET"}, "HEAD", 405, "GET, OPTIONS"},
		{"HEAD listed", []string{"HEAD"}, "HEAD", 200, ""},
		{"not listed", []string{"PUT"}, "POST", 405, "PUT, OPTIONS"},
		{"OPTIONS listed", []string{"OPTIONS", "PUT"}, "POST", 405, "OPTIONS, PUT"},
		{"case counts", nil, "post", 405, "POST, OPTIONS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, rec := open(), &sourcetest.Recorder{}
			s.Methods = tt.methods
			start(t, s, rec)
			w := send(s, request(tt.method, "/", "", ""))
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, tt.allow, w.Header().Get("Allow"))
			if tt.status == 200 {
				only(t, rec)
			} else {
				assert.Empty(t, rec.Attempts())
			}
		})
	}
}

func TestSourceAnswerIsSettable(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		want   string
	}{{0, "", "success"}, {202, "", "success"}, {201, "made", "made"}, {204, "", ""}} {
		s := open()
		s.Status, s.Body = tt.status, tt.body
		start(t, s, &sourcetest.Recorder{})
		w := send(s, post("", "{}"))
		assert.Equal(t, cmp.Or(tt.status, 200), w.Code)
		assert.Equal(t, tt.want, w.Body.String())
	}
}

func TestSourceAnswersWhatEmitSays(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		status int
		reason string
		level  string
	}{
		{"full", fmt.Errorf("group x holds most: %w", bus.ErrFull), 503, "there is no room for the event now", "DEBUG"},
		{"not running", hearken.ErrNotRunning, 503, "the pipeline is not running", "DEBUG"},
		{"away", errors.New("secret host is away"), 503, "the event could not be stored", "WARN"},
		{"gone", fmt.Errorf("publish: %w", context.Canceled), 503, "the event could not be stored", "DEBUG"},
		{"gave up", context.DeadlineExceeded, 503, "the event could not be stored", "WARN"},
		{"too large", hearken.Permanent(fmt.Errorf("n bytes: %w", bus.ErrRejected)), 413, "too large for the bus", "DEBUG"},
		{"rejected", bus.ErrRejected, 413, "too large for the bus", "DEBUG"},
		{"never", hearken.Permanent(errors.New("extension x is reserved")), 422, "extension x is reserved", "DEBUG"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			s, rec := open(), &sourcetest.Recorder{
				Then:   sourcetest.FailFirst(1, tt.err),
				Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			}
			start(t, s, rec)
			w := send(s, post("", `1`))
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, tt.reason+"\n", w.Body.String())
			assert.Equal(t, tt.status == 503, w.Header().Get("Retry-After") != "")
			assert.Contains(t, log.String(), "level="+tt.level)
			assert.Contains(t, log.String(), fmt.Sprintf("status=%d", tt.status))
			assert.Contains(t, log.String(), tt.err.Error(), "the log has it all")
			assert.Equal(t, http.StatusOK, send(s, post("", `1`)).Code)
		})
	}
}

func TestSourceLimitsTheBody(t *testing.T) {
	s, rec := open(), &sourcetest.Recorder{}
	s.MaxBody = 1000
	start(t, s, rec)
	server := httptest.NewServer(s)
	defer server.Close()
	for _, tt := range []struct {
		name   string
		size   int
		stream bool
		status int
	}{
		{"at the limit", 1000, false, 200},
		{"over the limit", 1001, false, 413},
		{"at the limit, of unknown length", 1000, true, 200},
		{"over the limit, of unknown length", 1001, true, 413},
		{"far over the limit", 8 << 20, true, 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(`"`+strings.Repeat("x", tt.size-2)+`"`))
			require.NoError(t, err)
			if tt.stream {
				r.ContentLength = -1
			}
			resp, err := server.Client().Do(r)
			if err != nil { // the server hung up while the body was being sent
				require.Greater(t, tt.size, 1<<20)
				return
			}
			body := text(t, resp)
			assert.Equal(t, tt.status, resp.StatusCode, body)
			if tt.status == 413 {
				assert.Equal(t, "the body is larger than 1000 bytes\n", body)
			}
		})
	}
	assert.Len(t, rec.Events(), 2)
}

func TestSourceDefaultLimit(t *testing.T) {
	s := open()
	start(t, s, &sourcetest.Recorder{})
	large := `"` + strings.Repeat("x", webhook.DefaultMaxBody-2) + `"`
	assert.Equal(t, 200, send(s, post("", large)).Code)
	w := send(s, post("", large+" "))
	assert.Equal(t, 413, w.Code)
	assert.Equal(t, "close", w.Header().Get("Connection"))
}

// brokenBody is a body whose reading fails.
type brokenBody struct{ err error }

func (b brokenBody) Read([]byte) (int, error) { return 0, b.err }

func TestSourceBodyThatCannotBeRead(t *testing.T) {
	s := open()
	start(t, s, &sourcetest.Recorder{})
	for status, err := range map[int]error{400: errors.New("reset"), 413: &http.MaxBytesError{Limit: 9}, 408: fmt.Errorf("read: %w", os.ErrDeadlineExceeded)} {
		w := send(s, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", brokenBody{err}))
		assert.Equal(t, status, w.Code)
	}
	r := post("", "")
	r.Body = nil // as no server, but a test or a middleware, would have it
	assert.Equal(t, 200, send(s, r).Code)
	r = post("application/json", "{}")
	r.Header.Set("Content-Encoding", "gzip")
	assert.Equal(t, 415, send(s, r).Code)
	r = post("application/json", "{}")
	r.Header.Set("Content-Encoding", "Identity")
	assert.Equal(t, 200, send(s, r).Code)
}

// Buffers are reused: what was emitted must not change.
func TestSourceEventsKeepTheirData(t *testing.T) {
	s, rec := open(), &sourcetest.Recorder{}
	start(t, s, rec)
	var senders sync.WaitGroup
	for i := range 8 {
		senders.Go(func() {
			for j := range 50 {
				body := fmt.Sprintf(`"%s"`, strings.Repeat(string(rune('a'+i)), 1+i*100+j))
				assert.Equal(t, 200, send(s, post("text/plain", body[1:len(body)-1])).Code)
				assert.Equal(t, 200, send(s, binaryEvent("", `{"Body":`+body+`}`)).Code)
			}
		})
	}
	senders.Wait()
	require.Len(t, rec.Events(), 800)
	for _, e := range rec.Events() {
		var data struct{ Body string }
		require.NoError(t, e.DataAs(&data))
		assert.Equal(t, strings.Repeat(data.Body[:1], len(data.Body)), data.Body)
	}
}

func TestSourceValidate(t *testing.T) {
	s := &webhook.Source{
		Methods: []string{"GET", "post", "A B"},
		MaxBody: -1,
		Mask:    []string{"X-Key", ""},
		Status:  404,
	}
	assert.Equal(t, []string{
		`Methods[1]: "post" is no request method, such as "POST"`,
		`Methods[2]: "A B" is no request method, such as "POST"`,
		`MaxBody: -1 is negative; zero means 1048576 bytes`,
		`Mask[1]: "" is no name of a header`,
		`Status: 404 does not say success; use 200 to 299`,
		`Verify: says not who may send; webhook.AllowUnauthenticated lets anybody`,
	}, mistakes(t, s.Validate()))
	err := s.Run(t.Context(), hearken.Output{})
	assert.True(t, hearken.IsPermanent(err), "Run validates too")

	s = &webhook.Source{Methods: []string{}, Status: 204, Body: "x", Verify: webhook.Bearer()}
	assert.Equal(t, []string{
		"Methods: lists no method; nil means POST",
		"Body: an answer with status 204 has no body",
		"Verify.Tokens: lists no key: nobody could send",
	}, mistakes(t, s.Validate()))
	s.Methods, s.Body, s.Verify = nil, "", invalidVerifier{}
	assert.Equal(t, []string{"Verify: no key server"}, mistakes(t, s.Validate()))
	assert.NoError(t, open().Validate())
}

// invalidVerifier has a mistake that is no ConfigError.
type invalidVerifier struct{ webhook.Verifier }

func (invalidVerifier) Validate() error { return errors.New("no key server") }

// mistakes returns the text of each mistake in err, all of which must be
// ConfigErrors.
func mistakes(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		var mistake *hearken.ConfigError
		require.ErrorAs(t, err, &mistake)
		return []string{err.Error()}
	}
	var all []string
	for _, err := range joined.Unwrap() {
		all = append(all, mistakes(t, err)...)
	}
	return all
}
