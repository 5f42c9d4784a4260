package lambdatest

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// process is a handler's program and the Runtime API that it talks to, which is
// its own. It runs one invocation at a time.
type process struct {
	function *Function
	server   *httptest.Server
	cmd      *exec.Cmd
	log      *os.File
	next     chan task
	ready    chan struct{}
	done     chan outcome
	exited   chan struct{}
	state    string // how it ended; readable once exited is closed
	once     sync.Once
	closeErr error
}

// task is an invocation on its way to a handler.
type task struct {
	Invocation
	id       string
	began    time.Time
	deadline time.Time
}

// start starts a program. What it prints goes to a file, not a pipe, so that all
// of it is there when its answer is.
func start(f *Function, dir string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(dir, newID()), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	p := &process{
		function: f, log: log,
		next: make(chan task), ready: make(chan struct{}), done: make(chan outcome, 1), exited: make(chan struct{}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", p.serveNext)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", p.serveOutcome(false))
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", p.serveOutcome(true))
	p.server = httptest.NewServer(mux)
	p.cmd = exec.Command(f.Command[0], f.Command[1:]...) //nolint:noctx // it outlives the invocation that started it; close ends it
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Env = append(os.Environ(),
		"AWS_LAMBDA_RUNTIME_API="+p.server.Listener.Addr().String(),
		"AWS_LAMBDA_FUNCTION_NAME="+f.Name,
		"AWS_LAMBDA_FUNCTION_VERSION="+latest,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128",
		"AWS_REGION="+region,
	)
	p.cmd.Env = append(p.cmd.Env, f.Env...)
	if err := p.cmd.Start(); err != nil {
		p.server.Close()
		return nil, errors.Join(fmt.Errorf("function %s: %w", f.Name, err), log.Close())
	}
	go p.wait()
	return p, nil
}

// wait ends soon after close, which waits for it.
func (p *process) wait() {
	// How it ended is in its state.
	_ = p.cmd.Wait()
	p.state = p.cmd.ProcessState.String()
	close(p.exited)
}

// run has the handler run i, and says whether it can run another. A caller that
// goes away does not end the invocation, as it does not on Lambda.
func (p *process) run(i Invocation) (out outcome, alive bool) {
	now := time.Now()
	t := task{Invocation: i, id: newID(), began: now, deadline: now.Add(p.function.timeout())}
	from := p.logged()
	out, alive = p.await(t)
	out.log = p.report(t, from)
	return out, alive
}

// await waits for the handler's outcome, and until it asks for more: one that
// panicked reports that, and exits.
func (p *process) await(t task) (out outcome, alive bool) {
	timer := time.NewTimer(time.Until(t.deadline))
	defer timer.Stop()
	next, answered := p.next, false
	for {
		select {
		case next <- t:
			next = nil
		case out = <-p.done:
			answered = true
		case <-p.ready:
			// Before the outcome this is a process that has just begun.
			if answered {
				return checked(t, out), true
			}
		case <-p.exited:
			if answered {
				return checked(t, out), false
			}
			return failure(t.id, "Runtime.ExitError", "Runtime exited with error: %s", p.state), false
		case <-timer.C:
			if answered {
				return checked(t, out), false
			}
			return failure(t.id, "Sandbox.Timedout", "Task timed out after %.2f seconds", p.function.timeout().Seconds()), false
		}
	}
}

func checked(t task, out outcome) outcome {
	if len(out.payload) > maxPayload {
		return failure(t.id, "Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (%d bytes).", maxPayload)
	}
	return out
}

// serveNext is GET /runtime/invocation/next, which waits for an invocation.
func (p *process) serveNext(w http.ResponseWriter, r *http.Request) {
	for {
		select {
		case p.ready <- struct{}{}:
		case t := <-p.next:
			h := w.Header()
			h.Set("Content-Type", "application/json")
			h.Set("Lambda-Runtime-Aws-Request-Id", t.id)
			h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(t.deadline.UnixMilli(), 10))
			h.Set("Lambda-Runtime-Invoked-Function-Arn", arn(t.Function, t.Qualifier))
			if len(t.ClientContext) > 0 {
				h.Set("Lambda-Runtime-Client-Context", string(t.ClientContext))
			}
			// A handler that went away has exited, which is seen.
			_, _ = w.Write(t.Payload)
			return
		case <-r.Context().Done():
			return
		}
	}
}

// serveOutcome is POST /runtime/invocation/{id}/response, or /error. A response
// that broke off says so in a trailer.
func (p *process) serveOutcome(failed bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		select {
		case p.done <- outcome{payload: body, failed: failed || r.Trailer.Get("Lambda-Runtime-Function-Error-Type") != ""}:
		case <-r.Context().Done():
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"status":"OK"}`)
	}
}

// logged returns how much the program has printed.
func (p *process) logged() int64 {
	info, err := p.log.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// report is the log of an invocation: what was printed from an offset on,
// between the lines that Lambda adds.
func (p *process) report(t task, from int64) []byte {
	took := float64(time.Since(t.began).Microseconds()) / 1000
	// What cannot be read is missing from the log, as it would be there.
	printed, _ := io.ReadAll(io.NewSectionReader(p.log, from, p.logged()-from))
	return fmt.Appendf(nil, "START RequestId: %s Version: %s\n%sEND RequestId: %[1]s\nREPORT RequestId: %[1]s\tDuration: %.2[4]f ms\n",
		t.id, executed(t.Qualifier), printed, took)
}

// close kills the program and waits for its end.
func (p *process) close() error {
	p.once.Do(func() {
		err := p.cmd.Process.Kill()
		if errors.Is(err, os.ErrProcessDone) {
			err = nil
		}
		<-p.exited
		p.server.CloseClientConnections()
		p.server.Close()
		p.closeErr = errors.Join(err, p.log.Close())
	})
	return p.closeErr
}

// newID returns a random id of the form that Lambda's requests have.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
