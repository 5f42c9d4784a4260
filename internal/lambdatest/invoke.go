package lambdatest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// The limits of the Invoke API, in bytes.
const (
	maxPayload       = 6 << 20
	maxEventPayload  = 1 << 20
	maxClientContext = 3583
	maxLogTail       = 4 << 10
)

const (
	typeRequestResponse = "RequestResponse"
	typeEvent           = "Event"
	typeDryRun          = "DryRun"
)

// invoke is POST /2015-03-31/functions/{function}/invocations.
func (e *Emulator) invoke(w http.ResponseWriter, r *http.Request) {
	i, err := read(r)
	refused := e.saw(i)
	if err == nil {
		err = refused
	}
	p := e.pools[i.Function]
	if err == nil && (p == nil || !p.has(i.Qualifier)) {
		err = notFound(i.Function, i.Qualifier)
	}
	if err != nil {
		err.write(w)
		return
	}
	switch i.Type {
	case typeEvent:
		e.wg.Go(func() { p.runLater(i, e.closed) })
		w.WriteHeader(http.StatusAccepted)
	case typeDryRun:
		w.WriteHeader(http.StatusNoContent)
	default:
		e.answer(w, r, p, i)
	}
}

func (e *Emulator) answer(w http.ResponseWriter, r *http.Request, p *pool, i Invocation) {
	out, err := p.run(i)
	switch {
	case errors.Is(err, errBusy):
		Throttled(0).write(w)
		return
	case err != nil:
		(&Error{Status: http.StatusInternalServerError, Type: "ServiceException", Message: err.Error()}).write(w)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Amz-Executed-Version", executed(i.Qualifier))
	if out.failed {
		h.Set("X-Amz-Function-Error", "Unhandled")
	}
	if r.Header.Get("X-Amz-Log-Type") == "Tail" {
		h.Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString(out.log[max(len(out.log)-maxLogTail, 0):]))
	}
	// A client that went away needs no answer.
	_, _ = w.Write(out.payload)
}

func executed(qualifier string) string {
	if qualifier == "" {
		return latest
	}
	return qualifier
}

// read takes a request apart and finds what is wrong with it.
func read(r *http.Request) (Invocation, *Error) {
	i := Invocation{Type: r.Header.Get("X-Amz-Invocation-Type")}
	if i.Type == "" {
		i.Type = typeRequestResponse
	}
	i.Function, i.Qualifier = parseName(r.PathValue("function"))
	if q := r.URL.Query().Get("Qualifier"); q != "" {
		i.Qualifier = q
	}
	signature, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return i, unsigned()
	}
	i.AccessKey = signer(signature)
	body, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+1))
	if err != nil {
		return i, badContent("Could not read request body: %v", err)
	}
	i.Payload = body
	switch {
	case len(body) > maxPayload:
		return i, tooLarge("Request must be smaller than %d bytes for the InvokeFunction operation", maxPayload)
	case i.Type == typeEvent && len(body) > maxEventPayload:
		return i, tooLarge("%d byte payload is too large for the Event invocation type (limit %d bytes)", len(body), maxEventPayload)
	case len(body) > 0 && !json.Valid(body):
		return i, badContent("Could not parse request body into json: Could not parse payload into json")
	}
	return i, i.readClientContext(r.Header.Get("X-Amz-Client-Context"))
}

// signer returns the id of the key in "Credential=ID/date/..., SignedHeaders=...".
func signer(signature string) string {
	_, credential, _ := strings.Cut(signature, "Credential=")
	id, _, _ := strings.Cut(credential, "/")
	return id
}

// readClientContext checks a client context. An Event's never reaches the
// function.
func (i *Invocation) readClientContext(header string) *Error {
	if header == "" {
		return nil
	}
	text, err := base64.StdEncoding.DecodeString(header)
	if err != nil || len(header) > maxClientContext || !json.Valid(text) {
		return badContent("Client context must be a valid Base64-encoded JSON object.")
	}
	if i.Type == typeRequestResponse {
		i.ClientContext = text
	}
	return nil
}

// runLater runs what an Event left behind.
func (p *pool) runLater(i Invocation, closed <-chan struct{}) {
	for {
		// Lambda tells nobody of the outcome either.
		if _, err := p.run(i); !errors.Is(err, errBusy) {
			return
		}
		select {
		case <-p.freed:
		case <-closed:
			return
		}
	}
}
