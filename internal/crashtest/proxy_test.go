package crashtest_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hearken-go/hearken/internal/crashtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// echoing returns a proxy to a server that sends back what it gets.
func echoing(t *testing.T) *crashtest.Proxy {
	t.Helper()
	p, err := crashtest.NewProxy(t.Context(), echoServer(t))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	return p
}

func echoServer(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, p *crashtest.Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	t.Cleanup(func() { conn.Close() })
	return conn
}

func echo(conn net.Conn, text string) (string, error) {
	if _, err := io.WriteString(conn, text); err != nil {
		return "", err
	}
	answer := make([]byte, len(text))
	_, err := io.ReadFull(conn, answer)
	return string(answer), err
}

func TestProxyPassesOn(t *testing.T) {
	p := echoing(t)
	text := strings.Repeat("0123456789", 10_000)
	got, err := echo(dial(t, p), text)
	require.NoError(t, err)
	assert.True(t, got == text, "the bytes changed on the way")
}

func TestProxyPassesOnTheEnd(t *testing.T) {
	p := echoing(t)
	conn := dial(t, p)
	_, err := echo(conn, "a")
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	assert.Eventually(t, func() bool { return p.Cut() == 0 }, time.Minute, time.Millisecond, "it kept a connection whose client had gone")
}

func TestProxyCuts(t *testing.T) {
	p := echoing(t)
	conns := []net.Conn{dial(t, p), dial(t, p)}
	for _, conn := range conns {
		_, err := echo(conn, "a")
		require.NoError(t, err)
	}
	assert.Equal(t, 2, p.Cut())
	for _, conn := range conns {
		_, err := echo(conn, "b")
		assert.Error(t, err)
	}
	_, err := echo(dial(t, p), "a new one")
	assert.NoError(t, err)
}

// The server behind it may be away, and come back elsewhere.
func TestProxyFollowsItsTarget(t *testing.T) {
	p := echoing(t)
	before := dial(t, p)
	_, err := echo(before, "a")
	require.NoError(t, err)
	p.SetTarget("")
	_, err = echo(dial(t, p), "b")
	require.Error(t, err)
	_, err = echo(before, "c")
	assert.NoError(t, err, "what is connected stays so")
	p.SetTarget(echoServer(t))
	_, err = echo(dial(t, p), "d")
	assert.NoError(t, err)
}

func TestProxyRefuses(t *testing.T) {
	p := echoing(t)
	before := dial(t, p)
	_, err := echo(before, "a")
	require.NoError(t, err)
	p.Refuse(true)
	_, err = echo(dial(t, p), "b")
	require.Error(t, err)
	_, err = echo(before, "c")
	assert.NoError(t, err, "what is connected stays so")
	p.Refuse(false)
	_, err = echo(dial(t, p), "d")
	assert.NoError(t, err)
}

func TestProxySlows(t *testing.T) {
	for _, tt := range []struct {
		name  string
		pace  crashtest.Pace
		bytes int
		least time.Duration
	}{
		{"by a delay", crashtest.Pace{Delay: 50 * time.Millisecond}, 1, 100 * time.Millisecond}, // there and back
		{"by a rate", crashtest.Pace{Bytes: 100_000}, 10_000, 100 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := echoing(t)
			conn := dial(t, p)
			p.SetPace(tt.pace)
			began := time.Now()
			_, err := echo(conn, strings.Repeat("a", tt.bytes))
			require.NoError(t, err)
			assert.GreaterOrEqual(t, time.Since(began), tt.least)
			p.SetPace(crashtest.Pace{})
		})
	}
}
