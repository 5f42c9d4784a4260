package workflow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hearken-go/hearken"
)

const (
	// maxAnswer bounds an answer of the argo-server: a Workflow with the nodes
	// that etcd has no room for.
	maxAnswer = 64 << 20
	// maxQuoted is how much of an answer that is no JSON an error text shows.
	maxQuoted = 512
)

// Server is an argo-server, for what only it can do: see Control. Requests are
// those of its REST API (api/openapi-spec/swagger.json of Argo Workflows; v3.4
// to v4.1 have it the same). It is used by pointer, may be shared and used
// concurrently, and its fields must not be changed once it is used.
type Server struct {
	// URL is where it is, such as https://argo-server.argo:2746, with the base
	// path where it has one. Required.
	URL string

	// Token is sent as the bearer token: that of a service account. Empty: none.
	// For tokens that change give a Client whose Transport adds them.
	Token hearken.Secret

	// Client sends the requests. Nil: one of the Server's own, which follows no
	// redirect. The argo-server's certificate is often of its own making: then
	// give a Client that knows it.
	Client *http.Client

	once   sync.Once
	client *http.Client
}

// Validate finds what is wrong with the URL.
func (s *Server) Validate() error {
	u, err := url.Parse(s.URL)
	switch {
	case s.URL == "":
		return &hearken.ConfigError{Path: "URL", Msg: "is empty; an argo-server is at such as https://argo-server.argo:2746"}
	case err != nil:
		return &hearken.ConfigError{Path: "URL", Msg: "is no URL"}
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return &hearken.ConfigError{Path: "URL", Msg: fmt.Sprintf("is %q; it begins with https:// and a host", u.Redacted())}
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return &hearken.ConfigError{Path: "URL", Msg: "has a user, a query or a fragment; the Token has a field of its own"}
	}
	return nil
}

// get returns the named fields of a Workflow with all its nodes, wherever Argo
// keeps them.
func (s *Server) get(ctx context.Context, namespace, name, fields string) (*unstructured.Unstructured, error) {
	wf := &unstructured.Unstructured{}
	return wf, s.do(ctx, http.MethodGet, nil, &wf.Object, url.Values{"fields": {fields}}, namespace, name)
}

// put has the server carry out an operation. answer may be nil.
func (s *Server) put(ctx context.Context, namespace, name, operation string, body map[string]any, answer any) error {
	body["namespace"], body["name"] = namespace, name
	return s.do(ctx, http.MethodPut, body, answer, nil, namespace, name, operation)
}

func (s *Server) do(ctx context.Context, method string, body, answer any, query url.Values, path ...string) error {
	req, err := s.request(ctx, method, body, query, path)
	if err != nil {
		return hearken.Permanent(fmt.Errorf("argo-server: %w", err))
	}
	resp, err := s.httpClient().Do(req)
	if err != nil {
		return fmt.Errorf("argo-server: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case resp.StatusCode/100 != 2: // what was read of the body says why
		return s.refusal(method, req.URL, resp.StatusCode, raw)
	case err != nil:
		return fmt.Errorf("argo-server: %s %s: %w", method, req.URL.Path, err)
	case len(raw) > maxAnswer:
		return hearken.Permanent(fmt.Errorf("argo-server: %s %s: the answer is longer than 64 MiB", method, req.URL.Path))
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return fmt.Errorf("argo-server: %s %s: the answer: %w", method, req.URL.Path, err)
	}
	return nil
}

func (s *Server) request(ctx context.Context, method string, body any, query url.Values, path []string) (*http.Request, error) {
	u, err := url.Parse(s.URL)
	if err != nil {
		return nil, errors.New("the URL is none")
	}
	u = u.JoinPath(append([]string{"api/v1/workflows"}, path...)...) // names, checked by named
	u.RawQuery = query.Encode()
	var content io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), content)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if s.Token != "" {
		req.Header.Set("Authorization", "Bearer "+string(s.Token))
	}
	return req, nil
}

// refusal says why the server refused, as its gateway puts it: an object with a
// message.
func (s *Server) refusal(method string, u *url.URL, status int, raw []byte) error {
	hide := func(text string) string {
		if s.Token == "" {
			return text
		}
		return strings.ReplaceAll(text, string(s.Token), "***")
	}
	var told struct{ Message string }
	if json.Unmarshal(raw, &told) != nil || told.Message == "" {
		text := hide(string(raw)) // before it is cut, or a part of the token would be left
		told.Message = text[:min(len(text), maxQuoted)]
	}
	err := fmt.Errorf("argo-server: %s %s: %d %s: %s", method, u.Path, status, http.StatusText(status),
		strings.ToValidUTF8(hide(told.Message), ""))
	if isPermanent(status) {
		return hearken.Permanent(err)
	}
	return err
}

// isPermanent reports whether another attempt would meet the same answer: not
// where credentials may be renewed, others were quicker, or the server is busy.
func isPermanent(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status < 500
}

// CloseIdleConnections closes the connections that are kept for later requests.
// Otherwise they end by themselves after 90 seconds.
func (s *Server) CloseIdleConnections() { s.httpClient().CloseIdleConnections() }

func (s *Server) httpClient() *http.Client {
	if s.Client != nil {
		return s.Client
	}
	s.once.Do(func() {
		s.client = &http.Client{
			Transport: &http.Transport{
				Proxy:                 http.ProxyFromEnvironment,
				TLSHandshakeTimeout:   10 * time.Second,
				ResponseHeaderTimeout: time.Minute,
				IdleConnTimeout:       90 * time.Second,
				ForceAttemptHTTP2:     true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	})
	return s.client
}
