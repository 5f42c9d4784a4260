package httptrigger

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxIdlePerHost is above the number of firings that a process runs at once:
// with net/http's 2, most firings would dial.
const maxIdlePerHost = 1024

const maxRedirects = 10

func (t *Trigger) httpClient() *http.Client {
	t.once.Do(func() {
		client := http.Client{}
		if t.Client != nil {
			client = *t.Client
		} else {
			client.Transport = t.transport()
		}
		asked := client.CheckRedirect
		client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
			if !t.follows(req, via) {
				return http.ErrUseLastResponse
			}
			if asked != nil {
				return asked(req, via)
			}
			return nil
		}
		t.client, t.closable = &client, isNetHTTP(client.Transport)
	})
	return t.client
}

// send is client.Do. That gets ready to follow a redirect before it knows of one,
// which is a tenth of what a request allocates; so the trigger's own transport is
// asked first, and the client goes on from its answer where that leads elsewhere,
// or from its error, which it may put in better words.
func (t *Trigger) send(client *http.Client, req *http.Request) (*http.Response, error) {
	if t.Client != nil {
		return client.Do(req)
	}
	resp, err := client.Transport.RoundTrip(req)
	if err == nil && resp.StatusCode/100 != 3 {
		return resp, nil
	}
	following := *client
	following.Transport = &answered{RoundTripper: client.Transport, first: resp, err: err}
	return following.Do(req)
}

// answered is a transport that has the answer to its first request already.
type answered struct {
	http.RoundTripper
	first *http.Response
	err   error
	asked bool
}

func (a *answered) RoundTrip(req *http.Request) (*http.Response, error) {
	if !a.asked {
		a.asked = true
		return a.first, a.err
	}
	return a.RoundTripper.RoundTrip(req)
}

// isNetHTTP reports whether rt, of a client, is a transport of net/http.
func isNetHTTP(rt http.RoundTripper) bool {
	if rt == nil {
		rt = http.DefaultTransport
	}
	_, ok := rt.(*http.Transport)
	return ok
}

func (t *Trigger) transport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		// An HTTP/2 connection whose other end is gone is found by a ping, not by
		// the timeouts of all that is sent over it.
		HTTP2:           &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
		TLSClientConfig: t.TLS.Clone(),
	}
}

// follows decides about a redirect, and strips the request of what another host
// must not see. A redirect that turns POST into GET (301, 302, 303) would take
// the answer to a question that was never asked for success.
func (t *Trigger) follows(req *http.Request, via []*http.Request) bool {
	first := via[0]
	if len(via) > maxRedirects || req.Method != first.Method || !isHTTP(req.URL) {
		return false
	}
	if sameHost(first.URL, req.URL) {
		return true
	}
	if !t.mayLeadTo(req.URL) || isDowngrade(first.URL, req.URL) {
		return false
	}
	header := make(http.Header)
	for _, name := range []string{"Content-Type", t.idempotencyHeader()} {
		if values := req.Header.Values(name); len(values) > 0 {
			header[http.CanonicalHeaderKey(name)] = values
		}
	}
	req.Header = header
	return true
}

// mayLeadTo reports whether one of RedirectHosts names the host of u, with its
// port or without, the usual port of its scheme too.
func (t *Trigger) mayLeadTo(u *url.URL) bool {
	host := u.Hostname()
	names := []string{host, "[" + host + "]", net.JoinHostPort(host, port(u))}
	return slices.ContainsFunc(t.RedirectHosts, func(h string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(h, name) })
	})
}

// sameHost reports whether to is on the host and port of from; the step from
// http to https on their usual ports counts as staying.
func sameHost(from, to *url.URL) bool {
	if !strings.EqualFold(from.Hostname(), to.Hostname()) {
		return false
	}
	if from.Scheme == to.Scheme {
		return port(from) == port(to)
	}
	return from.Scheme == "http" && port(from) == "80" && port(to) == "443"
}

func isDowngrade(from, to *url.URL) bool { return from.Scheme == "https" && to.Scheme == "http" }

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

func isHTTP(u *url.URL) bool { return u.Scheme == "http" || u.Scheme == "https" }

// redacted is the URL as error texts show it: without userinfo, query and
// fragment.
func redacted(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return shown.String()
}
