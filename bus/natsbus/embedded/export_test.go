package embedded

import (
	"net"

	"github.com/nats-io/nats-server/v2/server"
)

// InProcessConn gives tests a raw connection, to lose messages on.
func InProcessConn(s *Server) (net.Conn, error) { return s.srv.InProcessConn() }

// Complain has the server log an error.
func Complain(s *Server, text string) { s.log.Errorf("%s", text) }

// Options gives tests what a Config asks of the server.
func Options(c Config) (*server.Options, error) { return c.options() }
