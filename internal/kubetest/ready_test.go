package kubetest

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An API server writes its certificate while it is asked: half of it is not to be
// what the client believes in from then on.
func TestReadsTheCertificateUntilItIsWhole(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	require.NoError(t, err)
	c := &Cluster{dir: t.TempDir(), port: at.Port()}
	require.NoError(t, os.Mkdir(filepath.Dir(c.CAFile()), 0o700))
	whole := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})

	require.ErrorIs(t, c.ready(t.Context()), os.ErrNotExist)
	for _, n := range []int{0, len(whole) / 2} {
		require.NoError(t, os.WriteFile(c.CAFile(), whole[:n], 0o600))
		require.ErrorContains(t, c.ready(t.Context()), "holds no certificate")
	}
	require.NoError(t, os.WriteFile(c.CAFile(), whole, 0o600))
	require.NoError(t, c.ready(t.Context()))
	assert.NotNil(t, c.client, "which is kept")
}

// Two clusters that start at once may find the same port free.
func TestAnotherEtcdIsNotReady(t *testing.T) {
	t.Parallel()
	name := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := w.Write([]byte(`{"members":[{"ID":"1","name":"` + name + `"}]}`))
		assert.NoError(t, err)
	}))
	t.Cleanup(server.Close)
	c := &Cluster{dir: filepath.Join(t.TempDir(), "kubetest-1"), etcdURL: server.URL}
	for _, name = range []string{"", "kubetest-2"} {
		require.ErrorContains(t, c.etcdReady(t.Context()), "another etcd")
	}
	name = "kubetest-1"
	require.NoError(t, c.etcdReady(t.Context()))
}
