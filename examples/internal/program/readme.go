package program

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for the example, also on a machine that has
// much else to do.
const patience = 2 * time.Minute

// Line reads the next line of stdout, which is JSON, into v.
func (p *Process) Line(t *testing.T, v any) {
	t.Helper()
	tooLong := time.AfterFunc(patience, func() { _ = p.Process.Kill() })
	defer tooLong.Stop()
	if !p.Lines.Scan() {
		t.Fatal("there is no further line, or not within two minutes")
	}
	if err := json.Unmarshal(p.Lines.Bytes(), v); err != nil {
		t.Fatalf("%s: %v", p.Lines.Bytes(), err)
	}
}

// NoLine fails the test if there is a further line until the example ends.
func (p *Process) NoLine(t *testing.T) {
	t.Helper()
	if p.Lines.Scan() {
		t.Errorf("one line more: %s", p.Lines.Bytes())
	}
}

// Commands returns those commands in the README of the example that begin so, in
// the order in which they stand there.
func Commands(t *testing.T, begin string) []string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, begin) {
			command, _, _ := strings.Cut(line, " #")
			commands = append(commands, strings.TrimSpace(command))
		}
	}
	return commands
}

// Curl does to this example what such a command says, as soon as the example is
// ready for it, and fails the test unless the answer is "success".
func (p *Process) Curl(t *testing.T, command string) {
	t.Helper()
	parts := regexp.MustCompile(`^curl -d '(.*)' 127\.0\.0\.1:12000(/\S*)$`).FindStringSubmatch(command)
	if parts == nil {
		t.Fatalf("no command that is understood: %s", command)
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		status, answer := p.post(t.Context(), parts[2], parts[1])
		switch {
		case status == http.StatusOK && answer == "success":
			return
		case status != 0 && status != http.StatusServiceUnavailable || time.Since(began) > patience:
			t.Fatalf("%s: %d %s", command, status, answer)
		}
	}
}

// post returns status 0 while nobody listens.
func (p *Process) post(ctx context.Context, path, body string) (status int, answer string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.Addr+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(text)
}
