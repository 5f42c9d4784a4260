package sourcetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"strconv"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
)

// probe proves one case on one source.
type probe struct {
	Upstream
	t     testing.TB
	h     Harness
	rec   *Recorder
	ended chan result // receives what Run returned
	stop  context.CancelFunc
	label string // marks the goroutines that Run starts
}

type result struct{ err error }

// failure is how a proof ends that found the contract broken. It is thrown
// rather than reported to t, so that the kit can be proved itself.
type failure struct{ msg string }

func (f failure) Error() string { return f.msg }

// failf ends the proof. It is called on the goroutine of the proof only.
func failf(format string, args ...any) { panic(failure{fmt.Sprintf(format, args...)}) }

// prove returns why the source does not keep c's clause.
func (h Harness) prove(t testing.TB, c testCase) (err error) {
	h.Wait = cmp.Or(h.Wait, 30*time.Second)
	h.Quiet = cmp.Or(h.Quiet, 200*time.Millisecond)
	p := &probe{t: t, h: h, Upstream: h.New(t), rec: &Recorder{}}
	p.label = strconv.FormatInt(time.Now().UnixNano(), 36) + " " + t.Name()
	defer func() {
		p.end()
		switch r := recover().(type) {
		case nil:
		case failure:
			err = r
		default:
			panic(r)
		}
	}()
	c.check(p)
	return nil
}

// end stops a source that the case left running. It reports nothing: how Run
// must end is proved by cases of its own.
func (p *probe) end() {
	if p.stop == nil {
		return
	}
	p.stop()
	select {
	case <-p.ended:
	case <-time.After(p.h.Wait):
	}
}

// start runs the source into a new Recorder.
func (p *probe) start(then func(context.Context, hearken.Event) error) {
	p.rec = &Recorder{Then: then, Store: p.Store}
	p.rec.Topic.EventSource, p.rec.Topic.Event = "sourcetest", "happening"
	ctx, cancel := context.WithCancel(context.WithoutCancel(p.t.Context()))
	ended := make(chan result, 1)
	p.stop, p.ended = cancel, ended
	out := p.rec.Output()
	go pprof.Do(ctx, pprof.Labels(labelKey, p.label), func(ctx context.Context) {
		ended <- result{p.Source.Run(ctx, out)}
	})
}

// finish ends Run's context and fails unless Run returns as it should.
func (p *probe) finish() {
	p.stop()
	select {
	case r := <-p.ended:
		p.stop = nil
		if r.err != nil && !errors.Is(r.err, context.Canceled) {
			failf("Run returned %q after its context had been cancelled, which is not the context's error", r.err)
		}
	case <-time.After(p.h.Wait):
		failf("Run did not return within %v after its context had been cancelled", p.h.Wait)
	}
}

// running fails if Run has returned.
func (p *probe) running() {
	select {
	case r := <-p.ended:
		p.stop = nil
		failf("Run returned (%v) before its context had ended", r.err)
	default:
	}
}

func (p *probe) produce(n int) { p.call(p.Produce, "Produce", n) }

// resend makes the happening come again if it is upstream that has to see to it.
func (p *probe) resend(n int) {
	if p.Resend != nil && p.Outcome != nil && p.Outcome(n) == Later {
		p.call(p.Resend, "Resend", n)
	}
}

func (p *probe) call(f func(context.Context, int) error, name string, n int) {
	ctx, cancel := context.WithTimeout(p.t.Context(), p.h.Wait)
	defer cancel()
	if err := f(ctx, n); err != nil {
		failf("%s(%d): %v", name, n, err)
	}
}

// outcome returns what upstream was told of happening n. Where it is told
// nothing, what the Recorder has stored counts.
func (p *probe) outcome(n int) Outcome {
	switch {
	case p.Outcome != nil:
		return p.Outcome(n)
	case len(p.rec.Events()) > 0:
		return Settled
	default:
		return Pending
	}
}

// attempted waits for the k-th call of Emit, with happenings resent as need be.
func (p *probe) attempted(k int, happenings ...int) []hearken.Event {
	p.eventually(fmt.Sprintf("Emit was not called %d times", k), func() bool {
		if len(p.rec.Attempts()) >= k {
			return true
		}
		for _, n := range happenings {
			p.resend(n)
		}
		return false
	})
	return p.rec.Attempts()
}

// settled waits until the happenings are settled and as many events stored. It
// fails at once if one is refused, or settled with nothing stored.
func (p *probe) settled(happenings ...int) []hearken.Event {
	p.eventually(fmt.Sprintf("happenings %v did not become settled events", happenings), func() bool {
		done := 0
		for _, n := range happenings {
			switch p.outcome(n) {
			case Settled:
				done++
			case Refused:
				failf("upstream was told that happening %d will never be taken", n)
			default:
				p.resend(n)
			}
		}
		stored := len(p.rec.Events())
		if p.Outcome != nil && done > stored {
			failf("upstream was told of %d settled happenings when Emit had returned nil %d times", done, stored)
		}
		return stored >= len(happenings) && (p.Outcome == nil || done == len(happenings))
	})
	return p.rec.Events()
}

// eventually fails unless f comes to return true while the source runs.
func (p *probe) eventually(otherwise string, f func() bool) {
	for wait, deadline := time.Millisecond, time.Now().Add(p.h.Wait); !f(); wait = min(2*wait, 50*time.Millisecond) {
		if p.stop != nil {
			p.running()
		}
		if time.Now().After(deadline) {
			failf("%s within %v", otherwise, p.h.Wait)
		}
		<-time.After(wait)
	}
}

// never fails if f comes to return true within the harness's Quiet.
func (p *probe) never(what string, f func() bool) {
	for deadline := time.Now().Add(p.h.Quiet); time.Now().Before(deadline); <-time.After(p.h.Quiet / 20) {
		if f() {
			failf("%s", what)
		}
	}
}

const labelKey = "sourcetest"

// goroutines reports whether goroutines are left that Run or what it called
// has started: they bear the label that Run was called with.
func (p *probe) goroutines() bool {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		failf("goroutine profile: %v", err)
	}
	return bytes.Contains(profile.Bytes(), []byte(strconv.Quote(p.label)))
}
