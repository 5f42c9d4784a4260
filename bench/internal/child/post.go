package child

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/tidwall/gjson"
)

// Wanted reports what the filter of every system asks: whether the posted JSON
// greets. Written by hand it is one lookup.
func Wanted(body []byte) bool {
	switch gjson.GetBytes(body, "message").Str {
	case "hello", "hey":
		return true
	}
	return false
}

// Poster posts to a sink as one writes it by hand.
type Poster struct {
	url    string
	client http.Client
}

// NewPoster keeps as many connections as may be in use; net/http's default of
// two would cost half of the throughput.
func NewPoster(url string, connections int) *Poster {
	return &Poster{url: url, client: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}}
}

// Post posts body, and expects a 2xx.
func (p *Poster) Post(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the sink answered %s", resp.Status)
	}
	return nil
}
