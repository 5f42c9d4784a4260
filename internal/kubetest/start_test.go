package kubetest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken/internal/kubetest"
)

// starts returns how often etcd is started when it ends with these words.
func starts(t *testing.T, words string) int {
	t.Helper()
	dir := t.TempDir()
	t.Setenv(kubetest.AssetsEnv, dir)
	script := "#!/bin/sh\necho started >> " + filepath.Join(dir, "starts") + "\necho '" + words + "' >&2\nexit 1\n"
	for _, program := range []string{"etcd", "kube-apiserver"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, program), []byte(script), 0o700))
	}
	_, err := kubetest.Start(t.Context(), kubetest.Config{})
	require.ErrorContains(t, err, words)
	text, err := os.ReadFile(filepath.Join(dir, "starts"))
	require.NoError(t, err)
	return strings.Count(string(text), "started")
}

func TestStartsOnOtherPorts(t *testing.T) {
	assert.Equal(t, 3, starts(t, "listen tcp 127.0.0.1:2379: bind: address already in use"))
	assert.Equal(t, 1, starts(t, "no space left on device"), "other ports would not help")
}
