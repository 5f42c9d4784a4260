package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
)

func roomCases() []busCase {
	return []busCase{
		{
			name: "Room/full refuses and drops nothing", clause: "It never waits for room: it returns ErrFull at once",
			needs: small, prove: fullDropsNothing,
		},
		{
			name: "Room/settled events take none", clause: "what every group has settled takes no room.",
			needs: small, prove: settledTakesNoRoom,
		},
		{
			name: "Room/full names the group that holds most", needs: small, prove: fullNamesTheHolder,
			clause: "The text names the group that holds most, since a retired group fills a bus for everyone.",
		},
		{
			name: "Room/a retired group can be forgotten", needs: small, promise: Groups, prove: forgetFreesRoom,
			clause: "A group that nobody runs any more keeps its backlog and in time fills the bus for everyone.",
		},
	}
}

// room publishes e and reports whether there was room for it.
func (p *probe) room(b bus.Bus, t bus.Topic, e event.Event) bool {
	return !errors.Is(p.refusal(b, t, e), bus.ErrFull)
}

// refusal publishes e and returns nil or the ErrFull that it was refused with.
func (p *probe) refusal(b bus.Bus, t bus.Topic, e event.Event) error {
	var full error
	p.do(fmt.Sprintf("Publish %q", e.ID()), func(ctx context.Context) error {
		err := b.Publish(ctx, t, e)
		if errors.Is(err, bus.ErrFull) {
			full = err
			return nil
		}
		return err
	})
	return full
}

// fill publishes to t until the bus is full, and returns the ids of what was
// stored and of what was refused.
func (p *probe) fill(b bus.Bus, t bus.Topic) (stored []string, refused string) {
	const most = 10_000
	for _, id := range numbered("fill", most) {
		if !p.room(b, t, newEvent(id)) {
			return stored, id
		}
		stored = append(stored, id)
	}
	p.failf("a small bus took %d events that nobody settled, and ErrFull never came", most)
	return nil, ""
}

func fullDropsNothing(p *probe) {
	b := p.h.Small(p.t, 20)
	p.begin(b, "group", ordinary("created"))
	p.begin(b, "other", ordinary("paid"))
	p.publish(b, ordinary("paid"), "first")
	stored, _ := p.fill(b, ordinary("created"))
	if len(stored) == 0 {
		p.failf("a bus with room for 20 events took none")
	}
	p.expect(p.subscribe(b, "group", ordinary("created")), stored...)
	p.expect(p.subscribe(b, "other", ordinary("paid")), "first")
}

func settledTakesNoRoom(p *probe) {
	b := p.h.Small(p.t, 10)
	subs := []bus.Subscription{p.subscribe(b, "one", ordinary("created")), p.subscribe(b, "two", ordinary("created"))}
	came := make([][]bus.Delivery, len(subs))
	for _, id := range numbered("", 100) {
		p.eventually("room for the next event when every group has settled the ones before", func() bool {
			return p.room(b, ordinary("created"), newEvent(id))
		})
		for i, s := range subs {
			d := p.next(s, came[i])
			if came[i] = append(came[i], d); d.Event.ID() != id {
				p.failf("%s came, want %q", place(d), id)
			}
			p.ack(d)
		}
	}
}

func fullNamesTheHolder(p *probe) {
	b := p.h.Small(p.t, 20)
	live := p.subscribe(b, "live", ordinary("created"))
	p.begin(b, "retired", ordinary("created"))
	stored, refused := p.fill(b, ordinary("created"))
	p.gather(live, stored...)
	var text string
	p.eventually("ErrFull naming the group that holds most", func() bool {
		err := p.refusal(b, ordinary("created"), newEvent(refused))
		if err == nil {
			p.failf("there is room although group \"retired\" settled nothing")
		}
		text = err.Error()
		return strings.Contains(text, "retired") && !strings.Contains(text, "live")
	})
}

func forgetFreesRoom(p *probe) {
	b := p.h.Small(p.t, 20)
	live := p.subscribe(b, "live", ordinary("created"))
	p.begin(b, "retired", ordinary("created"))
	stored, refused := p.fill(b, ordinary("created"))
	p.gather(live, stored...)
	if p.room(b, ordinary("created"), newEvent(refused)) {
		p.failf("there is room although group \"retired\" settled nothing")
	}
	p.forget(b, "retired")
	p.eventually("room after the retired group was forgotten", func() bool {
		return p.room(b, ordinary("created"), newEvent(refused))
	})
	p.expect(live, refused)
	if slices.Contains(stored, refused) {
		p.failf("the refused event was stored")
	}
}
