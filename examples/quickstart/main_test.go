package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearken-go/hearken/examples/internal/program"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// process is a running quickstart.
type process struct {
	*program.Process
	url string
}

func start(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	run := program.Start(t, append([]string{"-data", dir}, args...)...)
	p := &process{run, "http://" + run.Addr + "/webhook"}
	require.Eventually(t, func() bool {
		res, err := http.Post(p.url, "application/json", strings.NewReader(`{"message":"is anybody there?"}`))
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	}, time.Minute, 20*time.Millisecond, "the webhook is not ready")
	return p
}

// post returns the answer to a body sent as curl -d sends it.
func (p *process) post(body string) (int, string, error) {
	res, err := http.Post(p.url, "application/x-www-form-urlencoded", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

func TestAnswers(t *testing.T) {
	p := start(t, t.TempDir())
	for _, tt := range []struct {
		body   string
		status int
		text   string
	}{
		{`{"message":"bye"}`, 200, "success"},
		{`{"message":"hello"}`, 200, "success"},
		{`not json`, 400, "neither JSON nor a form"},
		{strings.Repeat("a", 2<<20), 413, "larger than 1048576 bytes"},
	} {
		status, text, err := p.post(tt.body)
		require.NoError(t, err)
		assert.Equal(t, tt.status, status)
		assert.Contains(t, text, tt.text)
	}
	res, err := http.Get(p.url)
	require.NoError(t, err)
	defer res.Body.Close()
	assert.Equal(t, http.StatusMethodNotAllowed, res.StatusCode)

	require.True(t, p.Lines.Scan())
	var line map[string]string
	require.NoError(t, json.Unmarshal(p.Lines.Bytes(), &line))
	assert.Equal(t, "hello", line["message"])
	assert.Equal(t, "greet", line["sensor"])
	assert.Len(t, line["firing"], 32)
	p.Interrupt(t)
	assert.False(t, p.Lines.Scan(), "one firing and no more")
	assert.NoError(t, p.Wait())
}

// sink counts what is posted to it, by message and by idempotency key.
type sink struct {
	mu   sync.Mutex
	up   bool
	keys map[string]int
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil || !s.up || string(body) != `{"message":"hello"}` {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	s.keys[r.Header.Get("Idempotency-Key")]++
}

func (s *sink) set(up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up = up
}

func (s *sink) arrived() (events, requests int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.keys {
		requests += n
	}
	return len(s.keys), requests
}

// sendAll posts n greetings from 16 connections and returns how many were accepted.
func sendAll(p *process, n int) int {
	var accepted int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range n / 16 {
				status, _, err := p.post(`{"message":"hello"}`)
				if err != nil {
					return // it was killed; its port may be another's next
				}
				mu.Lock()
				if status == http.StatusOK {
					accepted++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return accepted
}

// patience is how long a thousand greetings may take on a machine that has much else
// to do, when each waits for up to half a minute until it is tried again.
const patience = 3 * time.Minute

func TestNothingIsLostWhenKilledWhileTheSinkIsDown(t *testing.T) {
	s := &sink{keys: map[string]int{}}
	server := httptest.NewServer(s)
	defer server.Close()
	dir := t.TempDir()

	p := start(t, dir, "-to", server.URL)
	accepted := sendAll(p, 1008)
	require.Equal(t, 1008, accepted)
	p.Kill(t)

	s.set(true)
	p = start(t, dir, "-to", server.URL)
	require.Eventually(t, func() bool { n, _ := s.arrived(); return n == accepted }, patience, 20*time.Millisecond, "lost")
	p.End(t)
	events, requests := s.arrived()
	t.Logf("accepted %d, arrived %d, duplicates %d", accepted, events, requests-events)
}

func TestNothingIsLostWhenKilledWhilePosting(t *testing.T) {
	s := &sink{keys: map[string]int{}, up: true}
	server := httptest.NewServer(s)
	defer server.Close()
	dir := t.TempDir()

	p := start(t, dir, "-to", server.URL)
	time.AfterFunc(300*time.Millisecond, func() { _ = p.Cmd.Process.Kill() })
	accepted := sendAll(p, 16*10_000)
	assert.Error(t, p.Wait())

	p = start(t, dir, "-to", server.URL)
	require.Eventually(t, func() bool { n, _ := s.arrived(); return n >= accepted }, patience, 20*time.Millisecond, "lost")
	p.End(t)
	events, requests := s.arrived()
	// An event may have been stored whose answer was lost with the process.
	assert.LessOrEqual(t, events, accepted+16)
	t.Logf("accepted %d, arrived %d, duplicates %d", accepted, events, requests-events)
}

// shown returns the code that the README shows.
func shown(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, block, found := strings.Cut(string(readme), "```go\n")
	require.True(t, found)
	block, _, _ = strings.Cut(block, "```")
	return block
}

// What the README shows compiles as it stands.
func TestREADMECompiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(`package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
	"github.com/hearken-go/hearken/filters"
	"github.com/hearken-go/hearken/sources/webhook"
	"github.com/hearken-go/hearken/triggers/httptrigger"
	"github.com/hearken-go/hearken/triggers/params"
	"golang.org/x/sync/errgroup"
)

func main() { _ = run }

`+shown(t)), 0o600))
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", os.DevNull, file).CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

// The README shows this program's code: each line of its Go block stands in
// main.go, in that order.
func TestREADMEShowsThisCode(t *testing.T) {
	block := shown(t)
	code, err := os.ReadFile("main.go")
	require.NoError(t, err)
	rest := string(code)
	for line := range strings.Lines(block) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		var found bool
		_, rest, found = strings.Cut(rest, line)
		assert.True(t, found, "not in main.go, or not in this order: %s", line)
	}
}
