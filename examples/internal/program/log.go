package program

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// log keeps what an example writes to stderr.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// Logged waits until the example has written the text to stderr.
func (p *Process) Logged(t *testing.T, text string) {
	t.Helper()
	for began := time.Now(); !p.log.has(text); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("it does not log %q", text)
		}
	}
}
