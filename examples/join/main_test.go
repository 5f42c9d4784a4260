package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearken-go/hearken/examples/internal/program"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// process is a running example.
type process struct{ *program.Process }

func start(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p := &process{program.Start(t, append([]string{"-data", dir}, args...)...)}
	require.Eventually(t, func() bool {
		return p.post("image", "is anybody there?") == nil && p.post("tests", "not of that") == nil
	}, time.Minute, 20*time.Millisecond, "the webhooks are not ready")
	return p
}

// post tells of a commit as curl -d does.
func (p *process) post(half, commit string) error {
	res, err := http.Post("http://"+p.Addr+"/"+half, "application/x-www-form-urlencoded", strings.NewReader(fmt.Sprintf(`{"commit":%q}`, commit)))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || string(text) != "success") {
		err = fmt.Errorf("%s: %q", res.Status, text)
	}
	return err
}

// tell posts halves, each as "half commit", one after the other.
func (p *process) tell(t *testing.T, halves ...string) {
	t.Helper()
	for _, h := range halves {
		half, commit, _ := strings.Cut(h, " ")
		require.NoError(t, p.post(half, commit))
	}
}

// fires waits for a line and expects it to be about a commit.
func (p *process) fires(t *testing.T, commit string) {
	t.Helper()
	require.True(t, p.Lines.Scan(), "it has ended")
	var line map[string]string
	require.NoError(t, json.Unmarshal(p.Lines.Bytes(), &line))
	assert.Equal(t, commit, line["commit"])
	assert.Len(t, line["firing"], 32)
	assert.Len(t, line, 2)
}

// end stops the process as Ctrl-C does, which must be all that it has to say.
func (p *process) end(t *testing.T) {
	t.Helper()
	p.Interrupt(t)
	assert.False(t, p.Lines.Scan(), "one more: %s", p.Lines.Bytes())
	assert.NoError(t, p.Wait(), "it ends cleanly")
}

func TestFiresOnceForTheRightCommit(t *testing.T) {
	p := start(t, t.TempDir())
	p.tell(t, "image abc", "tests def", "image ghi", "tests abc")
	p.fires(t, "abc")
	p.tell(t, "tests abc", "tests abc", "image def") // the image of abc has been used
	p.fires(t, "def")
	p.tell(t, "image abc")
	p.fires(t, "abc")
	p.end(t)
}

func TestHalvesAloneNeverFire(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	p.tell(t, "image a", "tests b", "image c", "image c", "tests d", "tests d", "tests d")
	p.end(t)

	p = start(t, dir)
	p.tell(t, "image c", "tests d", "image e", "tests f", "image marker", "tests marker")
	p.fires(t, "marker")
	p.end(t)
}

func TestFiresAfterItWasKilledBetweenTheHalves(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	p.tell(t, "image abc", "tests def")
	p.Kill(t)

	p = start(t, dir)
	p.tell(t, "tests abc")
	p.fires(t, "abc")
	p.tell(t, "image def")
	p.fires(t, "def")
	p.end(t)
}

// sink is what commits are posted to: which, by idempotency key.
type sink struct {
	mu      sync.Mutex
	up      bool
	refused int
	commits map[string]string
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil || !s.up {
		s.refused++
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	// What comes again under its key is the same firing: one that was on its way when
	// its sender was killed may be taken, and its sender not know.
	if key := r.Header.Get("Idempotency-Key"); s.commits[key] != string(body) {
		s.commits[key] += string(body)
	}
}

// look calls f with the sink held still.
func (s *sink) look(f func() bool) func() bool {
	return func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return f()
	}
}

func TestFiresAfterItWasKilledWhileTheSinkIsDown(t *testing.T) {
	s := &sink{commits: map[string]string{}}
	server := httptest.NewServer(s)
	defer server.Close()
	dir := t.TempDir()

	p := start(t, dir, "-to", server.URL)
	p.tell(t, "image abc", "image def", "tests ghi", "tests abc")
	require.Eventually(t, s.look(func() bool { return s.refused > 0 }), time.Minute, 5*time.Millisecond, "not tried")
	p.Kill(t)

	s.look(func() bool { s.up = true; return true })()
	p = start(t, dir, "-to", server.URL)
	require.Eventually(t, s.look(func() bool { return len(s.commits) > 0 }), time.Minute, 5*time.Millisecond, "lost")
	p.tell(t, "image marker", "tests marker")
	require.Eventually(t, s.look(func() bool { return len(s.commits) > 1 }), time.Minute, 5*time.Millisecond, "it has stopped firing")
	p.end(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.ElementsMatch(t, []string{`{"commit":"abc"}`, `{"commit":"marker"}`}, slices.Collect(maps.Values(s.commits)))
}

func TestHalvesTooFarApartDoNotFire(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, "-within", "2s")
	p.tell(t, "image abc")
	<-time.After(2 * time.Second) // the bus stored it before the answer
	p.tell(t, "tests abc")
	p.end(t)

	p = start(t, dir)
	p.tell(t, "image marker", "tests marker")
	p.fires(t, "marker")
	p.end(t)
}

// The README of the repository shows this program's code: each line of the
// example stands in main.go, in that order.
func TestREADMEShowsThisCode(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	code, err := os.ReadFile("main.go")
	require.NoError(t, err)
	_, part, found := strings.Cut(string(readme), "\n## Joins\n")
	require.True(t, found)
	_, block, found := strings.Cut(part, "```go\n")
	require.True(t, found)
	block, _, _ = strings.Cut(block, "```")
	rest := string(code)
	for line := range strings.Lines(block) {
		_, rest, found = strings.Cut(rest, strings.TrimSpace(line))
		assert.True(t, found, "not in main.go, or not in this order: %s", line)
	}
}
