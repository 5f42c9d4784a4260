package sourcetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
)

// testCase is one clause of the contract and its proof.
type testCase struct {
	name   string
	clause string // quoted from package hearken; (in parentheses: what the kit adds)
	check  func(p *probe)
}

// The sentences that several cases prove.
const (
	clauseRun    = "Run emits events through out until ctx ends, and then returns soon: nil or ctx's error."
	clauseSettle = "A source settles upstream (answers 2xx, deletes, commits) only after Emit returned nil."
	clauseDuring = "It is finished within the pipeline's Drain; ctx's deadline holds."
	clauseFull   = "An error that Is bus.ErrFull means that there is no room now: emit again later and tell upstream so."
	clauseNever  = "An error that IsPermanent means that this event will never be taken: it is not valid or too large."
	clauseAgain  = "After any other error the event may have been stored; emitting it again with the same id is safe."
	clauseCalls  = "Emit may be called concurrently, and nobody may change e afterwards."
)

func (h Harness) cases() []testCase {
	cases := []testCase{
		{"validates", "Validate has no effects and touches no network. (The source of a harness has no mistakes.)", validates},
		{"emits until its context ends", clauseRun, emitsUntilEnd},
		{"returns when its context ends", clauseRun, returnsIdle},
		{"returns when its context has ended", clauseRun, returnsAtOnce},
		{"returns when its context ends during an emit", clauseDuring, returnsDuringEmit},
		{"leaves no goroutines", clauseRun + " (Whatever Run started has ended with it.)", leavesNoGoroutines},
		{"runs again", "Any other error is logged, and Run is called again after a backoff", runsAgain},
		{"emits again what was not settled when Run ended", clauseSettle, emitsAgainAfterEnd},
		{"settles only after Emit", clauseSettle, settlesAfterEmit},
		{"tells upstream that there is no room", clauseFull, tellsFull},
		{"loses nothing while there is no room", clauseFull, losesNothingFull},
		{"tells upstream that an event will never be taken", clauseNever, tellsNever},
		{"goes on after an event that will never be taken", clauseNever, goesOn},
		{"emits again after any other error", clauseAgain, emitsAgain},
		{"emits valid events", "What e leaves empty is stamped: id, source (the event source's name), subject (the event's name) and time. (The type is the source's.)", emitsValid},
		{"gives distinct happenings distinct ids", "The id names the happening, not its content: give the same id to the same happening and the bus drops the second.", distinctIDs},
		{"leaves emitted events alone", clauseCalls, leavesAlone},
		{"takes many happenings at once", clauseCalls, takesMany},
	}
	if h.Concurrent {
		cases = append(cases, testCase{
			"does not let one happening wait for another",
			clauseCalls + " (Harness.Concurrent says that it is called so.)", concurrent,
		})
	}
	return cases
}

func validates(p *probe) {
	if v, ok := p.Source.(hearken.Validator); ok {
		if err := v.Validate(); err != nil {
			failf("Validate: %v", err)
		}
	}
}

func emitsUntilEnd(p *probe) {
	p.start(nil)
	for n := range 3 {
		p.produce(n)
		p.settledTogether(n)
	}
	p.running()
}

// settledTogether waits until happenings 0 to last are settled.
func (p *probe) settledTogether(last int) []hearken.Event {
	happenings := make([]int, last+1)
	for n := range happenings {
		happenings[n] = n
	}
	return p.settled(happenings...)
}

func returnsIdle(p *probe) {
	p.start(nil)
	p.produce(0)
	p.settled(0)
	p.finish()
}

func returnsAtOnce(p *probe) {
	p.start(nil)
	p.finish()
}

func returnsDuringEmit(p *probe) {
	gate := &Gate{}
	defer gate.Open()
	p.start(gate.Emit)
	p.produce(0)
	p.attempted(1, 0)
	p.stop()
	p.never("upstream was told that the happening is settled while Emit was still under way", func() bool {
		return p.outcome(0) == Settled
	})
	gate.Open()
	p.finish()
}

func leavesNoGoroutines(p *probe) {
	returnsDuringEmit(p)
	p.eventually("goroutines that Run had started were not gone", func() bool {
		if p.CloseIdle != nil {
			p.CloseIdle()
		}
		return !p.goroutines()
	})
}

func runsAgain(p *probe) {
	for n := range 3 {
		p.start(nil)
		p.produce(n)
		p.settled(n)
		p.finish()
	}
}

func emitsAgainAfterEnd(p *probe) {
	p.start(func(context.Context, hearken.Event) error { return errStore })
	p.produce(0)
	first := p.attempted(1, 0)[0]
	p.finish()

	p.start(nil)
	p.same(first, p.settled(0)[0])
}

func settlesAfterEmit(p *probe) {
	gate := &Gate{}
	defer gate.Open()
	p.start(gate.Emit)
	p.produce(0)
	p.attempted(1, 0)
	p.never("upstream was told that the happening is settled, or will never be taken, before Emit had returned", func() bool {
		o := p.outcome(0)
		return o == Settled || o == Refused
	})
	gate.Open()
	p.settled(0)
}

var (
	errFull  = fmt.Errorf("sourcetest: %w", bus.ErrFull)
	errStore = errors.New("sourcetest: the bus is away")
	errNever = hearken.Permanent(errors.New("sourcetest: this event is not taken"))
)

// tellsFull holds the bus full for a while. What upstream is told meanwhile
// may be "later" or nothing yet.
func tellsFull(p *probe) {
	p.start(func(context.Context, hearken.Event) error { return errFull })
	p.produce(0)
	p.attempted(1, 0)
	p.never("upstream was told that the happening is done with while there was no room for it", func() bool {
		o := p.outcome(0)
		return o == Settled || o == Refused
	})
	p.running()
}

func losesNothingFull(p *probe) {
	p.start(FailFirst(2, errFull))
	p.produce(0)
	p.same(p.attempted(3, 0)[0], p.settled(0)[0])
}

func tellsNever(p *probe) {
	p.start(func(context.Context, hearken.Event) error { return errNever })
	p.produce(0)
	p.attempted(1, 0)
	if p.Outcome == nil {
		p.running()
		return
	}
	p.eventually("upstream was not told that the happening will never be taken", func() bool {
		o := p.Outcome(0)
		if o == Settled {
			failf("upstream was told that the happening is settled, which will never be taken")
		}
		return o == Refused
	})
}

func goesOn(p *probe) {
	p.start(FailFirst(1, errNever))
	p.produce(0)
	p.attempted(1, 0)
	p.produce(1)
	p.settled(1)
	p.running()
}

func emitsAgain(p *probe) {
	p.start(FailFirst(1, errStore))
	p.produce(0)
	attempts := p.attempted(2, 0)
	p.same(attempts[0], attempts[1])
	p.settled(0)
}

// same fails unless both events name one happening.
func (p *probe) same(first, again hearken.Event) {
	if !p.h.Anonymous && id(first) != id(again) {
		failf("the same happening was emitted with id %q and then with id %q", id(first), id(again))
	}
}

// distinctIDs does not mind that a happening is emitted again: upstream may have
// told of it twice.
func distinctIDs(p *probe) {
	const happenings = 3
	p.start(nil)
	for n := range happenings {
		p.produce(n)
	}
	seen, nameless, last := map[string]bool{}, 0, ""
	for _, e := range p.settledTogether(happenings - 1) {
		switch id := id(e); {
		case id == "" && !p.h.Anonymous:
			failf("an event has no id, though upstream's happenings have an identity")
		case id == "":
			nameless++
		default:
			seen[id], last = true, id
		}
	}
	if len(seen)+nameless < happenings {
		failf("two happenings were emitted with one id, as with id %q", last)
	}
}

func emitsValid(p *probe) {
	p.start(nil)
	p.produce(0)
	e := p.settled(0)[0]
	if e.Context == nil || e.Type() == "" {
		failf("the event has no type: %+v", e)
	}
	if err := stamped(e).Validate(); err != nil {
		failf("the event is not valid: %v", err)
	}
	if isJSON(e) && len(e.Data()) > 0 && !json.Valid(e.Data()) {
		failf("the event's data is not valid JSON: %.100q", e.Data())
	}
}

// stamped returns e with what the pipeline fills in.
func stamped(e hearken.Event) hearken.Event {
	e = e.Clone()
	if c, ok := e.Context.(*event.EventContextV1); ok {
		if c.ID == "" {
			c.ID = "stamped"
		}
		if c.Source.String() == "" {
			c.Source = *types.ParseURIRef("stamped")
		}
	}
	return e
}

func isJSON(e hearken.Event) bool {
	if e.DataContentType() == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(e.DataContentType())
	return err == nil && (media == event.ApplicationJSON || media == event.TextJSON || strings.HasSuffix(media, "+json"))
}

func leavesAlone(p *probe) {
	var before []string
	p.start(nil)
	for n := range 5 {
		p.produce(n)
		for _, e := range p.settledTogether(n)[len(before):] {
			before = append(before, text(e))
		}
	}
	p.finish()
	for i, e := range p.rec.Events() {
		if i < len(before) && text(e) != before[i] {
			failf("an event was changed after Emit, from\n%s\nto\n%s", before[i], text(e))
		}
	}
}

func takesMany(p *probe) {
	const many = 50
	p.start(nil)
	for n := range many {
		p.produce(n)
	}
	p.settledTogether(many - 1)
}

func concurrent(p *probe) {
	gate := &Gate{}
	defer gate.Open()
	first := make(chan struct{}, 1)
	first <- struct{}{}
	p.start(func(ctx context.Context, e hearken.Event) error {
		select {
		case <-first:
			return gate.Emit(ctx, e)
		default:
			return nil
		}
	})
	p.produce(0)
	p.attempted(1, 0)
	p.produce(1)
	p.settled(1)
	if o := p.outcome(0); o == Settled && p.Outcome != nil {
		failf("upstream was told that happening 0 is settled before Emit had returned")
	}
	gate.Open()
	p.settledTogether(1)
}

func id(e hearken.Event) string {
	if e.Context == nil {
		return ""
	}
	return e.ID()
}

// text is all that an event says.
func text(e hearken.Event) string {
	if e.Context == nil {
		return string(e.DataEncoded)
	}
	return e.Context.String() + string(e.DataEncoded)
}
