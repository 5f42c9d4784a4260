package bustest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hearken-go/hearken/bus"
)

func floorCases() []busCase {
	const (
		holds = "An event that is delivered and not settled, buffered, handed back, delayed or not yet delivered holds it back, " +
			"whichever member has it and in whatever process."
		begins = "That begins when the event's Publish returns nil, and no event that is stored later comes below a floor that was returned."
		goes   = "What is settled lets go of it within seconds."
		logs   = "Logs holds, by the Pos.Log of each log that has topics of the group, the position up to which, itself included, " +
			"every event of the group is settled."
		last   = "When nothing in it is unsettled it is the last position of the log, 0 if there is none."
		closed = "It returns ErrClosed once the subscription is closed or the group is forgotten."
	)
	return []busCase{
		{name: "Floor/passes what is settled", clause: goes, prove: floorSettled},
		{name: "Floor/passes what is not the group's", clause: logs, prove: floorOthers},
		{name: "Floor/of a group that began later", clause: logs, prove: floorLateGroup},
		{name: "Floor/of an empty bus", clause: last, prove: floorEmpty},
		{name: "Floor/held back by what is held", clause: holds, prove: floorHeld},
		{name: "Floor/held back by what is held out of order", clause: holds, prove: floorOutOfOrder},
		{name: "Floor/held back by what is buffered", clause: holds, prove: floorBuffered},
		{name: "Floor/held back by what was never delivered", clause: holds, prove: floorUndelivered},
		{name: "Floor/held back by what waits for its time", clause: holds, prove: floorDelayed},
		{name: "Floor/held back by what a member left behind", clause: holds, prove: floorLeft},
		{name: "Floor/held back by what a dead member held", clause: holds, needs: kill, prove: floorDead},
		{name: "Floor/held back by what was held in a crash", clause: holds, needs: crash, prove: floorCrash},
		{name: "Floor/held back by a dead letter", clause: logs, prove: floorLetter},
		{name: "Floor/held back beside dead letters", clause: logs, prove: floorBesideLetters},
		{name: "Floor/held back by an old dead letter", clause: holds, prove: floorOldLetter},
		{
			name: "Floor/passes a dropped dead letter", needs: small, prove: floorDropped,
			clause: "A dead letter that was dropped counts as settled.",
		},
		{name: "Floor/below what is published later", clause: begins, prove: floorLater},
		{name: "Floor/while others publish", clause: begins, prove: floorMeanwhile},
		{name: "Floor/after Close", clause: closed, prove: floorClosed},
		{name: "Floor/of a forgotten group", clause: closed, promise: Groups, prove: floorForgotten},
	}
}

func (p *probe) floor(s bus.Subscription) bus.Floor {
	var f bus.Floor
	p.do("Floor", func(ctx context.Context) (err error) {
		f, err = s.Floor(ctx)
		return err
	})
	return f
}

// passed says by what f is beyond d, "" if it is not.
func passed(f bus.Floor, d bus.Delivery) string {
	switch seq := f.Logs[d.Pos.Log]; {
	case seq >= d.Pos.Seq:
		return fmt.Sprintf("the floor of its log is %d", seq)
	case f.Time.After(d.Stored):
		return fmt.Sprintf("the floor is %v", f.Time)
	}
	return ""
}

// floors asks for the floor of each of subs until all are beyond d, in time and
// position, and returns all that it got.
func (p *probe) floors(d bus.Delivery, subs ...bus.Subscription) []bus.Floor {
	var all []bus.Floor
	p.eventually(fmt.Sprintf("Floor passes %s, stored %v, which is settled", place(d), d.Stored), func() bool {
		beyond := true
		for _, s := range subs {
			f := p.floor(s)
			all = append(all, f)
			beyond = beyond && f.Logs[d.Pos.Log] >= d.Pos.Seq && f.Time.After(d.Stored)
		}
		return beyond
	})
	return all
}

// behind fails if one of fs is beyond d.
func (p *probe) behind(fs []bus.Floor, d bus.Delivery, why string) {
	for _, f := range fs {
		if by := passed(f, d); by != "" {
			p.failf("%s, stored %v, %s; yet %s", place(d), d.Stored, why, by)
		}
	}
}

// settled returns a delivery that s has settled, with time passed since it was
// stored.
func (p *probe) settled(b bus.Bus, s bus.Subscription) bus.Delivery {
	d := p.held(b, s, ordinary("created"), "settled")
	p.ack(d)
	return d
}

// held publishes an event and returns its delivery, with time passed since.
func (p *probe) held(b bus.Bus, s bus.Subscription, t bus.Topic, id string) bus.Delivery {
	p.publish(b, t, id)
	d := p.receive(s)
	if d.Event.ID() != id {
		p.failf("%s came, want %q", place(d), id)
	}
	p.pause(time.Millisecond)
	return d
}

func floorSettled(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	for _, id := range numbered("", 3) {
		d := p.held(b, s, ordinary("created"), id)
		p.ack(d)
		p.floors(d, s)
	}
	d := p.settled(b, s)
	p.floors(d, s, p.subscribe(p.elsewhere(b), "group", ordinary("created")))
}

// floorOthers leaves everything to another group: what this one has settled too,
// and a topic that it comes to want later.
func floorOthers(p *probe) {
	b := p.open()
	p.begin(b, "retired", ordinary("created"), ordinary("paid"))
	s := p.subscribe(b, "group", ordinary("created"))
	p.publish(b, ordinary("paid"), "1")
	d := p.settled(b, s)
	p.publish(b, ordinary("paid"), "2")
	p.floors(d, s)
	p.close(s)
	s = p.subscribe(b, "group", ordinary("created"), ordinary("paid"))
	d = p.held(b, s, ordinary("paid"), "3")
	p.ack(d)
	p.floors(d, s)
}

func floorLateGroup(p *probe) {
	b := p.open()
	early := p.subscribe(b, "early", ordinary("created"))
	p.publish(b, ordinary("created"), "1", "2")
	ds := p.take(early, 2)
	late := p.subscribe(b, "late", ordinary("created"))
	p.floors(ds[1], late)
	p.behind([]bus.Floor{p.floor(early)}, ds[0], "is held in its group")
}

func floorEmpty(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	f := p.floor(s)
	for log, seq := range f.Logs {
		if seq != 0 {
			p.failf("nothing was ever stored, but the floor of log %q is %d, want 0", log, seq)
		}
	}
	d := p.settled(b, s)
	if _, ok := f.Logs[d.Pos.Log]; !ok || len(f.Logs) != 1 {
		p.failf("the floor is of %v, but the group's events come from log %q", f.Logs, d.Pos.Log)
	}
	if d.Stored.Before(f.Time) {
		p.failf("%s was stored %v, below a floor that was returned before: %v", place(d), d.Stored, f.Time)
	}
}

// floorHeld asks the member that holds the event, and another one.
func floorHeld(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	settled := p.settled(b, s)
	d := p.held(b, s, ordinary("created"), "held")
	other := p.subscribe(p.elsewhere(b), "group", ordinary("created"))
	p.behind(p.floors(settled, s, other), d, "is held")
	p.ack(d)
	p.floors(d, s, other)
}

// floorOutOfOrder settles what was stored later first.
func floorOutOfOrder(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	settled := p.settled(b, s)
	first := p.held(b, s, ordinary("created"), "first")
	later := p.held(b, s, ordinary("created"), "later")
	p.ack(later)
	p.behind(p.floors(settled, s), first, "is held")
	p.ack(first)
	p.floors(later, s)
}

func floorBuffered(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	settled := p.settled(b, s)
	p.publish(b, ordinary("created"), "buffered")
	fs := p.floors(settled, s)
	d := p.receive(s)
	p.behind(fs, d, "was not received yet")
	p.ack(d)
	p.floors(d, s)
}

// floorUndelivered publishes more than may be in flight.
func floorUndelivered(p *probe) {
	b := p.open()
	s := p.join(b, bus.Group{Name: "group", Topics: []bus.Topic{ordinary("created")}, InFlight: 1})
	p.begin(b, "another", ordinary("created"))
	first := p.held(b, s, ordinary("created"), "first")
	p.publish(b, ordinary("created"), "second")
	p.behind([]bus.Floor{p.floor(s)}, first, "is held")
	p.ack(first)
	fs := p.floors(first, s)
	second := p.receive(s)
	p.behind(fs, second, "was not received yet")
}

func floorDelayed(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	settled := p.settled(b, s)
	d := p.held(b, s, ordinary("created"), "delayed")
	p.retry(d, 5*p.h.Quiet)
	p.behind(p.floors(settled, s), d, "waits for its time")
	p.gather(s, "delayed")
	p.floors(d, s)
}

func floorLeft(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	settled := p.settled(b, s)
	d := p.held(b, s, ordinary("created"), "left")
	p.close(s)
	other := p.subscribe(p.elsewhere(b), "group", ordinary("created"))
	p.behind(p.floors(settled, other), d, "was handed back by Close")
	p.gather(other, "left")
	p.floors(d, other)
}

func floorDead(p *probe) {
	b := p.open()
	process := p.h.Connect(p.t, b)
	s := p.subscribe(process, "group", ordinary("created"))
	settled := p.settled(b, s)
	d := p.held(b, s, ordinary("created"), "held")
	p.h.Kill(p.t, process)
	other := p.subscribe(b, "group", ordinary("created"))
	fs := []bus.Floor{p.floor(other)} // before anything was handed on
	p.drain(other, "held", "settled")
	p.behind(fs, d, "was held by the dead member")
	p.floors(d, other)
	p.floors(settled, other)
}

// drain settles what comes until the first of ids did. The others may come: they
// were settled as all went down.
func (p *probe) drain(s bus.Subscription, ids ...string) {
	for {
		d := p.receive(s)
		p.ack(d)
		switch d.Event.ID() {
		case ids[0]:
			return
		case ids[1]:
		default:
			p.failf("%s came, want %q", place(d), ids)
		}
	}
}

func floorCrash(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.settled(b, s)
	d := p.held(b, s, ordinary("created"), "held")
	b = p.crash(b)
	s = p.subscribe(b, "group", ordinary("created"))
	p.behind([]bus.Floor{p.floor(s)}, d, "was held in the crash")
	p.drain(s, "held", "settled")
	p.floors(d, s)
}

func floorLetter(p *probe) { p.floorBeside(letters("created"), ordinary("created")) }

func floorBesideLetters(p *probe) { p.floorBeside(ordinary("created"), letters("created")) }

// floorBeside holds an event of one topic while those of another one, which may be in
// another log, are settled.
func (p *probe) floorBeside(held, beside bus.Topic) {
	b := p.open()
	s := p.subscribe(b, "group", held, beside)
	settled := p.held(b, s, held, "settled")
	p.ack(settled)
	d := p.held(b, s, held, "held")
	other := p.held(b, s, beside, "beside")
	p.ack(other)
	var fs []bus.Floor
	p.eventually(fmt.Sprintf("Floor passes %s, which is settled, in its log", place(other)), func() bool {
		f := p.floor(s)
		fs = append(fs, f)
		return other.Pos.Log == d.Pos.Log || f.Logs[other.Pos.Log] >= other.Pos.Seq
	})
	p.behind(append(fs, p.floors(settled, s)...), d, "is held")
	for log := range fs[0].Logs {
		if log != d.Pos.Log && log != other.Pos.Log {
			p.failf("the floor is of %v, but the group's events come from %q and %q", fs[0].Logs, d.Pos.Log, other.Pos.Log)
		}
	}
	p.ack(d)
	p.floors(d, s)
	p.floors(other, s)
}

func floorOldLetter(p *probe) {
	b := p.open()
	p.publish(b, letters("created"), "1", "2")
	s := p.subscribe(b, "group", letters("created"), ordinary("created"))
	fs := []bus.Floor{p.floor(s)}
	ds := p.take(s, 2)
	p.behind(fs, ds[0], "is older than the group")
	p.ack(ds[0])
	p.ack(ds[1])
	p.pause(time.Millisecond)
	p.floors(ds[1], s)
}

func floorDropped(p *probe) {
	b := p.h.Small(p.t, 20)
	s := p.join(b, bus.Group{Name: "group", Topics: []bus.Topic{letters("created")}, InFlight: 1})
	d := p.held(b, s, letters("created"), "dropped")
	p.overflow(b)
	p.floors(d, s)
}

func floorLater(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	var ds []bus.Delivery
	for _, id := range numbered("", 20) {
		before := p.floor(s)
		p.publish(b, ordinary("created"), id)
		fs := []bus.Floor{before, p.floor(s)}
		d := p.next(s, ds)
		ds = append(ds, d)
		p.behind(append(fs, p.floor(s)), d, "was stored after the first of these floors")
		p.ack(d)
	}
}

// floorMeanwhile asks for the floor with each delivery, while several publish to
// the group and to another one. Whatever comes after a floor is above it.
func floorMeanwhile(p *probe) {
	const publishers, each = 4, 25
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.begin(b, "other", ordinary("paid"))
	published := make(chan error, publishers)
	ctx, cancel := context.WithTimeout(p.t.Context(), p.wait)
	defer cancel()
	for n := range publishers {
		go func() {
			var errs []error
			for _, id := range numbered(fmt.Sprint(n, "-"), each) {
				errs = append(errs, b.Publish(ctx, ordinary("paid"), newEvent(id)), b.Publish(ctx, ordinary("created"), newEvent(id)))
			}
			published <- errors.Join(errs...)
		}()
	}
	var fs []bus.Floor
	var ds []bus.Delivery
	for len(ds) < publishers*each {
		d := p.receive(s)
		if !again(ds, d) {
			fs = append(fs, p.floor(s))
			p.behind(fs, d, "had not been settled when the floor was asked for")
			ds = append(ds, d)
		}
		p.ack(d)
	}
	for range publishers {
		p.do("Publish", func(context.Context) error { return <-published })
	}
	p.pause(time.Millisecond)
	p.floors(ds[len(ds)-1], s)
}

// noFloor fails unless Floor returns ErrClosed.
func (p *probe) noFloor(s bus.Subscription, when string) {
	p.do("Floor", func(ctx context.Context) error {
		if _, err := s.Floor(ctx); !errors.Is(err, bus.ErrClosed) {
			return errorf(when+": %w, want ErrClosed", err)
		}
		return nil
	})
}

func floorClosed(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	other := p.subscribe(b, "group", ordinary("created"))
	p.close(s)
	p.noFloor(s, "after Close")
	p.floor(other)
}

func floorForgotten(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	p.forget(p.elsewhere(b), "group")
	p.noFloor(s, "the group was forgotten")
}
