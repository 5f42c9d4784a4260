package natsbus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// subscription is one member of a group. It asks the server for no more
// deliveries than may be in flight, tells the server every third of AckWait
// that it still works on them, and looks after the group's places.
type subscription struct {
	b        *Bus
	nc       *nats.Conn
	id       string // of the group
	member   string
	group    string
	inFlight int
	want     []string // all subjects that this member lists
	notices  *nats.Subscription

	ready  chan struct{} // holds a token while there may be something to receive
	check  chan struct{} // holds a token while the places are to be looked at
	ended  chan struct{} // closed with closed or forgotten
	stop   context.CancelFunc
	done   sync.WaitGroup
	closed sync.Once

	mu      sync.Mutex
	pullers []*puller
	turn    int // the puller that asks first
	queue   queue
	end     error // why there is no more
}

// Subscribe implements bus.Bus.
func (b *Bus) Subscribe(ctx context.Context, g bus.Group) (bus.Subscription, error) {
	if err := validateGroup(g); err != nil {
		return nil, err
	}
	if b.isClosed() { // else it would make a group that nobody wants
		return nil, bus.ErrClosed
	}
	events, letters, err := b.subjects.split(g.Topics)
	if err != nil {
		return nil, err
	}
	s := &subscription{
		b: b, nc: b.js.Conn(), id: groupID(g.Name), member: nuid.Next(), group: g.Name, inFlight: g.InFlight,
		want:  append(events[:len(events):len(events)], letters...),
		ready: make(chan struct{}, 1), check: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	if err := s.join(ctx, events, letters); err != nil {
		return nil, errors.Join(err, s.leave(ctx))
	}
	if err := b.start(context.WithoutCancel(ctx), s); err != nil {
		return nil, errors.Join(err, s.leave(ctx))
	}
	s.pull()
	return s, nil
}

func (b *Bus) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

func validateGroup(g bus.Group) error {
	var errs []error
	if g.Name == "" {
		errs = append(errs, errors.New("natsbus: Group.Name is empty"))
	}
	if len(g.Topics) == 0 {
		errs = append(errs, errors.New("natsbus: Group.Topics is empty"))
	}
	if g.InFlight < 1 {
		errs = append(errs, fmt.Errorf("natsbus: Group.InFlight is %d, at least 1 is needed", g.InFlight))
	}
	return errors.Join(errs...)
}

// join makes this subscription a member of its group.
func (s *subscription) join(ctx context.Context, events, letters []string) error {
	var err error
	if s.notices, err = s.nc.Subscribe(s.b.noticeSubject(s.id), func(*nats.Msg) { s.look() }); err != nil {
		return fmt.Errorf("natsbus: subscribe: %w", err)
	}
	if err := s.b.announce(ctx, s.id, s.member, s.want); err != nil {
		return err
	}
	unlock, err := s.b.lock(ctx, s.id)
	if err != nil {
		return err
	}
	defer unlock()
	for _, place := range []place{
		{b: s.b, id: s.id, group: s.group, want: events},
		{b: s.b, id: s.id, group: s.group, want: letters, deadLetters: true},
	} {
		topics, err := place.join(ctx, mayCreate|mayNarrow)
		if err != nil {
			return err
		}
		if topics == nil {
			continue
		}
		info, err := place.stream().Info(ctx)
		if err != nil {
			return fmt.Errorf("natsbus: subscribe: %w", err)
		}
		p, err := newPuller(s, place, topics, logName(info))
		if err != nil {
			return err
		}
		s.pullers = append(s.pullers, p)
	}
	s.share()
	return nil
}

// share divides the deliveries in flight between the two streams: dead letters
// get a quarter.
func (s *subscription) share() {
	if len(s.pullers) == 1 {
		s.pullers[0].limit = s.inFlight
		return
	}
	for _, p := range s.pullers {
		quarter := max(1, s.inFlight/4)
		if p.place.deadLetters {
			p.limit = quarter
		} else {
			p.limit = max(1, s.inFlight-quarter)
		}
	}
}

// start starts s and makes it one of b's, in one hold of the lock: what Close
// finds there has started.
func (b *Bus) start(ctx context.Context, s *subscription) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return bus.ErrClosed
	}
	b.subs[s] = struct{}{}
	ctx, cancel := context.WithCancel(ctx)
	s.stop = cancel
	s.done.Go(func() { s.beat(ctx) })
	s.done.Go(func() { s.attend(ctx) })
	return nil
}

// Receive implements bus.Subscription.
func (s *subscription) Receive(ctx context.Context) (bus.Delivery, error) {
	for {
		if err := ctx.Err(); err != nil {
			signal(s.ready) // another Receive may wait for what this one was told of
			return bus.Delivery{}, err
		}
		m, err := s.next()
		if err != nil {
			return bus.Delivery{}, err
		}
		if m != nil {
			return m.delivery(), nil
		}
		select {
		case <-s.ready:
		case <-s.ended:
		case <-ctx.Done():
		}
	}
}

// next takes the next delivery out of the buffer, nil when there is none.
func (s *subscription) next() (*message, error) {
	s.mu.Lock()
	if s.end != nil {
		defer s.mu.Unlock()
		return nil, s.end
	}
	m := s.queue.pop()
	if m == nil {
		s.mu.Unlock()
		return nil, nil //nolint:nilnil // "none yet" is no error
	}
	m.p.buffered--
	if s.queue.len() > 0 {
		signal(s.ready)
	}
	requests := s.requests()
	s.mu.Unlock()
	s.send(requests)
	return m, nil
}

// finish ends the subscription with err for all who wait.
func (s *subscription) finish(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == nil {
		s.end = err
		close(s.ended)
	}
}

// Close implements bus.Subscription. It returns when the server has everything
// back, and what was settled before is settled there.
func (s *subscription) Close(ctx context.Context) error {
	var err error
	s.closed.Do(func() { err = s.close(ctx) })
	return err
}

func (s *subscription) close(ctx context.Context) error {
	s.b.mu.Lock()
	delete(s.b.subs, s)
	s.b.mu.Unlock()
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
	}
	s.finish(bus.ErrClosed)
	s.stop()
	errs := []error{s.handBack(ctx)}
	s.done.Wait()
	errs = append(errs, s.leave(ctx))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("natsbus: close: %w", err)
	}
	return nil
}

// handBack returns all deliveries. The pullers stay subscribed until the server
// has confirmed that it sends no more, and hand back what still arrives.
func (s *subscription) handBack(ctx context.Context) error {
	s.mu.Lock()
	var held []*message
	for _, p := range s.pullers {
		for _, m := range p.held {
			held = append(held, m)
		}
		clear(p.held)
	}
	s.queue = queue{}
	s.mu.Unlock()

	var errs []error
	for _, p := range s.pullers {
		errs = append(errs, p.drain(ctx))
	}
	for _, m := range held {
		errs = append(errs, ignoreClosed(s.nc.Publish(m.reply, handBack)))
	}
	return errors.Join(append(errs, ignoreClosed(s.nc.FlushWithContext(ctx)))...)
}

// leave withdraws this member from its group.
func (s *subscription) leave(ctx context.Context) error {
	var errs []error
	for _, p := range s.pullers {
		errs = append(errs, p.unsubscribe())
	}
	if s.notices != nil {
		errs = append(errs, ignoreClosed(s.notices.Unsubscribe()))
	}
	return errors.Join(append(errs, ignoreClosed(s.b.withdraw(ctx, s.id, s.member)))...)
}

// ignoreClosed leaves out that there is no connection any more: the server then
// hands on by itself what it hears no more of.
func ignoreClosed(err error) error {
	if errors.Is(err, nats.ErrBadSubscription) || errors.Is(err, nats.ErrConnectionClosed) {
		return nil
	}
	return err
}

// look has the group's places looked at soon.
func (s *subscription) look() { signal(s.check) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
