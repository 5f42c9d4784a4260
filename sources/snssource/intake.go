package snssource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
)

// intake takes requests for one Run of a Source.
type intake struct {
	out      hearken.Output
	topic    topic
	client   Confirmer
	certs    *certificates
	allowRaw func(r *http.Request, body []byte) (bool, error)
	maxBody  int64
	shape    shape
	account  *account
	warned   atomic.Int64 // when a sender that was not let in was warned of, in Unix nanoseconds
}

func newIntake(s *Source, t topic, out hearken.Output) *intake {
	return &intake{
		out:      out,
		topic:    t,
		client:   s.Client,
		certs:    newCertificates(t, s),
		allowRaw: s.AllowRaw,
		maxBody:  min(cmp.Or(s.MaxBody, DefaultMaxBody), math.MaxInt64-1), // one more is read
		shape:    newShape(s),
		account:  &s.account,
	}
}

// take does what r asks for. An error is a refusal, or one of Emit's.
func (in *intake) take(r *http.Request) error {
	if r.Method != http.MethodPost {
		return &refusal{status: http.StatusMethodNotAllowed, reason: "method not allowed"}
	}
	body, err := in.read(r)
	if err != nil {
		return err
	}
	if r.Header.Get("X-Amz-Sns-Rawdelivery") != "" {
		return in.takeRaw(r, body)
	}
	e, err := parseEnvelope(body)
	if err != nil {
		return err
	}
	if err := verify(r.Context(), in.topic, in.certs, e); err != nil {
		return in.troubled(err)
	}
	switch e.text("Type") {
	case subscription:
		return in.troubled(in.confirm(r.Context(), e))
	case unsubscription:
		in.end(r.Context(), e)
		return nil
	}
	in.account.succeeded()
	event, err := in.shape.event(r.Header, e) //nolint:contextcheck // the trace is the message's own
	if err != nil {
		return err
	}
	return in.emit(r.Context(), event)
}

// emit emits the event of a message that SNS has sent. What is never taken is
// lost, unless the subscription has a dead-letter queue: SNS does not repeat what
// is answered with a 4xx.
func (in *intake) emit(ctx context.Context, e hearken.Event) error {
	err := in.out.Emit(ctx, e)
	if hearken.IsPermanent(err) || errors.Is(err, bus.ErrRejected) {
		in.out.Logger.WarnContext(ctx, "sns: a message was not taken, and SNS will not send it again", "message", e.ID(), "error", err)
	}
	return err
}

// troubled notes err, of what SNS was asked, if it is a failure and not the
// sender's fault.
func (in *intake) troubled(err error) error {
	var no *refusal
	if errors.As(err, &no) && no.failed {
		in.account.failed(err)
	}
	return err
}

// end says that the subscription was ended. Its SubscribeURL would restore it,
// against the will of who has ended it.
func (in *intake) end(ctx context.Context, e *envelope) {
	in.account.unsubscribed.Add(1)
	in.account.failed(errors.New("the subscription was ended"))
	in.out.Logger.WarnContext(ctx, "sns: the subscription was ended", "topic", in.topic.arn, "message", e.message.Str)
}

// takeRaw takes a message that came without an envelope, and so without a
// signature.
func (in *intake) takeRaw(r *http.Request, body []byte) error {
	if in.allowRaw == nil {
		return unauthorized("raw delivery has no signature; Source.AllowRaw would say who may send")
	}
	ok, err := in.allowRaw(r, body)
	switch {
	case err != nil:
		return later("the sender could not be verified", err)
	case !ok:
		return unauthorized("AllowRaw says no")
	}
	id, arn := r.Header.Get("X-Amz-Sns-Message-Id"), r.Header.Get("X-Amz-Sns-Topic-Arn")
	switch {
	case arn != in.topic.arn:
		return unauthorized("the message is of topic %.300q", arn)
	case !isLine(id), len(id) > maxID:
		return malformed("the X-Amz-Sns-Message-Id is not one line of text of at most %d bytes", maxID)
	}
	in.account.succeeded()
	event, err := in.shape.rawEvent(r.Header, id, arn, body)
	if err != nil {
		return err
	}
	return in.emit(r.Context(), event)
}

// read reads the body of r, unless it is too large. One that breaks off is worth
// another attempt, and SNS makes none after a 4xx.
func (in *intake) read(r *http.Request) ([]byte, error) {
	if r.ContentLength > in.maxBody {
		return nil, in.tooLarge()
	}
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, in.maxBody+1))
	switch {
	case err != nil:
		return nil, later("the body could not be read", err)
	case int64(len(body)) > in.maxBody:
		return nil, in.tooLarge()
	}
	return body, nil
}

func (in *intake) tooLarge() error {
	return &refusal{
		status: http.StatusRequestEntityTooLarge,
		reason: fmt.Sprintf("the body is larger than %d bytes", in.maxBody),
		failed: true, // SNS sent it once and will not again
		hangUp: true,
	}
}

// refuse answers r with what err says, and logs it.
func (in *intake) refuse(w http.ResponseWriter, r *http.Request, err error) {
	no := refusalOf(err)
	write(w, no)
	switch no.status {
	case http.StatusUnauthorized:
		in.account.unauthorized.Add(1)
	case http.StatusServiceUnavailable:
		in.account.later.Add(1)
	}
	level := slog.LevelDebug
	if (no.failed || no.status == http.StatusUnauthorized) && in.warn() {
		level = slog.LevelWarn
	}
	in.out.Logger.Log(r.Context(), level, "sns: request refused", "status", no.status, "reason", no.Error(), "remote", r.RemoteAddr)
}

// warnEvery is how often refusals are warned of: anybody may knock.
const warnEvery = 10 * time.Second

func (in *intake) warn() bool {
	now, last := time.Now().UnixNano(), in.warned.Load()
	return now-last >= int64(warnEvery) && in.warned.CompareAndSwap(last, now)
}
