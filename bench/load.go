package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// connections is how many keep-alive connections post at once.
const connections = 16

// patience is how long nothing may arrive before the rest is taken for lost.
const patience = 20 * time.Second

// The request that is posted, with room for a sequence number. A body has
// bodySize bytes.
const (
	bodyHead = `{"seq":"`
	seqWidth = 10
	bodyTail = `","message":"hello","repository":{"id":42,"name":"hearken","private":false},"sender":"somebody","text":"Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eius."}`
	bodySize = len(bodyHead) + seqWidth + len(bodyTail)
)

// load is a number of events to post to a system. It writes HTTP by hand: what
// the load costs is the system's loss on a machine with few cores.
type load struct {
	address string
	first   int // sequence number
	n       int
	every   time.Duration // one event; zero: as fast as they are answered
}

// run posts, and returns once all that was accepted has arrived at s, or nothing
// has for the time of patience.
func (l load) run(ctx context.Context, s *sink) (result, error) {
	book := newLedger(l.first, l.n)
	s.book.Store(book)
	if err := l.post(ctx, book); err != nil {
		return result{}, err
	}
	return awaitArrivals(ctx, book)
}

func awaitArrivals(ctx context.Context, book *ledger) (result, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	seen, since := int64(-1), time.Now()
	for !book.complete() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return result{}, ctx.Err()
		}
		if n := book.arrived.Load(); n != seen {
			seen, since = n, time.Now()
		} else if time.Since(since) > patience {
			break
		}
	}
	return book.result(), nil
}

// post sends all events, over all connections at once.
func (l load) post(ctx context.Context, book *ledger) error {
	free := make(chan *poster, connections)
	for range connections {
		free <- &poster{address: l.address}
	}
	err := inParallel(connections, l.n, func(i int) error {
		if l.every > 0 {
			if err := sleepUntil(ctx, book.began.Add(time.Duration(i)*l.every)); err != nil {
				return err
			}
		}
		p := <-free
		defer func() { free <- p }()
		e := &book.entries[i]
		e.sent.Store(int64(time.Since(book.began)))
		status, err := p.post(l.first + i)
		e.accepted.Store(status/100 == 2)
		return err
	})
	for range connections {
		(<-free).hangUp()
	}
	return err
}

func sleepUntil(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// poster posts over one connection.
type poster struct {
	address string
	conn    net.Conn
	reader  *bufio.Reader
	request []byte
}

// post posts one event and returns the status of the answer.
func (p *poster) post(seq int) (int, error) {
	if p.conn == nil {
		if err := p.dial(); err != nil {
			return 0, err
		}
	}
	copy(p.request[len(p.request)-seqWidth-len(bodyTail):], fmt.Sprintf("%0*d", seqWidth, seq))
	if _, err := p.conn.Write(p.request); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(p.reader, nil)
	if err != nil {
		return 0, err
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, err
	}
	if err := resp.Body.Close(); err != nil {
		return 0, err
	}
	if resp.Close {
		p.hangUp()
	}
	return resp.StatusCode, nil
}

func (p *poster) dial() (err error) {
	if p.conn, err = net.Dial("tcp", p.address); err != nil { //nolint:noctx // on loopback it is at once
		return err
	}
	p.reader = bufio.NewReader(p.conn)
	p.request = fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s%s%s",
		p.address, bodySize, bodyHead, strings.Repeat("0", seqWidth), bodyTail)
	return nil
}

func (p *poster) hangUp() {
	if p.conn != nil {
		_ = p.conn.Close() // all answers were read
		p.conn = nil
	}
}
