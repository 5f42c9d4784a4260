package snssource

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/hearken-go/hearken"
)

// DefaultMaxBody is Source.MaxBody where that is zero: 2 MiB, which holds SNS's
// largest message, 256 KiB, however it is escaped.
const DefaultMaxBody = 2 << 20

// Source is the HTTP endpoint of a subscription: it emits an event for each
// message of a topic that SNS posts to it. Fill in the fields before it is used
// and do not change them afterwards. One Source belongs to one event source of
// one pipeline.
//
// It may be mounted before Run and stay so over restarts: while Run does not run
// it answers 503, after which SNS sends again.
type Source struct {
	// TopicARN is the topic. What is of any other is refused. Required; FIFO
	// topics have no HTTP subscriptions.
	TopicARN string

	// Client, an *sns.Client of the topic's region, confirms subscriptions by
	// the API. Nil: by a visit to the SubscribeURL, which needs no credentials.
	Client Confirmer

	// MessageAsJSON puts a Message that is a JSON object or array into the data
	// as JSON, so that paths go on into it: body.Message.order. Any other
	// Message, and with false every one, is there as text.
	MessageAsJSON bool

	// AllowRaw, if set, allows raw message delivery, which SNS does not sign: a
	// message is taken when AllowRaw returns true. False is answered 401, and
	// an error, when nobody can tell now, 503. It is asked about raw messages
	// only, concurrently, with the body as it came, and neither keeps nor
	// changes r or body. A password in the endpoint's URL comes as that of HTTP
	// Basic authentication. Nil: raw messages are answered 401.
	//
	// The data of a raw message has an envelope too, with Type, MessageId,
	// TopicArn and Message.
	AllowRaw func(r *http.Request, body []byte) (bool, error)

	// MaxBody is how many bytes a body may have. Larger ones are answered 413
	// and not read to their end. Zero: DefaultMaxBody.
	MaxBody int64

	// Metadata is added to the data of each event. Empty: the data has none.
	Metadata map[string]string

	// Mask names headers whose values are secrets, and so do not appear in
	// events. Always masked are Authorization, Proxy-Authorization and Cookie.
	Mask []string

	// Transport fetches certificates and visits SubscribeURLs. Nil:
	// http.DefaultTransport.
	Transport http.RoundTripper

	// Roots are the authorities that the certificates of SNS's signatures are
	// traced to. Nil: the system's.
	Roots *x509.CertPool

	// Issuers are authorities between these certificates and the roots that
	// need not be fetched, for where no request may go to the authority's own
	// host. Nil: none are known.
	Issuers *x509.CertPool

	running atomic.Pointer[intake]
	account account
}

// Validate finds mistakes in the fields.
func (s *Source) Validate() error {
	var m hearken.Mistakes
	if _, err := parseTopic(s.TopicARN); err != nil {
		m.Add("TopicARN", "%v", err)
	}
	if s.MaxBody < 0 {
		m.Add("MaxBody", "%d is negative; zero means %d bytes", s.MaxBody, DefaultMaxBody)
	}
	for i, h := range s.Mask {
		if !matches(`[a-zA-Z0-9!#$%&'*+.^_\x60|~-]+`, h) {
			m.Add(fmt.Sprintf("Mask[%d]", i), "%q is no name of a header", h)
		}
	}
	return m.Err()
}

// Run lets requests in until ctx ends. A request whose event is on its way then
// is still answered when Emit returns; Run does not wait for it. A mistake that
// Validate finds, and a Source that already runs elsewhere, is a Permanent
// error.
func (s *Source) Run(ctx context.Context, out hearken.Output) error {
	if err := s.Validate(); err != nil {
		return hearken.Permanent(err)
	}
	t, err := parseTopic(s.TopicARN)
	if err != nil {
		return hearken.Permanent(err)
	}
	if !s.running.CompareAndSwap(nil, newIntake(s, t, out)) {
		return hearken.Permanent(fmt.Errorf("snssource: the Source of %s runs already, for another event source: give each its own", out.Topic))
	}
	defer s.running.Store(nil)
	<-ctx.Done()
	return nil
}

// ServeHTTP takes what SNS posts, and answers when its event is stored.
func (s *Source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in := s.running.Load()
	if in == nil {
		write(w, &refusal{status: http.StatusServiceUnavailable, reason: "the source is not running"})
		return
	}
	if err := in.take(r); err != nil {
		in.refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}
