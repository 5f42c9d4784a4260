package argo

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hearken-go/hearken/internal/kubetest"
)

//go:embed crds
var crds embed.FS

const crdsPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

// Install adds Argo's kinds to the cluster, and returns once it serves them.
func Install(ctx context.Context, c *kubetest.Cluster) error {
	a, err := newAPI(c)
	if err != nil {
		return err
	}
	defer a.client.CloseIdleConnections()
	files, err := crds.ReadDir("crds")
	if err != nil {
		return err
	}
	for _, f := range files {
		text, err := crds.ReadFile("crds/" + f.Name())
		if err != nil {
			return err
		}
		var made object
		if err := a.do(ctx, http.MethodPost, crdsPath, "application/yaml", text, &made); err != nil {
			return fmt.Errorf("%s: %w", f.Name(), err)
		}
		if err := a.established(ctx, made.text("metadata", "name"), made.text("spec", "names", "plural")); err != nil {
			return fmt.Errorf("%s: %w", f.Name(), err)
		}
	}
	return nil
}

// established waits until the kind is served.
func (a *api) established(ctx context.Context, name, plural string) error {
	for {
		var crd object
		if err := a.do(ctx, http.MethodGet, crdsPath+"/"+name, "", nil, &crd); err != nil {
			return err
		}
		for _, condition := range crd.list("status", "conditions") {
			if condition.text("type") != "Established" || condition.text("status") != "True" {
				continue
			}
			if a.served(ctx, plural) { // which may still take a moment
				return nil
			}
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// served says that objects of the kind can be asked for, and that whoever looks for
// the kind finds it. The API server promises no order of the two, and a client that
// has missed a kind does not look for it again at once.
func (a *api) served(ctx context.Context, plural string) bool {
	if a.do(ctx, http.MethodGet, group+plural, "", nil, nil) != nil {
		return false
	}
	var found object
	if a.do(ctx, http.MethodGet, strings.TrimSuffix(group, "/"), "", nil, &found) != nil {
		return false
	}
	return slices.ContainsFunc(found.list("resources"), func(r object) bool { return r.text("name") == plural })
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// api asks the API server as the administrator.
type api struct {
	url, token string
	client     *http.Client
}

func newAPI(c *kubetest.Cluster) (*api, error) {
	client, err := c.NewClient()
	return &api{url: c.URL(), token: c.Token("admin"), client: client}, err
}

// statusError is an answer that is none of success.
type statusError struct {
	code int
	body string
}

func (e *statusError) Error() string { return fmt.Sprintf("%d: %s", e.code, e.body) }

// refused says that the server found something wrong with the request: not that it
// was away, or has just come and knows not all yet.
func refused(err error) bool {
	var s *statusError
	return errors.As(err, &s) && (s.code == http.StatusBadRequest || s.code == http.StatusUnprocessableEntity)
}

// changed says that the object has been changed or deleted meanwhile.
func changed(err error) bool {
	var s *statusError
	return errors.As(err, &s) && (s.code == http.StatusConflict || s.code == http.StatusNotFound)
}

func (a *api) do(ctx context.Context, method, path, contentType string, body []byte, answer any) error {
	resp, err := a.open(ctx, method, path, contentType, body)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if answer == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}

// open sends a request and returns its answer if it is a good one.
func (a *api) open(ctx context.Context, method, path, contentType string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return nil, errors.Join(&statusError{resp.StatusCode, string(text)}, err)
}
