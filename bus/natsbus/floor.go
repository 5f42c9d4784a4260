package natsbus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/nats-io/nats.go/jetstream"
)

// onItsWay is for how long an event with a time of its own may be on its way into
// a replicated stream: the leader stamps it before the others have it, and one
// that has lost the others goes on answering until it notices, after 10 to 20
// seconds.
const onItsWay = 20 * time.Second

// Floor implements bus.Subscription. Where the bus has replicas, the Time of a
// group with nothing unsettled is 20 seconds ago. After a server was killed or
// lost its power the floor may go back by what it had not synced, and in a
// cluster, when another server takes over, by the difference of their clocks.
//
// It costs three round trips for each of the two streams that the group has
// topics in, in the last of which one request goes out for each topic, at most
// 200.
func (s *subscription) Floor(ctx context.Context) (bus.Floor, error) {
	if err := s.why(); err != nil {
		return bus.Floor{}, err
	}
	f := bus.Floor{Logs: map[string]uint64{}}
	for _, deadLetters := range []bool{false, true} {
		p := place{b: s.b, id: s.id, group: s.group, deadLetters: deadLetters}
		switch err := p.floor(ctx, &f); {
		case isForgotten(err):
			return bus.Floor{}, fmt.Errorf("%w: %w", bus.ErrClosed, err)
		case err != nil:
			return bus.Floor{}, err
		}
	}
	if len(f.Logs) == 0 {
		return bus.Floor{}, fmt.Errorf("%w: group %q was forgotten", bus.ErrClosed, s.group)
	}
	return f, nil
}

// why returns why the subscription has ended, nil if it has not.
func (s *subscription) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end
}

// floor adds to f the log of p, if the group has topics there. The order counts:
// what was stored before the stream said its last position is there to be found
// as the first that is not settled, and what comes later has a later time.
func (p *place) floor(ctx context.Context, f *bus.Floor) error {
	consumer, topics, err := p.read(ctx)
	if consumer == nil || err != nil {
		return err
	}
	info, err := p.stream().Info(ctx)
	if err != nil {
		return fmt.Errorf("natsbus: floor: %w", err)
	}
	seq, at := info.State.LastSeq, info.TimeStamp
	if info.Config.Replicas > 1 {
		at = at.Add(-onItsWay)
	}
	// The server's floor may not know yet where the group began.
	if settled := max(consumer.AckFloor.Stream+1, consumer.Config.OptStartSeq) - 1; settled < seq {
		first, err := p.first(ctx, topics, settled)
		if err != nil {
			return err
		}
		if first != nil {
			seq, at = min(seq, first.Sequence-1), earlier(at, first.Time)
		}
	}
	f.Logs[logName(info)] = seq
	if f.Time.IsZero() {
		f.Time = at
	}
	f.Time = earlier(f.Time, at)
	return nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// first returns the first message above settled that the consumer is to deliver,
// nil when there is none. It asks by the consumer's own filters, so what one of
// them takes beyond the topics, the consumer takes too, and in time settles.
func (p *place) first(ctx context.Context, topics topicSet, settled uint64) (*jetstream.RawStreamMsg, error) {
	filters := topics.filters(p.prefix())
	found, errs := make([]*jetstream.RawStreamMsg, len(filters)), make([]error, len(filters))
	var wg sync.WaitGroup
	for i, filter := range filters {
		wg.Go(func() { found[i], errs[i] = p.next(ctx, filter, max(settled, topics[filter])+1) })
	}
	wg.Wait()
	var first *jetstream.RawStreamMsg
	for _, m := range found {
		if m != nil && (first == nil || m.Sequence < first.Sequence) {
			first = m
		}
	}
	return first, errors.Join(errs...)
}

// next returns the first message from seq on that filter takes, nil when there
// is none.
func (p *place) next(ctx context.Context, filter string, seq uint64) (*jetstream.RawStreamMsg, error) {
	m, err := p.stream().GetMsg(ctx, seq, jetstream.WithGetMsgSubject(filter))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil //nolint:nilnil // as first
	}
	if err != nil {
		return nil, fmt.Errorf("natsbus: floor: %w", err)
	}
	return m, nil
}
