package lambdatrigger

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go/middleware"
)

// sending follows a request on its way out, to tell one that Lambda cannot have
// got from one that it may have.
type sending struct {
	asked   atomic.Bool // the client took the options
	handed  atomic.Bool // the request is signed, and with the HTTP client
	traced  atomic.Bool // which tells what it does
	written atomic.Bool
}

func (s *sending) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { s.traced.Store(true) },
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				s.written.Store(true)
			}
		},
	})
}

// options turns the SDK's own retries off: the engine retries.
func (s *sending) options(o *lambda.Options) {
	s.asked.Store(true)
	o.Retryer = aws.NopRetryer{}
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("hearken:sending", s.handle), middleware.After)
	})
}

func (s *sending) handle(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
	s.handed.Store(true)
	return next.HandleDeserialize(ctx, in)
}

// mayHaveArrived reports whether the request may have reached Lambda. A client
// that does not tell how far it came is believed to have sent it.
func (s *sending) mayHaveArrived() bool {
	switch {
	case !s.asked.Load():
		return true
	case !s.handed.Load():
		return false
	case s.traced.Load():
		return s.written.Load()
	}
	return true
}
