package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The test binary is the program too, and so the replicas that it starts.
func TestMain(m *testing.M) {
	if os.Getenv("REPLICAS") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// Who has seen enough presses Ctrl-C, and is not told that events are lost.
func TestInterrupted(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-for", "1h", "-every", "900ms")
	cmd.Env = append(os.Environ(), "REPLICAS=1", "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	last := ""
	for lines.Scan() {
		last = lines.Text()
	}
	assert.Regexp(t, `^accepted \d+ fired \d+ waiting \d+ duplicates \d+$`, last)
	assert.NoError(t, cmd.Wait())
}

func TestNothingIsLost(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-for", "3s", "-every", "900ms")
	cmd.Env = append(os.Environ(), "REPLICAS=1", "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	t.Logf("\n%s", out)
	require.NoError(t, err)
	var lines []string
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		lines = append(lines, s.Text())
	}
	require.NotEmpty(t, lines)
	last := lines[len(lines)-1]
	m := regexp.MustCompile(`^accepted (\d+) fired (\d+) lost 0 duplicates \d+$`).FindStringSubmatch(last)
	require.NotNil(t, m, "%s", last)
	assert.Equal(t, m[1], m[2])
	assert.NotEqual(t, "0", m[1])
	require.GreaterOrEqual(t, len(lines), 2, "a line for each second, fewer where the machine is slow")
	assert.Regexp(t, `killed [1-9]`, lines[len(lines)-2])
}
