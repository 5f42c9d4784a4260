package kubetest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/hearken-go/hearken/internal/freeport"
)

// Config says how a cluster is to be. The zero value has one user, the
// administrator.
type Config struct {
	// Users are people who may do nothing until a role is bound to them: see
	// Cluster.Token.
	Users []string
	// Flags are further flags of kube-apiserver.
	Flags []string
}

// Cluster is an API server with its etcd.
type Cluster struct {
	dir       string // of everything it writes
	assets    string
	cfg       Config
	port      string
	etcdURL   string
	etcd      *process
	apiServer *process // nil: stopped
	client    *http.Client
}

// portTries is how often a cluster is started on other ports when somebody has
// taken one before its server could.
const portTries = 3

// Start starts a cluster and returns when its namespace default is there, after
// about four seconds. Stop ends it.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	assets, err := assetsDir()
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		c, err := startOnce(ctx, assets, cfg)
		if !errors.Is(err, errTaken) || try == portTries {
			return c, err
		}
	}
}

func startOnce(ctx context.Context, assets string, cfg Config) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "kubetest-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, assets: assets, cfg: cfg}
	if err := c.start(ctx); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	ports, err := freeport.Find(ctx, 3)
	if err != nil {
		return err
	}
	c.port = ports[2]
	if err := errors.Join(c.writeKey(), c.writeTokens(), c.writeKubeconfig()); err != nil {
		return err
	}
	if err := c.startEtcd(ctx, ports[0], ports[1]); err != nil {
		return err
	}
	return c.StartAPIServer(ctx)
}

// Stop ends both servers at once and removes what they wrote.
func (c *Cluster) Stop() {
	c.KillAPIServer()
	if c.etcd != nil {
		c.etcd.stop(syscall.SIGKILL)
	}
	if c.client != nil {
		c.client.CloseIdleConnections()
	}
	_ = os.RemoveAll(c.dir) // a folder for temporary files
}

// URL is where the API server listens, also while it is stopped.
func (c *Cluster) URL() string { return "https://127.0.0.1:" + c.port }

// CAFile holds the certificate that the API server's is signed by.
func (c *Cluster) CAFile() string { return filepath.Join(c.dir, "certs", "apiserver.crt") }

// Token is the bearer token of a user: of "admin", who may do everything, or of
// one of Config.Users.
func (c *Cluster) Token(user string) string { return "token-of-" + user }

// Kubeconfig is a file that makes kubectl, and everything like it, the
// administrator.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.dir, "kubeconfig") }

// Version is what the API server says it is, such as "v1.36.3".
func (c *Cluster) Version(ctx context.Context) (string, error) {
	data, err := c.get(ctx, c.client, "/version")
	if err != nil {
		return "", err
	}
	var v struct{ GitVersion string }
	err = json.Unmarshal(data, &v)
	return v.GitVersion, err
}

// StartAPIServer starts the API server that KillAPIServer or StopAPIServer has
// ended, with the same address, certificate, users and objects, and waits until
// it is ready.
func (c *Cluster) StartAPIServer(ctx context.Context) error {
	key := filepath.Join(c.dir, "service-account.key")
	p, err := startProcess(ctx, c.dir, filepath.Join(c.assets, "kube-apiserver"), append([]string{
		"--etcd-servers=" + c.etcdURL,
		"--bind-address=127.0.0.1", "--secure-port=" + c.port, "--cert-dir=" + filepath.Join(c.dir, "certs"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + key, "--service-account-signing-key-file=" + key,
		"--authorization-mode=RBAC", "--token-auth-file=" + filepath.Join(c.dir, "tokens"),
		"--disable-admission-plugins=ServiceAccount", "--service-cluster-ip-range=10.0.0.0/24",
		"--shutdown-delay-duration=0s", "--v=0",
	}, c.cfg.Flags...)...)
	if err != nil {
		return err
	}
	c.apiServer = p
	return p.wait(ctx, c.ready)
}

// ready fails until the API server answers and has made its first namespace.
func (c *Cluster) ready(ctx context.Context) error {
	client := c.client
	if client == nil {
		var err error
		if client, err = c.NewClient(); err != nil {
			return err
		}
		defer client.CloseIdleConnections() // of all that are not kept
	}
	if _, err := c.get(ctx, client, "/readyz"); err != nil {
		return err
	}
	if _, err := c.get(ctx, client, "/api/v1/namespaces/default"); err != nil {
		return err
	}
	c.client = client // it has read the whole certificate, not what was written by then
	return nil
}

// NewClient returns a client that knows the API server's certificate. A request
// needs a Token.
func (c *Cluster) NewClient() (*http.Client, error) {
	pool := x509.NewCertPool()
	cert, err := os.ReadFile(c.CAFile())
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(cert) {
		return nil, fmt.Errorf("%s holds no certificate", c.CAFile())
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}, nil
}

// KillAPIServer ends the API server by SIGKILL. It does nothing to one that is
// stopped.
func (c *Cluster) KillAPIServer() { c.endAPIServer(syscall.SIGKILL) }

// StopAPIServer ends the API server in order, as an upgrade does.
func (c *Cluster) StopAPIServer() { c.endAPIServer(syscall.SIGTERM) }

func (c *Cluster) endAPIServer(sig syscall.Signal) {
	if c.apiServer != nil {
		c.apiServer.stop(sig)
		c.apiServer = nil
	}
}

// get asks the API server as the administrator.
func (c *Cluster) get(ctx context.Context, client *http.Client, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL()+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.Token("admin"))
	return ask(client, req)
}

// ask returns the body of an answer with status 200.
func ask(client *http.Client, req *http.Request) ([]byte, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return body, err
}

// writeKey makes the key that the API server signs service accounts' tokens by.
func (c *Cluster) writeKey() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return os.WriteFile(filepath.Join(c.dir, "service-account.key"), pem.EncodeToMemory(block), 0o600)
}

func (c *Cluster) writeTokens() error {
	tokens := c.Token("admin") + ",admin,admin,system:masters\n"
	for _, user := range c.cfg.Users {
		tokens += fmt.Sprintf("%s,%s,%s\n", c.Token(user), user, user)
	}
	return os.WriteFile(filepath.Join(c.dir, "tokens"), []byte(tokens), 0o600)
}

func (c *Cluster) writeKubeconfig() error {
	return os.WriteFile(c.Kubeconfig(), []byte(strings.NewReplacer(
		"URL", c.URL(), "CA", c.CAFile(), "TOKEN", c.Token("admin"),
	).Replace(`apiVersion: v1
kind: Config
current-context: kubetest
contexts: [{name: kubetest, context: {cluster: kubetest, user: admin}}]
clusters: [{name: kubetest, cluster: {server: "URL", certificate-authority: "CA"}}]
users: [{name: admin, user: {token: "TOKEN"}}]
`)), 0o600)
}
