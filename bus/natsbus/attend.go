package natsbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	tickEvery   = 250 * time.Millisecond
	attendEvery = 5 * time.Second
)

// beat tells the server which deliveries this member works on, and begins anew
// when the connection did.
func (s *subscription) beat(ctx context.Context) {
	status := s.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer s.nc.RemoveStatusListener(status)
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.progress(now.Add(-s.b.cfg.AckWait / 3))
			s.wake(now)
		case st := <-status:
			if st == nats.CLOSED {
				s.finish(fmt.Errorf("%w: %w", bus.ErrClosed, nats.ErrConnectionClosed))
				return
			}
			// First what we hold, or it is given to whoever asks first.
			s.progress(time.Now())
			s.restart()
		}
	}
}

// progress sends word of all deliveries that the server heard of before the
// given time.
func (s *subscription) progress(before time.Time) {
	if !s.nc.IsConnected() {
		return
	}
	now := time.Now()
	var replies []string
	s.mu.Lock()
	for _, p := range s.pullers {
		for _, m := range p.held {
			if m.beat.Before(before) {
				m.beat = now
				replies = append(replies, m.reply)
			}
		}
	}
	s.mu.Unlock()
	for _, r := range replies {
		if err := s.nc.Publish(r, progress); err != nil {
			return // the connection is away: it begins with all of them
		}
	}
}

// restart asks anew on a new connection.
func (s *subscription) restart() {
	s.mu.Lock()
	for _, p := range s.pullers {
		p.reset()
	}
	s.mu.Unlock()
	s.look()
	s.pull()
}

// wake asks again after a pause, or when the server has kept silent for longer
// than a request lives.
func (s *subscription) wake(now time.Time) {
	s.mu.Lock()
	for _, p := range s.pullers {
		silent := p.heard
		if p.asked.After(silent) {
			silent = p.asked
		}
		if p.outstanding > 0 && now.Sub(silent) > pullExpires+time.Second {
			p.reset()
		}
	}
	s.mu.Unlock()
	s.pull()
}

// attend looks after the group's places: it keeps this member announced, learns
// what other members changed, and gives up topics that nobody lists any more.
func (s *subscription) attend(ctx context.Context) {
	tick := time.NewTicker(attendEvery)
	defer tick.Stop()
	announced := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.ended:
			return
		case <-tick.C:
		case <-s.check:
		}
		if time.Since(announced) > memberRefresh {
			if err := s.b.announce(ctx, s.id, s.member, s.want); err == nil {
				announced = time.Now()
			}
		}
		if !s.visit(ctx) {
			return
		}
	}
}

// visit looks at all places once. It reports whether the group still exists.
func (s *subscription) visit(ctx context.Context) bool {
	for _, p := range s.pullers {
		err := s.visitPlace(ctx, p)
		switch {
		case isForgotten(err):
			s.finish(fmt.Errorf("%w: group %q: %w", bus.ErrClosed, s.group, err))
			return false
		case err != nil && ctx.Err() == nil:
			s.b.cfg.Logger.WarnContext(ctx, "group not looked after", "group", s.group, "error", err)
		}
	}
	return true
}

// isForgotten reports whether err says that the group is no more, by itself or
// with its stream.
func isForgotten(err error) bool {
	return errors.Is(err, errForgotten) || errors.Is(err, jetstream.ErrStreamNotFound)
}

func (s *subscription) visitPlace(ctx context.Context, p *puller) error {
	if p.gone {
		return nil
	}
	read := time.Now()
	info, topics, err := p.place.read(ctx)
	switch {
	case err != nil:
		return err
	case info == nil && len(p.place.want) > 0, info != nil && !info.Created.Equal(p.place.created):
		return errForgotten
	}
	narrow := p.leftOver(topics)
	if narrow || len(topics.missing(p.place.want)) > 0 {
		if topics, err = s.rejoin(ctx, p, narrow); err != nil {
			return err
		}
	}
	return s.apply(p, topics, read)
}

// apply has p go by what its group takes, as read at the given time.
func (s *subscription) apply(p *puller, topics topicSet, read time.Time) error {
	s.mu.Lock()
	p.gone = topics == nil // no member lists a topic of this stream
	err := p.setTopics(topics)
	unwanted := p.resolve(read)
	requests := s.requests()
	s.mu.Unlock()
	s.send(requests)
	for _, m := range unwanted {
		err = errors.Join(err, s.nc.Publish(m.reply, ack))
	}
	return err
}

// rejoin puts a place right: a topic of this member's is missing, as can be when
// it was away for longer than memberTTL, or one is left over.
func (s *subscription) rejoin(ctx context.Context, p *puller, narrow bool) (topicSet, error) {
	unlock, err := s.b.lock(ctx, s.id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var may change
	if narrow {
		may |= mayNarrow
	}
	return p.place.join(ctx, may)
}

// leftOver reports whether the group has had topics that this member does not
// list for so long that it is worth asking whether anybody does. Whoever lists
// them may just be starting again.
func (p *puller) leftOver(topics topicSet) bool {
	if len(p.place.unwanted(topics)) == 0 {
		p.unwanted = time.Time{}
		return false
	}
	now := time.Now()
	if p.unwanted.IsZero() {
		p.unwanted = now
	}
	if now.Sub(p.unwanted) < memberTTL {
		return false
	}
	p.unwanted = now
	return true
}
