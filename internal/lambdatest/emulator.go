package lambdatest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"time"
)

// Invocation is a request that came in, refused or not.
type Invocation struct {
	Function  string
	Qualifier string
	// Type is RequestResponse, Event or DryRun.
	Type string
	// Payload is the body.
	Payload []byte
	// ClientContext is the JSON of the client context, if there was one.
	ClientContext []byte
	// AccessKey is the id of the key that signed the request.
	AccessKey string
}

// Emulator is Lambda's API for some functions. It may be used concurrently.
type Emulator struct {
	// URL is the endpoint of the Invoke API.
	URL string

	server *httptest.Server
	closed chan struct{}
	dir    string // for the logs of processes
	wg     sync.WaitGroup
	pools  map[string]*pool

	once     sync.Once
	closeErr error

	mu     sync.Mutex
	seen   []Invocation
	refuse func(Invocation) *Error
}

// Start starts an emulator that listens on a free port of loopback. A process of
// a function is started when it is needed.
func Start(functions ...Function) (*Emulator, error) {
	return StartAt(context.Background(), "127.0.0.1:0", functions...)
}

// StartAt starts an emulator that listens at addr. ctx bounds the start.
func StartAt(ctx context.Context, addr string, functions ...Function) (*Emulator, error) {
	for _, f := range functions {
		if f.Name == "" || len(f.Command) == 0 {
			return nil, fmt.Errorf("function %q needs a Name and a Command", f.Name)
		}
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lambdatest")
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	e := &Emulator{dir: dir, closed: make(chan struct{}), pools: make(map[string]*pool)}
	for _, f := range functions {
		e.pools[f.Name] = newPool(f, dir)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{function}/invocations", e.invoke)
	e.server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}}
	e.server.Start()
	e.URL = e.server.URL
	return e, nil
}

// Close ends all processes, and with them what is being waited for. It may be
// called again.
func (e *Emulator) Close() error {
	e.once.Do(func() {
		close(e.closed)
		var errs []error
		for _, p := range e.pools {
			errs = append(errs, p.close())
		}
		e.server.CloseClientConnections()
		e.server.Close()
		e.wg.Wait()
		e.closeErr = errors.Join(append(errs, os.RemoveAll(e.dir))...)
	})
	return e.closeErr
}

// Refuse makes the emulator answer with what refuse returns, if it is not nil,
// in place of the function. Nil ends that.
func (e *Emulator) Refuse(refuse func(Invocation) *Error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refuse = refuse
}

// Invocations returns what came in so far.
func (e *Emulator) Invocations() []Invocation {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.seen)
}

func (e *Emulator) saw(i Invocation) (refused *Error) {
	e.mu.Lock()
	e.seen = append(e.seen, i)
	refuse := e.refuse
	e.mu.Unlock()
	if refuse == nil {
		return nil
	}
	return refuse(i)
}
