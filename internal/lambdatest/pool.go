package lambdatest

import (
	"errors"
	"sync"
)

var (
	errBusy   = errors.New("all processes are busy")
	errClosed = errors.New("the emulator is closed")
)

// pool is a function's processes. A process that has answered waits for the next
// invocation.
type pool struct {
	Function
	dir   string
	freed chan struct{} // told, if somebody listens, that an invocation ended

	mu      sync.Mutex
	idle    []*process
	all     map[*process]bool
	running int
	closed  bool
}

func newPool(f Function, dir string) *pool {
	return &pool{Function: f, dir: dir, freed: make(chan struct{}, 1), all: make(map[*process]bool)}
}

// run has one process run i.
func (p *pool) run(i Invocation) (outcome, error) {
	proc, err := p.take()
	if err != nil {
		return outcome{}, err
	}
	out, alive := proc.run(i)
	return out, p.put(proc, alive)
}

// take returns an idle process, or a new one when there may be another.
func (p *pool) take() (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, errClosed
	case p.running >= p.concurrency():
		return nil, errBusy
	}
	if n := len(p.idle); n > 0 {
		proc := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.running++
		return proc, nil
	}
	proc, err := start(&p.Function, p.dir)
	if err != nil {
		return nil, err
	}
	p.all[proc] = true
	p.running++
	return proc, nil
}

// put gives a process back, or ends one that cannot be used again.
func (p *pool) put(proc *process, alive bool) error {
	p.mu.Lock()
	p.running--
	if alive {
		p.idle = append(p.idle, proc)
	} else {
		delete(p.all, proc)
	}
	p.mu.Unlock()
	select {
	case p.freed <- struct{}{}:
	default:
	}
	if alive {
		return nil
	}
	return proc.close()
}

func (p *pool) close() error {
	p.mu.Lock()
	p.closed = true
	all := p.all
	p.all = nil
	p.mu.Unlock()
	var errs []error
	for proc := range all {
		errs = append(errs, proc.close())
	}
	return errors.Join(errs...)
}
