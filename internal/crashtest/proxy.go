package crashtest

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// Proxy is a TCP proxy on the loopback interface that makes trouble when told.
// NewProxy makes one; its methods may be called concurrently.
type Proxy struct {
	listener net.Listener
	cancel   context.CancelFunc
	serving  sync.WaitGroup

	mu      sync.Mutex
	target  string
	refuses bool
	pace    Pace
	conns   map[net.Conn]struct{}
}

// Pace is how slowly a proxy passes bytes on. The zero value is at once.
type Pace struct {
	Delay time.Duration // of each piece, of at most 4 KiB
	Bytes int           // a second, in each direction of each connection; zero: no bound
}

// NewProxy listens for connections and passes them on to target until it is
// closed. ctx governs the call only.
func NewProxy(ctx context.Context, target string) (*Proxy, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{target: target, listener: l, conns: map[net.Conn]struct{}{}}
	ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	p.serving.Go(func() { p.accept(ctx) })
	return p, nil
}

// SetTarget changes where new connections go: those that come while it is "" are
// broken at once.
func (p *Proxy) SetTarget(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Addr is where the proxy listens, "host:port".
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Cut breaks all connections, and returns how many.
func (p *Proxy) Cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.Close() // whoever reads or writes it ends
	}
	return len(p.conns) / 2
}

// Refuse says whether new connections are broken at once.
func (p *Proxy) Refuse(refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses = refuse
}

// SetPace changes the pace of all connections, for the pieces not yet read.
func (p *Proxy) SetPace(pace Pace) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pace = pace
}

// Close stops listening, breaks all connections and waits until they have ended.
func (p *Proxy) Close() error {
	p.cancel()
	err := p.listener.Close()
	p.Refuse(true)
	p.Cut()
	p.serving.Wait()
	return err
}

func (p *Proxy) accept(ctx context.Context) {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.serving.Go(func() { p.serve(ctx, conn) })
	}
}

// serve passes on what both ends say until one of them ends.
func (p *Proxy) serve(ctx context.Context, client net.Conn) {
	defer func() { _ = client.Close() }()
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	if target == "" {
		return
	}
	var dialer net.Dialer
	server, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		return // which the client sees
	}
	defer func() { _ = server.Close() }()
	if !p.register(client, server) {
		return
	}
	defer p.forget(client, server)
	var back sync.WaitGroup
	back.Go(func() { p.pipe(ctx, client, server) })
	p.pipe(ctx, server, client)
	back.Wait()
}

func (p *Proxy) register(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuses {
		return false
	}
	for _, conn := range conns {
		p.conns[conn] = struct{}{}
	}
	return true
}

func (p *Proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		delete(p.conns, conn)
	}
}

// pipe copies at the proxy's pace, and closes both ends when one is.
func (p *Proxy) pipe(ctx context.Context, to, from net.Conn) {
	defer func() { _ = errors.Join(to.Close(), from.Close()) }()
	buf := make([]byte, 4<<10)
	for {
		n, err := from.Read(buf)
		if p.wait(ctx, n) != nil {
			return
		}
		if _, failed := to.Write(buf[:n]); failed != nil || err != nil {
			return
		}
	}
}

// wait takes the time that n bytes take.
func (p *Proxy) wait(ctx context.Context, n int) error {
	p.mu.Lock()
	d := p.pace.Delay
	if p.pace.Bytes > 0 {
		d += time.Duration(n) * time.Second / time.Duration(p.pace.Bytes)
	}
	p.mu.Unlock()
	if d == 0 {
		return nil
	}
	return pause(ctx, d)
}

// pause returns after d, or ctx's error when that ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
