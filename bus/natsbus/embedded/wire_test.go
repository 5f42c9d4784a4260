package embedded_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
)

// lossyWire is a connection to a NATS server that loses messages when told to.
type lossyWire struct {
	net.Conn // to the client
	losses   *losses
}

// losses says what is lost at the moment.
type losses struct {
	acks, answers atomic.Bool
	unanswered    atomic.Int64 // how many answers have been lost
}

// dropsSent reports whether a message of the client's is lost.
func (l *losses) dropsSent(subject string, body []byte) bool {
	return l.acks.Load() && strings.HasPrefix(subject, "$JS.ACK.") && !bytes.HasPrefix(body, []byte("+WPI"))
}

// dropsReceived reports whether a message to the client is lost: all that are
// no events.
func (l *losses) dropsReceived(subject string) bool {
	lost := l.answers.Load() && strings.HasPrefix(subject, "_INBOX.")
	if lost {
		l.unanswered.Add(1)
	}
	return lost
}

// pass connects server with a new connection, which it returns, and copies the
// protocol's messages in both directions.
func pass(server net.Conn, l *losses) net.Conn {
	near, far := net.Pipe()
	ends := func() { _, _ = near.Close(), far.Close(); _ = server.Close() }
	go func() {
		defer ends()
		copyProtocol(server, far, func(s string, b []byte) bool { return l.dropsSent(s, b) })
	}()
	go func() {
		defer ends()
		copyProtocol(far, server, func(s string, _ []byte) bool { return l.dropsReceived(s) })
	}()
	return lossyWire{near, l}
}

// copyProtocol copies from src to dst, without the messages that drop picks,
// until either ends.
func copyProtocol(dst io.Writer, src io.Reader, drop func(subject string, body []byte) bool) {
	r := bufio.NewReaderSize(src, 1<<16)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return
		}
		fields := strings.Fields(string(line))
		if len(fields) > 1 {
			switch verb := strings.ToUpper(fields[0]); verb {
			case "PUB", "HPUB", "MSG", "HMSG":
				size, err := strconv.Atoi(fields[len(fields)-1])
				if err != nil {
					panic(fmt.Sprintf("not the NATS protocol: %q", line))
				}
				body := make([]byte, size+2)
				if _, err := io.ReadFull(r, body); err != nil {
					return
				}
				if drop(fields[1], body) {
					continue
				}
				line = append(line, body...)
			}
		}
		if _, err := dst.Write(line); err != nil {
			return
		}
	}
}
