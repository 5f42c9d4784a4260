package webhook

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
)

// intake takes requests for one Run of a Source.
type intake struct {
	out       hearken.Output
	verify    Verifier
	challenge string // WWW-Authenticate of a 401
	methods   []string
	allow     string
	maxBody   int64
	status    int
	body      string
	bare      bool // body needs no header, see succeed
	shape     shape
	buffers   sync.Pool    // of *[]byte, for bodies
	warned    atomic.Int64 // when a sender that was not let in was warned of, in Unix nanoseconds
}

// take emits what r says and returns the text of the answer. An error is a
// refusal, or one of Emit's.
func (in *intake) take(r *http.Request) (string, error) {
	if !slices.Contains(in.methods, r.Method) {
		if r.Method == http.MethodOptions {
			return "", &refusal{status: http.StatusNoContent}
		}
		return "", refuse(http.StatusMethodNotAllowed, "method %s is not allowed", r.Method)
	}
	buf := in.buffer()
	defer in.release(buf)
	if err := in.read(r, buf); err != nil {
		return "", err
	}
	body := (*buf)[:len(*buf):len(*buf)]
	v, err := in.verify.Verify(r, body)
	switch {
	case errors.Is(err, ErrUnauthorized):
		return "", &refusal{status: http.StatusUnauthorized, reason: "unauthorized", cause: err}
	case err != nil:
		return "", &refusal{status: http.StatusServiceUnavailable, reason: "the sender could not be verified", cause: err, failed: !isGone(err)}
	case !isID(v.ID):
		return "", refuse(http.StatusBadRequest, "the delivery id is not printable UTF-8 of at most %d bytes", maxID)
	case v.Ping && v.Answer != "":
		return v.Answer, nil
	case v.Ping:
		return in.body, nil
	}
	return in.body, in.emit(r, body, v.ID)
}

// emit emits the event or events of a request that was verified. They own
// their data: body is used for other requests later.
func (in *intake) emit(r *http.Request, body []byte, id string) error {
	ctx := traced(r.Context(), r.Header)
	switch mode := modeOf(r.Header); mode {
	case plain:
		e, err := in.shape.event(r, body, id)
		if err != nil {
			return err
		}
		return in.out.Emit(ctx, e)
	case batched:
		events, err := decodeBatch(body)
		if err != nil {
			return err
		}
		return in.emitAll(ctx, events)
	default:
		e, err := decodeCloudEvent(mode, r.Header, body)
		if err != nil {
			return err
		}
		return in.out.Emit(ctx, e)
	}
}

// batchEmits is how many events of one batch are emitted at once.
const batchEmits = 16

// emitAll emits all events, and returns the error of the one that fared worst.
func (in *intake) emitAll(ctx context.Context, events []hearken.Event) error {
	errs := make([]error, len(events))
	places := make(chan struct{}, batchEmits)
	var wg sync.WaitGroup
	for i, e := range events {
		places <- struct{}{}
		wg.Go(func() {
			errs[i] = in.out.Emit(ctx, e)
			<-places
		})
	}
	wg.Wait()
	var worst error
	for i, err := range errs {
		switch {
		case err == nil:
		case !isFinal(err):
			return err
		case worst == nil:
			worst = final(err, "event "+nth(i)+" of the batch: ")
		}
	}
	return worst
}

// maxID bounds a delivery id, in bytes.
const maxID = 1 << 10

// isID reports whether s is fit for the id of an event: a CloudEvents string,
// of a sane length.
func isID(s string) bool {
	return len(s) <= maxID && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// read reads the body of r into buf, unless it is too large.
func (in *intake) read(r *http.Request, buf *[]byte) error {
	if c := r.Header.Get("Content-Encoding"); c != "" && !strings.EqualFold(c, "identity") {
		return refuse(http.StatusUnsupportedMediaType, "content encoding %.40q is not understood", c)
	}
	if r.ContentLength > in.maxBody {
		return tooLarge(in.maxBody)
	}
	b := (*buf)[:0]
	if r.Body == nil {
		*buf = b
		return nil
	}
	if r.ContentLength > 0 {
		// One byte more finds the end. What a sender only promises to send gets
		// no more room than is kept anyway.
		b = slices.Grow(b, int(min(r.ContentLength+1, maxPooled)))
	}
	for {
		n, err := r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		*buf = b
		switch {
		case int64(len(b)) > in.maxBody:
			return tooLarge(in.maxBody)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return unreadable(err)
		case len(b) == cap(b):
			b = slices.Grow(b, 512)
		}
	}
}

func tooLarge(limit int64) error {
	err := refuse(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", limit)
	err.hangUp = true
	return err
}

// unreadable refuses a body for an error of reading it.
func unreadable(err error) error {
	if limit, ok := errors.AsType[*http.MaxBytesError](err); ok { // of a handler around this one
		return tooLarge(limit.Limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &refusal{status: http.StatusRequestTimeout, reason: "the body did not come in time", cause: err}
	}
	return &refusal{status: http.StatusBadRequest, reason: "the body could not be read", cause: err}
}

// maxPooled is the largest buffer that is kept for later requests.
const maxPooled = 64 << 10

func (in *intake) buffer() *[]byte {
	if buf, ok := in.buffers.Get().(*[]byte); ok {
		return buf
	}
	buf := make([]byte, 0, 2<<10)
	return &buf
}

func (in *intake) release(buf *[]byte) {
	if cap(*buf) <= maxPooled {
		in.buffers.Put(buf)
	}
}

const plainText = "text/plain; charset=utf-8"

// succeed answers a request that was taken. A handler that leaves the header
// alone spares net/http a copy of it, 7 allocations in all. It may do so where
// net/http itself finds that the text is plain, and the text is the
// application's own, so that no sender can make a browser take it for more.
func (in *intake) succeed(w http.ResponseWriter, answer string) {
	if !in.bare || answer != in.body {
		w.Header().Set("Content-Type", plainText)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(in.status)
	}
	if !bodyless(in.status) {
		// An answer that does not reach the sender makes it send again.
		_, _ = io.WriteString(w, answer)
	}
}

// refuse answers r with what err says, and logs it.
func (in *intake) refuse(w http.ResponseWriter, r *http.Request, err error) {
	no := refusalOf(err)
	switch no.status {
	case http.StatusMethodNotAllowed, http.StatusNoContent:
		w.Header().Set("Allow", in.allow)
	case http.StatusUnauthorized:
		if in.challenge != "" {
			w.Header().Set("WWW-Authenticate", in.challenge)
		}
	}
	write(w, no)
	if no.status == http.StatusNoContent {
		return
	}
	level := slog.LevelDebug
	if no.failed || no.status == http.StatusUnauthorized && in.warn() {
		level = slog.LevelWarn
	}
	in.out.Logger.Log(r.Context(), level, "webhook: request refused",
		"status", no.status, "reason", no.Error(), "method", r.Method, "remote", r.RemoteAddr)
}

// warnEvery is how often senders that are not let in are warned of: a secret that
// is wrong refuses all of them, and anybody may knock.
const warnEvery = 10 * time.Second

func (in *intake) warn() bool {
	now, last := time.Now().UnixNano(), in.warned.Load()
	return now-last >= int64(warnEvery) && in.warned.CompareAndSwap(last, now)
}

// isGone reports whether err says that the sender has not waited for the answer.
func isGone(err error) bool { return errors.Is(err, context.Canceled) }

// isFinal reports whether err, of Emit, says that the event will never be taken.
func isFinal(err error) bool { return hearken.IsPermanent(err) || errors.Is(err, bus.ErrRejected) }
