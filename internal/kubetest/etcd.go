package kubetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"time"
)

// etcdTimeout bounds one question; while etcd starts, askTimeout does.
const etcdTimeout = time.Minute

// startEtcd starts etcd without fsync: nothing here outlives the process.
func (c *Cluster) startEtcd(ctx context.Context, clientPort, peerPort string) error {
	c.etcdURL = "http://127.0.0.1:" + clientPort
	peer, name := "http://127.0.0.1:"+peerPort, filepath.Base(c.dir)
	p, err := startProcess(ctx, c.dir, filepath.Join(c.assets, "etcd"),
		"--data-dir="+filepath.Join(c.dir, "etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+c.etcdURL, "--advertise-client-urls="+c.etcdURL,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer,
		"--name="+name, "--initial-cluster="+name+"="+peer,
	)
	if err != nil {
		return err
	}
	c.etcd = p
	return p.wait(ctx, c.etcdReady)
}

// etcdReady fails until this cluster's etcd answers, rather than one that had the
// port before it.
func (c *Cluster) etcdReady(ctx context.Context) error {
	body, err := c.askEtcd(ctx, "cluster/member/list", map[string]any{"linearizable": true})
	if err != nil {
		return err
	}
	var list struct{ Members []struct{ Name string } }
	if err := json.Unmarshal(body, &list); err != nil {
		return err
	}
	if len(list.Members) != 1 || list.Members[0].Name != filepath.Base(c.dir) {
		return fmt.Errorf("at %s is another etcd: %s", c.etcdURL, body)
	}
	return nil
}

// Compact makes etcd forget all but the latest state of its objects. An API
// server that is started afterwards answers 410 to whoever wants to go on
// watching from before.
func (c *Cluster) Compact(ctx context.Context) error {
	body, err := c.askEtcd(ctx, "kv/range", map[string]any{"key": "AA=="})
	if err != nil {
		return err
	}
	var at struct {
		Header struct{ Revision string }
	}
	if err := json.Unmarshal(body, &at); err != nil {
		return err
	}
	_, err = c.askEtcd(ctx, "kv/compaction", map[string]any{"revision": at.Header.Revision, "physical": true})
	return err
}

// askEtcd calls etcd's API version 3 by its JSON gateway.
func (c *Cluster) askEtcd(ctx context.Context, method string, req any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, etcdTimeout)
	defer cancel()
	data, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.etcdURL+"/v3/"+method, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	body, err := ask(http.DefaultClient, r)
	if err != nil {
		return nil, fmt.Errorf("etcd %s: %w", method, err)
	}
	return body, nil
}
