package awstest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
)

// InProcess returns a transport that has h answer each request in this process.
// An answer is handed on once it is whole.
func InProcess(h http.Handler) http.RoundTripper { return inProcess{h} }

type inProcess struct{ http.Handler }

// RoundTrip returns when h has answered or r's context has ended; h sees the end
// too, and is not waited for.
func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		defer r.Body.Close() //nolint:errcheck // read to its end
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	served := r.Clone(r.Context())
	served.RequestURI, served.Host = r.URL.RequestURI(), r.URL.Host
	served.Body = io.NopCloser(bytes.NewReader(body))
	answer := make(chan *http.Response, 1)
	go func() { answer <- serve(h, served) }() //nolint:bodyclose // the caller does
	select {
	case a := <-answer:
		if a == nil {
			return nil, io.ErrUnexpectedEOF
		}
		a.Request = r
		return a, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// serve returns nil when the handler cut the connection.
func serve(h http.Handler, r *http.Request) (answer *http.Response) {
	w := httptest.NewRecorder()
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler { //nolint:errorlint // a panic's value
			panic(v) //nolint:forbidigo // not ours
		}
	}()
	h.ServeHTTP(w, r)
	return w.Result()
}
