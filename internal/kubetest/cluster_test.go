//go:build kubernetes

package kubetest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken/internal/kubetest"
)

func TestCluster(t *testing.T) {
	c, err := kubetest.Start(t.Context(), kubetest.Config{Users: []string{"visitor"}})
	require.NoError(t, err)
	t.Cleanup(c.Stop)
	client := clientOf(t, c)

	version, err := c.Version(t.Context())
	require.NoError(t, err)
	t.Log("kube-apiserver", version)
	if dir := os.Getenv(kubetest.AssetsEnv); strings.Contains(dir, ".cache") {
		assert.Equal(t, kubetest.KubernetesVersion, version, "what the project built")
	}
	const secrets = "/api/v1/namespaces/default/secrets"
	status, _ := do(t, client, c, "visitor", http.MethodGet, secrets, "")
	assert.Equal(t, http.StatusForbidden, status, "a user without a role")
	status, _ = do(t, client, c, "stranger", http.MethodGet, secrets, "")
	assert.Equal(t, http.StatusUnauthorized, status, "a token that the server does not know")
	status, body := do(t, client, c, "admin", http.MethodPost, "/api/v1/namespaces/default/configmaps", `{"metadata":{"name":"kept"}}`)
	require.Equal(t, http.StatusCreated, status, body)

	c.KillAPIServer()
	_, err = c.Version(t.Context())
	require.Error(t, err, "killed")
	require.NoError(t, c.Compact(t.Context()))
	require.NoError(t, c.StartAPIServer(t.Context()))
	status, _ = do(t, client, c, "admin", http.MethodGet, "/api/v1/namespaces/default/configmaps/kept", "")
	assert.Equal(t, http.StatusOK, status, "objects and certificate outlive the API server")
	require.Eventually(t, func() bool { // it may first say 429: its cache is not filled yet
		_, body = do(t, client, c, "admin", http.MethodGet, "/api/v1/configmaps?watch=1&timeoutSeconds=1&resourceVersion=1", "")
		return !strings.Contains(body, `"code":429`)
	}, time.Minute, 50*time.Millisecond)
	assert.Contains(t, body, `"code":410`, "what was compacted cannot be watched")

	c.StopAPIServer()
	require.NoError(t, c.StartAPIServer(t.Context()))
	assert.FileExists(t, c.Kubeconfig())
	c.Stop()
	assert.NoFileExists(t, c.Kubeconfig(), "Stop leaves nothing")
}

func TestStartSaysWhy(t *testing.T) {
	_, err := kubetest.Start(t.Context(), kubetest.Config{Flags: []string{"--no-such-flag"}})
	require.ErrorContains(t, err, "no-such-flag", "the server's own words")

	t.Setenv(kubetest.AssetsEnv, t.TempDir())
	_, err = kubetest.Start(t.Context(), kubetest.Config{})
	require.ErrorContains(t, err, "no kube-apiserver")
	require.ErrorContains(t, err, "no etcd")

	t.Setenv(kubetest.AssetsEnv, "")
	_, err = kubetest.Start(t.Context(), kubetest.Config{})
	require.ErrorContains(t, err, "make test-kubernetes")
}

func clientOf(t *testing.T, c *kubetest.Cluster) *http.Client {
	t.Helper()
	cert, err := os.ReadFile(c.CAFile())
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(cert))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func do(t *testing.T, client *http.Client, c *kubetest.Cluster, user, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, c.URL()+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+c.Token(user))
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(answer)
}
