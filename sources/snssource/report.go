package snssource

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearken-go/hearken"
)

// account is what a Source knows of itself. The zero value is ready to use.
type account struct {
	unauthorized, later, confirmed, unsubscribed atomic.Uint64

	mu      sync.Mutex
	trouble *hearken.LastError // since when, and the latest error
}

// Report implements hearken.Reporter. The trouble is what kept a message out, or
// may keep all of them out: SNS could not be asked for a certificate or a
// confirmation, or the subscription was ended. It is over when the next message
// is verified, or a subscription confirmed. The counters are unauthorized and
// later (requests answered 401 and 503), confirmed and unsubscribed.
func (s *Source) Report() hearken.Report {
	a := &s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	return hearken.Report{Trouble: a.trouble, Counters: map[string]uint64{
		"unauthorized": a.unauthorized.Load(), "later": a.later.Load(),
		"confirmed": a.confirmed.Load(), "unsubscribed": a.unsubscribed.Load(),
	}}
}

// failed notes what keeps messages out.
func (a *account) failed(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	since := time.Now()
	if a.trouble != nil {
		since = a.trouble.Time
	}
	a.trouble = &hearken.LastError{Err: err, Time: since}
}

// succeeded notes that messages come.
func (a *account) succeeded() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trouble = nil
}
