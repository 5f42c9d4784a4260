package bustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
)

func publishCases() []busCase {
	const (
		stored    = "Publish returns nil once e is stored for every group of t that exists, whether or not a member of it runs"
		identity  = "An event with the Identity of one published within the bus's dedupe window counts as stored and is not stored again."
		unchanged = "Publish keeps e and its data, which nobody may change from then on; it does not change them."
	)
	return []busCase{
		{name: "Publish/every group gets it", clause: stored, prove: everyGroup},
		{name: "Publish/a group with no member running keeps it", clause: stored, prove: memberless},
		{name: "Publish/many at once", clause: stored, prove: manyPublishers},
		{name: "Publish/no group wants it", clause: "an event that no group wants is dropped.", prove: unwanted},
		{name: "Publish/changes nothing", clause: unchanged, prove: publishChangesNothing},
		{
			name: "Publish/too large", clause: "An event too large to be ever stored is ErrRejected.",
			needs: tooLarge, prove: largest,
		},
		{
			name: "Publish/with its answer lost", clause: "publishing it again is safe within the dedupe window.",
			needs: loseAnswers, promise: Dedupe, prove: publishAnswerLost,
		},
	}
}

func everyGroup(p *probe) {
	b := p.open()
	one, two := p.subscribe(b, "one", ordinary("created")), p.subscribe(b, "two", ordinary("created"), ordinary("paid"))
	p.publish(b, ordinary("created"), "1", "2")
	p.publish(b, ordinary("paid"), "3")
	p.expect(one, "1", "2")
	p.expect(two, "1", "2", "3")
}

func memberless(p *probe) {
	b := p.open()
	p.begin(b, "group", ordinary("created"))
	want := numbered("", 20)
	p.publish(b, ordinary("created"), want...)
	p.expect(p.subscribe(b, "group", ordinary("created")), want...)
}

func manyPublishers(p *probe) {
	const publishers, each = 16, 25
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.parallel(publishers, func(ctx context.Context, i int) error {
		for n := range each {
			if err := b.Publish(ctx, ordinary("created"), newEvent(fmt.Sprintf("%d/%d", i, n))); err != nil {
				return fmt.Errorf("publisher %d of %d: %w", i, publishers, err)
			}
		}
		return nil
	})
	var want []string
	for i := range publishers {
		want = append(want, numbered(fmt.Sprintf("%d/", i), each)...)
	}
	p.expect(s, want...)
}

func unwanted(p *probe) {
	b := p.open()
	p.publish(b, ordinary("created"), "1")
	other := p.subscribe(b, "other", ordinary("paid"))
	p.publish(b, ordinary("created"), "2")
	p.none(other, "no group wanted the event")
	s := p.subscribe(b, "late", ordinary("created"))
	p.publish(b, ordinary("created"), "3")
	p.expect(s, "3")
}

func publishChangesNothing(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	e := newEvent("1")
	e.SetSubject("subject")
	e.SetExtension("number", int32(7))
	e.SetTime(time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC))
	before := e.Clone()
	p.send(b, ordinary("created"), e)
	p.gather(s, "1")
	p.same(e, before)
}

// same fails unless got is the event want. Extensions are the same when they
// are written alike.
func (p *probe) same(got, want event.Event) {
	if diff := differ(got, want); diff != "" {
		p.failf("event %q: %s", want.ID(), diff)
	}
}

// largest finds the largest event that the bus takes, and proves that it comes
// whole, and that a dead letter of DeadLetterRoom more does too.
func largest(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"), letters("created"))
	size, tries := 0, 0
	var ds []bus.Delivery
	for low, high := 0, p.h.TooLarge; low < high; {
		mid := (low + high) / 2
		if tries++; p.takes(b, ordinary("created"), sized(fmt.Sprint(tries), mid)) {
			size, low = mid, mid+1
			ds = append(ds, p.next(s, ds))
			p.intact(ds[len(ds)-1], mid)
			p.ack(ds[len(ds)-1])
		} else {
			high = mid
		}
	}
	if size == 0 || p.takes(b, ordinary("created"), sized("too large", p.h.TooLarge)) {
		p.failf("an event of %d bytes was taken, which the harness says is too large", p.h.TooLarge)
	}
	if !p.takes(b, letters("created"), sized("letter", size+bus.DeadLetterRoom)) {
		p.failf("a dead letter of %d + DeadLetterRoom bytes of data was refused, although an event of %d was taken", size, size)
	}
	p.intact(p.next(s, ds), size+bus.DeadLetterRoom)
}

// takes reports whether b takes e; it may refuse only with ErrRejected.
func (p *probe) takes(b bus.Bus, t bus.Topic, e event.Event) bool {
	var rejected bool
	p.do(fmt.Sprintf("Publish of %d bytes", len(e.Data())), func(ctx context.Context) error {
		err := b.Publish(ctx, t, e)
		if rejected = errors.Is(err, bus.ErrRejected); rejected {
			return nil
		}
		return err
	})
	return !rejected
}

func (p *probe) intact(d bus.Delivery, size int) {
	if !bytes.Equal(d.Event.Data(), sized("", size).Data()) {
		p.failf("%d bytes were published and came changed, as %d bytes", size, len(d.Event.Data()))
	}
}

// sized returns an event with that many bytes of data.
func sized(id string, size int) event.Event {
	e := newEvent(id)
	e.DataEncoded = slices.Repeat([]byte{'x'}, size)
	return e
}

func publishAnswerLost(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.h.LoseAnswers(p.t, b, true)
	ctx, cancel := context.WithTimeout(p.t.Context(), p.h.Quiet)
	err := b.Publish(ctx, ordinary("created"), newEvent("1"))
	cancel()
	p.h.LoseAnswers(p.t, b, false)
	if errors.Is(err, bus.ErrFull) || errors.Is(err, bus.ErrRejected) {
		p.failf("Publish with its answer lost: %v, which says that the event was not stored", err)
	}
	p.publish(b, ordinary("created"), "1")
	p.expect(s, "1")
}
