package snssource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// fetchTimeout bounds the fetch of a certificate with its issuers, and a
	// confirmation.
	fetchTimeout = 10 * time.Second
	// maxFetched bounds what SNS may answer with, in bytes. A certificate has 2 KiB.
	maxFetched = 64 << 10
)

// statusError is an answer other than 200.
type statusError int

func (e statusError) Error() string {
	return fmt.Sprintf("answered %d %s", int(e), http.StatusText(int(e)))
}

// bounded returns the context of what is asked of others for one request. It does
// not end with the request: others may wait for the answer too.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
}

// fetch gets what is at a URL, of at most maxFetched bytes, and follows no
// redirect.
func fetch(ctx context.Context, transport http.RoundTripper, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	client := http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxFetched+1))
	err = errors.Join(err, resp.Body.Close())
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, statusError(resp.StatusCode)
	case len(body) > maxFetched:
		return nil, fmt.Errorf("answered more than %d bytes", maxFetched)
	}
	return body, err
}
